package sweep

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"ridgeline/internal/input"
)

// Objective is a figure and whether more of it is better.
type Objective struct {
	Figure string
	More   bool
}

// better says which way a figure is good when nobody says.
var moreIsBetter = map[string]bool{"tokens_per_second": true, "tokens_per_second_at_max_batch": true, "max_batch": true}

// ParseObjectives reads a comma list of figures. Throughput and largest batch are better
// when larger, all else when smaller; +NAME and -NAME say it outright.
func ParseObjectives(s string) ([]Objective, error) {
	var out []Objective
	for _, n := range strings.Split(s, ",") {
		n = strings.TrimSpace(n)
		name := strings.TrimLeft(n, "+-")
		if l, ok := shortNames[name]; ok {
			name = l
		}
		if figureIndex(name) < 0 {
			return nil, fmt.Errorf("no figure %q (know %s)", name, strings.Join(Figures(), ", "))
		}
		o := Objective{name, moreIsBetter[name]}
		if strings.HasPrefix(n, "+") {
			o.More = true
		} else if strings.HasPrefix(n, "-") {
			o.More = false
		}
		out = append(out, o)
	}
	return out, nil
}

// Row is a row read back from a file, by column.
type Row struct {
	Columns []string
	Values  []string
}

// Get returns a column's value, "" if there is none.
func (r Row) Get(col string) string {
	if i := slices.Index(r.Columns, col); i >= 0 {
		return r.Values[i]
	}
	return ""
}

// Read calls fn for each row of a file made by a sweep, in order.
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
	r := csv.NewReader(bufio.NewReaderSize(file, 1<<16))
	r.Comment = '#'
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for {
		v, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := fn(Row{head, v}); err != nil {
			return err
		}
	}
}

func readJSONL(path string, file io.Reader, fn func(Row) error) error {
	sc := bufio.NewScanner(file)
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		if n == 1 && strings.HasPrefix(sc.Text(), `{"ridgeline_sweep":`) {
			continue
		}
		d := json.NewDecoder(strings.NewReader(sc.Text()))
		d.UseNumber()
		var row Row
		if _, err := d.Token(); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
			v, err := d.Token()
			if err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
			text := ""
			if v != nil {
				text = fmt.Sprint(v)
			}
			row.Columns = append(row.Columns, fmt.Sprint(k))
			row.Values = append(row.Values, text)
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return sc.Err()
}

// front keeps the rows no other row beats in every objective.
type front struct {
	obj  []Objective
	vals [][]float64 // signed so that more is better
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

// Pareto returns the rows of a sweep's file that fit and that no other beats in every
// objective, in the order of the file. Of equal ones the first stays.
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

// BestPer returns, for each value of a column, the fitting row that is best in an
// objective, in the order the values first appear.
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
