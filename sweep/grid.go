package sweep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Grid holds every combination of the axes' values; the last axis varies fastest. The axes, a
// file's rows and its columns are in the order in which the axes were declared. Fixed holds, by
// name, the parameters that do not vary.
type Grid struct {
	Axes  []Axis
	Fixed map[string]string
	Where []Constraint
	// IsoParams, if positive, makes every design of a family equally large: its width is the
	// smallest with which it has at least this many parameters.
	IsoParams float64

	varied [][]set        // what each value of each axis sets; filled in by Normalise
	fixed  map[string]set // what each fixed parameter sets, by name
}

// Fix gives a parameter one value. It replaces any value or axis that the grid has for the
// parameter under any of its spellings.
func (g *Grid) Fix(name, value string) error {
	p, err := g.drop(name)
	if err != nil {
		return err
	}
	g.Axes = slices.DeleteFunc(g.Axes, func(a Axis) bool { return sameParameter(a.Name, p.name) })
	if g.Fixed == nil {
		g.Fixed = map[string]string{}
	}
	g.Fixed[p.name] = value
	return nil
}

// Vary makes a parameter vary, in place of any value that the grid has for it. An axis of the
// same parameter is replaced where it stands; otherwise the new axis comes last, or first if lead
// is true.
func (g *Grid) Vary(a Axis, lead bool) error {
	p, err := g.drop(a.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(g.Axes, func(b Axis) bool { return sameParameter(b.Name, p.name) })
	switch {
	case i >= 0:
		g.Axes[i] = a
	case lead:
		g.Axes = slices.Insert(g.Axes, 0, a)
	default:
		g.Axes = append(g.Axes, a)
	}
	return nil
}

// drop removes the fixed value of a parameter under all spellings.
func (g *Grid) drop(name string) (*parameter, error) {
	p, err := parameterOf(name)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(g.Fixed, func(n, _ string) bool { return sameParameter(n, p.name) })
	return p, nil
}

func sameParameter(a, b string) bool {
	p, err := parameterOf(a)
	q, err2 := parameterOf(b)
	return err == nil && err2 == nil && p == q
}

// Normalise fills in what the grid does not say and reads every value once. It returns an error
// for the first value that is wrong: an unknown model, device, format or parameter, a number out
// of range, a parameter given twice under two spellings, or a grid that is empty or too large.
func (g *Grid) Normalise() error {
	given := map[string]string{} // the spelling under which the grid gives each parameter
	fixed := map[string]string{}
	for _, n := range slices.Sorted(maps.Keys(g.Fixed)) {
		p, err := parameterOf(n)
		if err != nil {
			return err
		}
		if other, twice := given[p.name]; twice {
			return fmt.Errorf("%s and %s are the same parameter: give it once", other, n)
		}
		given[p.name] = n
		if fixed[p.name], err = p.canonical(g.Fixed[n]); err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
	}
	rows := 1.0
	for i := range g.Axes {
		a := &g.Axes[i]
		p, err := parameterOf(a.Name)
		if err != nil {
			return fmt.Errorf("vary: %w", err)
		}
		if len(a.Values) == 0 {
			return fmt.Errorf("vary %s: no values", a.Name)
		}
		if slices.ContainsFunc(g.Axes[:i], func(b Axis) bool { return b.Name == p.name }) {
			return fmt.Errorf("vary %s: given twice", p.name)
		}
		if other, twice := given[p.name]; twice {
			return fmt.Errorf("%s has one value and varies: give it once", other)
		}
		a.Name = p.name
		if rows *= float64(len(a.Values)); rows > MaxRows {
			return fmt.Errorf("the grid has more than %d rows", MaxRows)
		}
	}
	g.Fixed = fixed
	for _, p := range parameters {
		if _, ok := fixed[p.name]; !ok && p.initial != "" && !g.varies(p.name) {
			fixed[p.name] = p.initial
		}
	}
	if _, ok := fixed["model"]; !ok && !g.varies("model") {
		return fmt.Errorf("no model: give one, for all rows or as values that vary (model=…)")
	}
	if g.IsoParams < 0 {
		return fmt.Errorf("iso-params %g is negative", g.IsoParams)
	}
	if g.IsoParams > 0 && (g.varies("width") || fixed["width"] != "") {
		return fmt.Errorf("iso-params solves the width: do not set or vary it")
	}
	if err := g.checkSimulated(); err != nil {
		return err
	}
	if err := g.read(); err != nil {
		return err
	}
	return g.checkModels()
}

// read reads every value of the grid.
func (g *Grid) read() error {
	g.fixed, g.varied = map[string]set{}, make([][]set, len(g.Axes))
	for _, p := range parameters {
		v, ok := g.Fixed[p.name]
		if !ok {
			continue
		}
		s, err := p.read(v)
		if err != nil {
			return p.naming("", err)
		}
		g.fixed[p.name] = s
	}
	for i, a := range g.Axes {
		p, err := parameterOf(a.Name)
		if err != nil {
			return err
		}
		g.varied[i] = make([]set, len(a.Values))
		for j, v := range a.Values {
			if g.varied[i][j], err = p.read(v); err != nil {
				return p.naming("vary ", err)
			}
		}
	}
	return nil
}

// checkModels returns an error for a model that cannot be built. Where no other parameter of the
// model varies, a row's model is the one that the grid names.
func (g *Grid) checkModels() error {
	for _, p := range parameters {
		if p.role == modelParam && p.name != "model" && (g.varies(p.name) || g.Fixed[p.name] != "") {
			return nil
		}
	}
	try := []set{g.fixed["model"]}
	for i, a := range g.Axes {
		if a.Name == "model" {
			try = g.varied[i]
		}
	}
	for _, s := range try {
		var p point
		s(&p)
		if err := p.model.possible(g.IsoParams); err != nil {
			return err
		}
	}
	return nil
}

func (g *Grid) varies(name string) bool {
	return slices.ContainsFunc(g.Axes, func(a Axis) bool { return a.Name == name })
}

// Rows returns the number of combinations.
func (g *Grid) Rows() int {
	n := 1
	for _, a := range g.Axes {
		n *= len(a.Values)
	}
	return n
}

// probes is how many values of an axis are priced for the hash that identifies a grid.
const probes = 64

// Hash identifies a normalised grid and the prices of its rows; shards and continued runs must
// agree on it. It covers the text of the grid, the contents of every model and device that the
// grid names, whichever file they come from, and the prices of some rows: the first, the last,
// and one for each of up to 64 values of model, device and fidelity. So rows computed from two
// versions of a file, of a calibration or of ridgeline are never mixed. Prices count to six
// digits, because machines may round differently.
func (g *Grid) Hash(ctx context.Context) (string, error) {
	var where []string
	for _, c := range g.Where {
		where = append(where, c.String())
	}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(struct {
		Version int
		Axes    []Axis
		Fixed   map[string]string
		Where   []string
		Iso     float64
	}{2, g.Axes, g.Fixed, where, g.IsoParams}); err != nil {
		return "", err
	}
	for _, p := range parameters {
		sets := []set{g.fixed[p.name]}
		for i, a := range g.Axes {
			if a.Name == p.name {
				sets = g.varied[i]
			}
		}
		for _, s := range sets {
			if p.name == "model" || p.name == "on" {
				var pt point
				s(&pt)
				if err := pt.contents(h); err != nil {
					return "", fmt.Errorf("%s: %w", p.name, err)
				}
			}
		}
	}
	k := newEngine(g).worker()
	for _, row := range g.probeRows() {
		r := k.row(ctx, row)
		if err := ctx.Err(); err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%d %s %q", row, r.status(), r.reason)
		for _, v := range r.fig {
			fmt.Fprintf(h, " %.6g", v)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// probeRows lists the rows whose prices the hash covers.
func (g *Grid) probeRows() []int {
	rows := []int{0}
	stride := g.Rows()
	for _, a := range g.Axes {
		n := len(a.Values)
		stride /= n
		if slices.Contains([]string{"model", "on", "fidelity", "simulate"}, a.Name) {
			most := min(n, probes)
			for i := 1; i < most; i++ {
				rows = append(rows, i*(n-1)/(most-1)*stride)
			}
		}
	}
	return append(rows, g.Rows()-1)
}

// place writes into at, for each axis, the index of its value in the given row.
func (g *Grid) place(row int, at []int) {
	for i := len(g.Axes) - 1; i >= 0; i-- {
		n := len(g.Axes[i].Values)
		at[i] = row % n
		row /= n
	}
}

// oneLine joins the lines of a reason into one.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
