package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"golang.org/x/term"

	"github.com/OWNER/ridgeline/internal/plain"
	"github.com/OWNER/ridgeline/reports"
)

// messages is stderr. It keeps warnings until the verb is done, because wrong input should print
// one line only, without a warning before it.
type messages struct {
	io.Writer
	warnings []string
}

// warn keeps a warning, unless it has the same one already.
func warn(w io.Writer, format string, args ...any) {
	text := "ridgeline: warning: " + oneLine(fmt.Sprintf(format, args...))
	m, ok := w.(*messages)
	if !ok {
		fmt.Fprintln(w, text)
	} else if !slices.Contains(m.warnings, text) {
		m.warnings = append(m.warnings, text)
	}
}

// flush prints the warnings that were kept.
func (m *messages) flush() {
	for _, w := range m.warnings {
		fmt.Fprintln(m.Writer, w)
	}
	m.warnings = nil
}

// oneLine puts a message on one line, whatever text it quotes.
func oneLine(s string) string { return plain.Line(s) }

// onTerminal reports whether w is a terminal that people look at.
func onTerminal(w io.Writer) bool {
	switch x := w.(type) {
	case *messages:
		w = x.Writer
	case *output:
		w = x.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// narrowest is the smallest width for which text is laid out; a narrower terminal breaks the
// lines itself.
const narrowest = 40

// columns returns how many characters wide the output on w may be: COLUMNS, else the width of the
// terminal, else the default, which is also the most.
func columns(w io.Writer) int {
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil || n <= 0 {
		n = reports.Width
		if o, ok := w.(*output); ok {
			w = o.Writer
		}
		if f, ok := w.(*os.File); ok {
			if wide, _, err := term.GetSize(int(f.Fd())); err == nil {
				n = wide
			}
		}
	}
	return min(max(n, narrowest), reports.Width)
}
