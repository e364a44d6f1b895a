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

// messages is stderr. Warnings are kept until the verb is done: bad input is to leave
// one line, not a warning and a line.
type messages struct {
	io.Writer
	warnings []string
}

// warn keeps a warning, once.
func warn(w io.Writer, format string, args ...any) {
	text := "ridgeline: warning: " + oneLine(fmt.Sprintf(format, args...))
	m, ok := w.(*messages)
	if !ok {
		fmt.Fprintln(w, text)
	} else if !slices.Contains(m.warnings, text) {
		m.warnings = append(m.warnings, text)
	}
}

// flush prints the warnings kept.
func (m *messages) flush() {
	for _, w := range m.warnings {
		fmt.Fprintln(m.Writer, w)
	}
	m.warnings = nil
}

// oneLine keeps a message on one line, whatever was quoted in it.
func oneLine(s string) string { return plain.Line(s) }

// onTerminal reports whether people are looking at w.
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

// narrowest is the fewest columns that text is laid out for; on fewer the terminal breaks lines.
const narrowest = 40

// columns is how wide what w shows may be: COLUMNS, else the terminal's width, else and at
// most what a page takes.
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
