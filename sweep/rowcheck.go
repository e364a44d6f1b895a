package sweep

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxLine is the longest line of a file of rows that is read, in bytes. A model's name can have a
// few thousand characters.
const maxLine = 1 << 20

// errLongLine says that a line is longer than maxLine. No sweep writes such a line.
var errLongLine = fmt.Errorf("has a line of more than %d bytes", maxLine)

// readLine reads one line with its end of line. At the end of the file, it returns the bytes of
// an unfinished line and io.EOF. The bytes are valid until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return nil, errLongLine
	}
	return line, err
}

// lines makes a reader for readLine.
func lines(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, maxLine) }

// rowCheck compares the lines of a file with what a sweep writes: every row has all of its
// fields, the numbers of the rows ascend and stay in their range, and every line ends as a sweep
// ends it.
type rowCheck struct {
	format  Format
	columns []string // where nil, those of the first row of a format that names columns in each row
	next    int      // the smallest number that the next row may have
	to      int      // one more than the largest number that a row may have
	every   bool     // whether every row must be present
	figured int      // how many figures a row has; 0 for as many as a grid's
	// setting, if it is not nil, writes the text that the row of a given number must begin with.
	setting func(b *bytes.Buffer, row int)

	last Tally // the row that was checked last
	buf  bytes.Buffer
}

// line checks the next line and counts it.
func (c *rowCheck) line(b []byte) error {
	body, ok := bytes.CutSuffix(b, []byte("\n"))
	if !ok {
		return errors.New("a line is cut short")
	}
	if bytes.HasSuffix(body, []byte("\r")) {
		return errors.New("lines end in carriage returns, as no sweep writes them")
	}
	keys, values, err := fields(c.format, body)
	if err != nil {
		return err
	}
	if c.format == CSV {
		keys = c.columns
	} else if c.columns == nil {
		c.columns = keys
	}
	if len(values) != len(c.columns) || !slices.Equal(keys, c.columns) {
		return fmt.Errorf("a row has other fields than %s", abbreviate(strings.Join(c.columns, ",")))
	}
	n, err := strconv.Atoi(values[0])
	switch {
	case err != nil || values[0] != strconv.Itoa(n):
		return fmt.Errorf("%q is not a row number", abbreviate(values[0]))
	case n < c.next:
		return fmt.Errorf("row %d stands where row %d or a later one belongs", n, c.next)
	case n >= c.to:
		return fmt.Errorf("row %d is past the last, %d", n, c.to-1)
	case c.every && n != c.next:
		return fmt.Errorf("rows %d to %d are missing", c.next, n-1)
	}
	if err := c.figures(values); err != nil {
		return fmt.Errorf("row %d: %w", n, err)
	}
	if c.setting != nil {
		c.buf.Reset()
		c.setting(&c.buf, n)
		if !bytes.HasPrefix(body, c.buf.Bytes()) || !bytes.HasPrefix(body[c.buf.Len():], []byte(",")) {
			return fmt.Errorf("row %d has other parameters than this grid gives it", n)
		}
	}
	c.next = n + 1
	c.last = Tally{Rows: 1, Priced: 1}
	if at := verdictAt(c.columns, c.figured); values[at] == "invalid" {
		c.last = Tally{Rows: 1, Reason: values[at+1]}
	}
	return nil
}

// figures checks the verdict of a row and its figures, of which either all or none must be
// present.
func (c *rowCheck) figures(values []string) error {
	at := verdictAt(c.columns, c.figured)
	if at < 1 {
		return errors.New("has no figures")
	}
	status, rest := values[at], values[at+2:]
	if !slices.Contains([]string{"ok", "does_not_fit", "invalid"}, status) {
		return fmt.Errorf("%q is not a status", abbreviate(status))
	}
	for i, v := range rest {
		_, err := strconv.ParseFloat(v, 64)
		if priced := status != "invalid"; priced && err != nil || !priced && v != "" {
			return fmt.Errorf("%s cannot be %q where the status is %s", c.columns[at+2+i], abbreviate(v), status)
		}
	}
	return nil
}

// verdictAt returns the index of the status among the columns of a row. It returns −1 unless a
// reason and figured figures follow the status, or, where figured is 0, as many as a grid has.
func verdictAt(columns []string, figured int) int {
	counts := []int{analytic, len(figures)}
	if figured > 0 {
		counts = []int{figured}
	}
	for _, n := range counts {
		if at := len(columns) - n - 2; at >= 1 && columns[at] == "status" {
			return at
		}
	}
	return -1
}

func abbreviate(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// fields splits a line, without its end, into values and, in JSON, their names.
func fields(f Format, line []byte) (keys, values []string, err error) {
	if f == JSONL {
		return jsonFields(line)
	}
	if !bytes.ContainsAny(line, "\"\r\n") {
		return nil, strings.Split(string(line), ","), nil
	}
	values, err = csv.NewReader(bytes.NewReader(line)).Read()
	if err != nil {
		return nil, nil, fmt.Errorf("%q is not a line of CSV", abbreviate(string(line)))
	}
	return nil, values, nil
}

// jsonFields reads a JSON object without nested ones: its names and values in order, null as "".
func jsonFields(line []byte) (keys, values []string, err error) {
	bad := func() error { return fmt.Errorf("%q is not a flat JSON object", abbreviate(string(line))) }
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, bad()
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, nil, bad()
		}
		v, err := d.Token()
		if err != nil {
			return nil, nil, bad()
		}
		text := ""
		switch v := v.(type) {
		case json.Delim:
			return nil, nil, bad()
		case nil:
		default:
			text = fmt.Sprint(v)
		}
		keys, values = append(keys, k.(string)), append(values, text)
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, nil, bad()
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, nil, bad()
	}
	return keys, values, nil
}
