package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/sweep"
	"github.com/OWNER/ridgeline/units"
)

// maxGroups is the most series of a figure of rows. maxPoints is the most points that it draws
// and keeps in memory: more dots cannot be told apart.
const (
	maxGroups = 8
	maxPoints = 20000
)

// Rows says which columns of a sweep's rows a figure shows.
type Rows struct {
	X, Y string // columns of numbers; Y must be a result
	By   string // a series for each value of this column, "" for one of all
	// Front draws every row as a point and joins the rows for which no other row is better in
	// both columns.
	Front bool
}

// ParseRows reads x=NAME,y=NAME or x=NAME,y=NAME,by=NAME.
func ParseRows(s string) (Rows, error) {
	var r Rows
	for _, part := range strings.Split(s, ",") {
		key, name, _ := strings.Cut(strings.TrimSpace(part), "=")
		to := map[string]*string{"x": &r.X, "y": &r.Y, "by": &r.By}[key]
		if to == nil || name == "" || *to != "" {
			return r, fmt.Errorf("%q: write x=NAME,y=NAME,by=NAME, each once", s)
		}
		*to = name
	}
	if r.X == "" || r.Y == "" {
		return r, fmt.Errorf("%q: write x=NAME,y=NAME, and by=NAME for a line for each value", s)
	}
	return r, nil
}

// In finds the named columns among those of a file.
func (r Rows) In(columns []string) (Rows, error) {
	for _, c := range []struct {
		key  string
		name *string
	}{{"x", &r.X}, {"y", &r.Y}, {"by", &r.By}} {
		if *c.name == "" {
			continue
		}
		n, ok := sweep.Column(*c.name, columns)
		if !ok {
			return r, fmt.Errorf("no column %s for %s (has %s)", strconv.Quote(*c.name), c.key, strings.Join(columns, ", "))
		}
		*c.name = n
	}
	if figures := sweep.Figures(); !slices.Contains(figures, r.Y) {
		return r, fmt.Errorf("y must be a figure, %s is none (have %s)", r.Y, strings.Join(figures, ", "))
	}
	return r, nil
}

// Of finds the named columns among those of a grid's rows. It refuses a figure that the rows
// could not give before any of them is computed.
func (r Rows) Of(g *sweep.Grid) (Rows, error) {
	r, err := r.In(g.Columns())
	if err != nil {
		return r, err
	}
	xs, bys := []string{g.Fixed[r.X]}, 1
	for _, a := range g.Axes {
		if a.Name == r.X {
			xs = a.Values
		}
		if a.Name == r.By {
			bys = len(a.Values)
		}
	}
	for _, v := range xs {
		if _, err := strconv.ParseFloat(v, 64); err != nil && !r.computedX() {
			return r, fmt.Errorf("x must hold numbers, %s has %q", r.X, v)
		}
	}
	if bys > maxGroups {
		return r, fmt.Errorf("%s has %d values: a figure tells no more than %d apart", r.By, bys, maxGroups)
	}
	return r, nil
}

// computedX reports whether x is a result and no parameter. Rows are then drawn as points, not as
// lines.
func (r Rows) computedX() bool { return slices.Contains(sweep.Figures(), r.X) }

// Sweep measures a figure of the rows of a sweep's file. Where x is a parameter, lines join the
// best row at each value of x; where x is a result, every row is a point. The memory used does
// not grow with the file.
func Sweep(path string, r Rows) (*Chart, error) {
	r, p, err := r.read(path)
	if err != nil {
		return nil, err
	}
	series, xs, ys := p.series(r)
	if len(xs) == 0 {
		return nil, fmt.Errorf("%s has no row that fits its device: nothing to draw", path)
	}
	a := Panel{Form: Curves, X: axisOf(r.X, scaleFor(xs)), Y: axisOf(r.Y, scaleFor(ys)), Series: series}
	a.Y.FromZero = true
	if a.X.Scale == Log10 && powersOfTwo(xs) {
		a.X.Scale = Log2
	}
	if r.Front {
		f, err := front(path, r.X, r.Y)
		if err != nil {
			return nil, err
		}
		a.Series = append(a.Series, f)
	}
	kind := "sweep"
	if r.Front {
		kind = "pareto"
	}
	title := a.Y.Label + " against " + a.X.Label
	c := &Chart{Kind: kind, Title: strings.ToUpper(title[:1]) + title[1:], Setting: p.setting(r), Alt: "Rows of a sweep, " + a.Y.Label + " over " + a.X.Label, Panels: []Panel{a}}
	c.Fidelity = strings.Join(p.fidelities, ", ")
	return c, nil
}

// group returns the name of the series for a value of the column by: models and devices go by
// their name alone.
func group(column, value string) string {
	if column == "model" || column == "on" {
		return value
	}
	return words(column) + " " + value
}

func words(column string) string { return strings.ReplaceAll(column, "_", " ") }

func powersOfTwo(v []float64) bool {
	return !slices.ContainsFunc(v, func(x float64) bool { f, _ := math.Frexp(x); return f != 0.5 })
}

// axisOf returns the axis of a column, with its name and unit as people write them.
func axisOf(column string, scale Scale) Axis {
	if a, ok := map[string]Axis{
		"tpot_seconds": {Label: "time per output token", Unit: "s"}, "ttft_seconds": {Label: "time to first token", Unit: "s"},
		"tokens_per_second": {Label: "decode throughput", Unit: "tokens/s"}, "tokens_per_second_per_device": {Label: "decode throughput of a device", Unit: "tokens/s"}, "tokens_per_second_at_max_batch": {Label: "decode throughput at the largest batch", Unit: "tokens/s"},
		"params": {Label: "parameters"}, "max_batch": {Label: "largest batch"}, "gmu_ratio": {Label: "GMU ratio"},
		"generate": {Label: "tokens generated"}, "prompt": {Label: "prompt", Unit: "tokens"}, "context": {Label: "context", Unit: "tokens"},
	}[column]; ok {
		a.Scale = scale
		return a
	}
	a := Axis{Label: words(column), Scale: scale}
	for _, u := range []struct{ ending, unit string }{{" seconds", "s"}, {" bytes", "B"}, {" flops", "FLOP"}} {
		if l, ok := strings.CutSuffix(a.Label, u.ending); ok {
			a.Label, a.Unit = l, u.unit
		}
	}
	return a
}

// key says what a point stands for: one row, or, where x is a parameter, the best row at that x.
type key struct {
	group int
	x     float64
	row   int // 0 where all rows with the same x share one point
}

// points holds the points that are kept. Where there are more than maxPoints, those with the
// smallest hashes are kept: they are spread over the whole grid, and are the same ones every
// time.
type points struct {
	lines   bool
	more    bool // whether a larger y is better
	groups  []string
	y       map[key]float64
	limit   uint64
	rows    int // how many rows were read
	unfit   int
	dropped int
	merged  bool // whether several rows had the same x
	columns []string
	// fidelities holds the fidelities of all rows, sorted.
	fidelities []string
	same       []string // the value all rows have in a column, "" if they differ
}

func (r Rows) read(path string) (Rows, *points, error) {
	p := &points{y: map[key]float64{}, limit: math.MaxUint64}
	err := sweep.Read(path, func(row sweep.Row) (err error) {
		if p.rows == 0 {
			if r, err = r.In(row.Columns); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			obj, err := sweep.ParseObjectives(r.Y)
			if err != nil {
				return err
			}
			p.more, p.lines = obj[0].More, !r.Front && !r.computedX()
			p.columns, p.same = row.Columns, slices.Clone(row.Values)
		}
		p.rows++
		for i, v := range p.same {
			if v != "" && (i >= len(row.Values) || v != row.Values[i]) {
				p.same[i] = ""
			}
		}
		if f := row.Get("fidelity"); f != "" {
			if i, ok := slices.BinarySearch(p.fidelities, f); !ok {
				p.fidelities = slices.Insert(p.fidelities, i, f)
			}
		}
		if row.Get("status") != "ok" {
			p.unfit++
			return nil
		}
		x, y, err := xy(row, r.X, r.Y)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		g := ""
		if r.By != "" {
			g = group(r.By, row.Get(r.By))
		}
		i := slices.Index(p.groups, g)
		if i < 0 {
			if i = len(p.groups); i == maxGroups {
				return fmt.Errorf("%s has more than %d values in %s: a figure tells no more apart", path, maxGroups, r.By)
			}
			p.groups = append(p.groups, g)
		}
		p.add(i, x, y)
		return nil
	})
	return r, p, err
}

func xy(r sweep.Row, x, y string) (vx, vy float64, err error) {
	vx, errx := strconv.ParseFloat(r.Get(x), 64)
	vy, erry := strconv.ParseFloat(r.Get(y), 64)
	if errx != nil || erry != nil {
		return 0, 0, fmt.Errorf("columns %s and %s must hold numbers", x, y)
	}
	return vx, vy, nil
}

func (p *points) add(group int, x, y float64) {
	k := key{group: group, x: x, row: p.rows}
	if p.lines {
		k.row = 0
	}
	if k.hash() > p.limit {
		p.dropped++
		return
	}
	if old, ok := p.y[k]; ok {
		p.merged = true
		if (y > old) != p.more {
			return
		}
	}
	p.y[k] = y
	for len(p.y) > maxPoints {
		p.limit /= 2
		for k := range p.y {
			if k.hash() > p.limit {
				delete(p.y, k)
				p.dropped++
			}
		}
	}
}

// hash mixes x and the number of the row (splitmix64). The group is not mixed in, so that all
// lines lose their points at the same x.
func (k key) hash() uint64 {
	h := math.Float64bits(k.x) + uint64(k.row)*0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// series sorts the points into lines or clouds of points.
func (p *points) series(r Rows) (out []Series, xs, ys []float64) {
	for _, g := range p.groups {
		if g == "" && r.Front {
			g = "every row" // beside the front, points without a name would be a mark that says nothing
		}
		out = append(out, Series{Name: g, Cloud: !p.lines})
	}
	keys := make([]key, 0, len(p.y))
	for k := range p.y {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.row, b.row)) })
	for _, k := range keys {
		s := &out[k.group]
		s.Points = append(s.Points, Point{X: k.x, Y: p.y[k], Fits: true})
		xs, ys = append(xs, k.x), append(ys, p.y[k])
	}
	return out, xs, ys
}

// setting lists what is the same in all rows, and says what the figure shows of the rows.
func (p *points) setting(r Rows) []string {
	var out []string
	for i, c := range p.columns {
		if c == "status" {
			break // the columns that follow are results
		}
		if p.same[i] != "" && c != "row" && c != r.X && c != r.By {
			out = append(out, words(c)+" "+p.same[i])
		}
	}
	if len(p.fidelities) > 1 && r.By != "fidelity" && r.X != "fidelity" {
		out = append(out, "fidelities "+strings.Join(p.fidelities, " and "))
	}
	out = append(out, units.Int(float64(p.rows))+" rows of a sweep")
	if p.unfit > 0 {
		out = append(out, units.Int(float64(p.unfit))+" left out: invalid, or not fitting the device")
	}
	if p.merged {
		out = append(out, "of the rows at one x, the best is drawn")
	}
	if p.dropped > 0 {
		out = append(out, fmt.Sprintf("thinned evenly to %s points", units.Int(float64(len(p.y)))))
	}
	if r.Front {
		out = append(out, "the front joins the rows that none beats: "+direction(r.X)+", "+direction(r.Y))
	}
	return out
}

// direction says whether larger or smaller values of a column are better.
func direction(column string) string {
	label := axisOf(column, Linear).Label
	way := "less"
	if strings.HasSuffix(label, "s") {
		way = "fewer"
	}
	if o, err := sweep.ParseObjectives(column); err == nil && o[0].More {
		way = "more"
	}
	return way + " " + label
}
