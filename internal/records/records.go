// Package records reads the CSV tables of measurements that people bring. Every error is
// one line, "name:line: column: what is wrong".
package records

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/precision"
)

// Each calls f for every line of a CSV file after its header.
func Each(r io.Reader, name string, f func(*Record) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	if !s.Scan() {
		if err := s.Err(); err != nil {
			return fmt.Errorf("%s:1: %w", name, lineError(err))
		}
		return fmt.Errorf("%s:1: empty file, want a header line", name)
	}
	rec := Record{file: name, Line: 1, column: map[string]int{}}
	header := split(s.Text())
	for i, h := range header {
		if _, twice := rec.column[h]; twice {
			return fmt.Errorf("%s:1: %q: two columns of this name", name, h)
		}
		rec.column[h] = i
	}
	n := 0
	for s.Scan() {
		rec.Line++
		text := strings.TrimSpace(s.Text())
		if text == "" {
			continue
		}
		n++
		rec.field = split(text)
		if len(rec.field) != len(header) {
			return fmt.Errorf("%s:%d: %d fields, the header has %d", name, rec.Line, len(rec.field), len(header))
		}
		if err := f(&rec); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, rec.Line+1, lineError(err))
	}
	if n == 0 {
		return fmt.Errorf("%s:%d: no rows after the header", name, rec.Line)
	}
	return nil
}

// lineError words what stops a reader of lines.
func lineError(err error) error {
	if errors.Is(err, bufio.ErrTooLong) {
		return errors.New("a line of more than 1 MiB: not a table of timings")
	}
	return err
}

func split(line string) []string {
	f := strings.Split(strings.TrimPrefix(line, "\ufeff"), ",")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	return f
}

// Record is one line being read; the first error sticks.
type Record struct {
	file   string
	Line   int // the header is line 1
	column map[string]int
	field  []string
	err    error
}

// Err is the first error of the line.
func (r *Record) Err() error { return r.err }

// Fail reports what is wrong with a column of the line.
func (r *Record) Fail(column, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s:%d: %s: %s", r.file, r.Line, column, fmt.Sprintf(format, args...))
	}
}

// Text returns a column.
func (r *Record) Text(column string) string {
	i, ok := r.column[column]
	if !ok {
		r.Fail(column, "no such column in the header")
		return ""
	}
	return r.field[i]
}

// Optional returns a column that tables may lack, otherwise without it or where it is empty.
func (r *Record) Optional(column, otherwise string) string {
	if i, ok := r.column[column]; ok && r.field[i] != "" {
		return r.field[i]
	}
	return otherwise
}

// largest bounds any size in a table: beyond it products of four sizes would overflow
// what a double counts exactly, and no GPU kernel is anywhere near.
const largest = 1 << 40

// Size reads a whole number of at least least.
func (r *Record) Size(column string, least float64) float64 {
	t := r.Text(column)
	v, err := strconv.ParseFloat(t, 64)
	switch {
	case r.err != nil:
		return least
	case err != nil || v != float64(int64(v)):
		r.Fail(column, "%q is not a whole number", t)
	case v < least || v > largest:
		r.Fail(column, "%s is out of range, want %g to 2^40", t, least)
	}
	return v
}

// A row with a time outside of these, in seconds, is a slip of a unit: no kernel starts in a
// nanosecond, and nobody waits for one, or for a token, for days.
const shortest, longest = 1e-9, 1e6

// Duration reads a positive time in seconds from a column with so many units to a second.
func (r *Record) Duration(column string, perSecond float64) float64 {
	t := r.Text(column)
	v, err := strconv.ParseFloat(t, 64)
	switch {
	case r.err != nil:
	case err != nil:
		r.Fail(column, "%q is not a number", t)
	case !(v >= shortest*perSecond) || v > longest*perSecond:
		r.Fail(column, "%s is no time that anything took: want from 1 nanosecond to 11 days", t)
	}
	return v / perSecond
}

// Format reads a number format that kernels are timed in.
func (r *Record) Format(column string) precision.DType {
	t := r.Text(column)
	if r.err != nil {
		return precision.Unset
	}
	d, err := precision.Parse(t)
	if err != nil {
		r.Fail(column, "%v", err)
	} else if b := d.Bytes(); b != 1 && b != 2 {
		r.Fail(column, "%q is not a format calibrated here (bfloat16, float16, fp8, int8)", t)
	}
	return d
}
