package sweep

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/internal/input"
)

// Objective is a figure, and whether larger values of it are better.
type Objective struct {
	Figure string
	More   bool
}

// ParseObjectives reads names of figures separated by commas. Larger throughput and largest batch
// are better, and smaller values of everything else; +NAME and -NAME say the direction outright.
func ParseObjectives(s string) ([]Objective, error) {
	var out []Objective
	for _, n := range strings.Split(s, ",") {
		n = strings.TrimSpace(n)
		name := strings.TrimPrefix(strings.TrimPrefix(n, "+"), "-")
		i, err := figureOf(name)
		if err != nil {
			return nil, err
		}
		o := Objective{figures[i].name, figures[i].more}
		if strings.HasPrefix(n, "+") {
			o.More = true
		} else if strings.HasPrefix(n, "-") {
			o.More = false
		}
		out = append(out, o)
	}
	return out, nil
}

// Row is a row read from a file, with its values by column.
type Row struct {
	Columns []string
	Values  []string
}

// Get returns the value of a column, "" where there is no such column.
func (r Row) Get(col string) string {
	if i := slices.Index(r.Columns, col); i >= 0 {
		return r.Values[i]
	}
	return ""
}

// Read calls fn for each row of a file that a sweep made, in order. It returns an error with the
// line number where a row does not have the same columns as the others, each of them once.
func Read(path string, fn func(Row) error) error {
	f, err := FormatOf(path)
	if err != nil {
		return err
	}
	file, err := input.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if f == JSONL {
		return readJSONL(path, file, fn)
	}
	return readCSV(path, file, fn)
}

func readCSV(path string, file io.Reader, fn func(Row) error) error {
	b := bufio.NewReaderSize(file, 1<<16)
	if mark, err := b.Peek(3); err == nil && string(mark) == "\ufeff" {
		b.Discard(len(mark)) // spreadsheets write a byte order mark before the name of the first column
	}
	r := csv.NewReader(b)
	r.Comment = '#'
	head, err := r.Read()
	if err == io.EOF {
		return fmt.Errorf("%s is empty: rows of a sweep are needed", path)
	}
	for err == nil {
		if name := twice(head); name != "" {
			return fmt.Errorf("%s: column %q appears twice", path, name)
		}
		var v []string
		if v, err = r.Read(); err == nil {
			if err := fn(Row{head, v}); err != nil {
				return err
			}
		}
	}
	var p *csv.ParseError
	switch {
	case err == io.EOF:
		return nil
	case errors.As(err, &p) && errors.Is(p.Err, csv.ErrFieldCount):
		return fmt.Errorf("%s:%d: a row has other fields than the header's %d", path, p.Line, len(head))
	}
	return input.CSVError(path, err)
}

func readJSONL(path string, file io.Reader, fn func(Row) error) error {
	r := lines(file)
	var columns []string
	for n := 1; ; n++ {
		line, err := readLine(r)
		switch {
		case errors.Is(err, errLongLine):
			return fmt.Errorf("%s:%d: %w", path, n, err)
		case err != nil && err != io.EOF:
			return input.Reason(path, err)
		}
		line = bytes.TrimSpace(line)
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if isArray(path) {
			if line = bytes.TrimSuffix(line, []byte(",")); string(line) == "[" || string(line) == "]" {
				line = nil
			}
		}
		marked := bytes.HasPrefix(line, []byte(jsonMark)) || bytes.HasPrefix(line, []byte(jsonEnd))
		if len(line) > 0 && !marked {
			keys, values, err := jsonFields(line)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
			if columns == nil {
				columns = keys
				if name := twice(keys); name != "" {
					return fmt.Errorf("%s:%d: column %q appears twice", path, n, name)
				}
			}
			if !slices.Equal(keys, columns) {
				return fmt.Errorf("%s:%d: a row has other fields than the first row's %d", path, n, len(columns))
			}
			if err := fn(Row{columns, values}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// front keeps the rows for which no other row is at least as good in every objective.
type front struct {
	obj  []Objective
	vals [][]float64 // with a sign such that larger is better
	rows []Row
}

func dominates(a, b []float64) bool {
	strict := false
	for i := range a {
		if a[i] < b[i] {
			return false
		}
		strict = strict || a[i] > b[i]
	}
	return strict
}

func (f *front) add(r Row) {
	v := make([]float64, len(f.obj))
	for i, o := range f.obj {
		x, err := strconv.ParseFloat(r.Get(o.Figure), 64)
		if err != nil {
			return
		}
		if !o.More {
			x = -x
		}
		v[i] = x
	}
	for _, w := range f.vals {
		if dominates(w, v) || slices.Equal(w, v) {
			return
		}
	}
	n := 0
	for i, w := range f.vals {
		if !dominates(v, w) {
			f.vals[n], f.rows[n] = w, f.rows[i]
			n++
		}
	}
	f.vals, f.rows = append(f.vals[:n], v), append(f.rows[:n], r)
}

// Pareto returns the rows of a sweep's file that fit and for which no other row is at least as
// good in every objective, in the order of the file. Of rows that are equal in all objectives,
// the first is returned.
func Pareto(path string, obj []Objective) ([]Row, error) {
	f := front{obj: obj}
	err := Read(path, func(r Row) error {
		if r.Get("status") == "ok" {
			f.add(r)
		}
		return nil
	})
	return f.rows, err
}

// BestPer returns, for each value of a column, the row that is best in an objective among those
// that fit, in the order in which the values first occur.
func BestPer(path, column string, o Objective) ([]Row, error) {
	var order []string
	best := map[string]Row{}
	value := map[string]float64{}
	err := Read(path, func(r Row) error {
		if !slices.Contains(r.Columns, column) {
			return fmt.Errorf("%s has no column %q (has %s)", path, column, strings.Join(r.Columns, ", "))
		}
		x, err := strconv.ParseFloat(r.Get(o.Figure), 64)
		if err != nil || r.Get("status") != "ok" {
			return nil
		}
		if !o.More {
			x = -x
		}
		k := r.Get(column)
		old, ok := value[k]
		if !ok {
			order = append(order, k)
		}
		if !ok || x > old {
			value[k], best[k] = x, r
		}
		return nil
	})
	out := make([]Row, len(order))
	for i, k := range order {
		out[i] = best[k]
	}
	return out, err
}
