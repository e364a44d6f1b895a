package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// app is what the verbs share: where output goes, and the warnings gathered on the way.
type app struct {
	stdout, stderr io.Writer
	warnings       []string
}

// warn keeps a warning for the end: bad input is to leave one line on stderr, not a
// warning and a line. The same warning is kept once.
func (a *app) warn(format string, args ...any) {
	w := oneLine(fmt.Sprintf(format, args...))
	if !slices.Contains(a.warnings, w) {
		a.warnings = append(a.warnings, w)
	}
}

// flushWarnings prints what was kept.
func (a *app) flushWarnings() {
	for _, w := range a.warnings {
		fmt.Fprintf(a.stderr, "ridgeline: warning: %s\n", w)
	}
	a.warnings = nil
}

// failure is an error that is not the user's: a run that failed, a check that did not
// hold. It exits 1; every other error exits 2.
type failure struct{ err error }

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

// failed marks err as a failure.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// finish turns the outcome of a verb into messages and an exit code.
func (a *app) finish(ctx context.Context, err error) int {
	var f failure
	switch {
	case err == nil:
		a.flushWarnings()
		return 0
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		fmt.Fprintln(a.stderr, "ridgeline: interrupted")
		return 130
	case errors.As(err, &f):
		a.flushWarnings()
		fmt.Fprintf(a.stderr, "ridgeline: %s\n", oneLine(err.Error()))
		return 1
	}
	fmt.Fprintf(a.stderr, "ridgeline: %s\n", oneLine(err.Error()))
	return 2
}

// oneLine keeps a message on one line whatever was quoted in it.
func oneLine(s string) string {
	lines := strings.FieldsFunc(strings.TrimSpace(s), func(r rune) bool { return r == '\n' || r == '\r' })
	for i, l := range lines {
		lines[i] = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
				return ' '
			}
			return r
		}, l))
	}
	return strings.Join(lines, "; ")
}
