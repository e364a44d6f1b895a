package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
)

// Grid is every combination of the axes' values: the last axis varies fastest. Fixed
// holds the parameters that do not vary, by name.
type Grid struct {
	Axes  []Axis
	Fixed map[string]string
	Where []Constraint
	// IsoParams, if positive, solves the width of each family spec so that the parameter
	// count is the smallest one not below it.
	IsoParams float64
}

// ParamNames lists what can be varied, sorted.
func ParamNames() []string {
	names := make([]string, 0, len(params))
	for n := range params {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// defaults are the parameters a grid has when it does not name them.
var defaults = map[string]string{"on": "a100-80gb", "prompt": "2000", "generate": "32000", "batch": "1", "fidelity": "roofline"}

// Normalise fills defaults, checks names, and reports an empty or too large grid.
func (g *Grid) Normalise() error {
	fixed := map[string]string{}
	for n, v := range g.Fixed {
		c, p, err := canonical(n)
		if err != nil {
			return err
		}
		if p.number && !(c == "batch" && v == "max") {
			if v, err = canonicalNumber(v, p.whole); err != nil {
				return fmt.Errorf("%s: %w", c, err)
			}
		}
		fixed[c] = v
	}
	rows := 1.0
	for i, a := range g.Axes {
		if len(a.Values) == 0 {
			return fmt.Errorf("vary %s: no values", a.Name)
		}
		if slices.ContainsFunc(g.Axes[:i], func(b Axis) bool { return b.Name == a.Name }) {
			return fmt.Errorf("vary %s: given twice", a.Name)
		}
		delete(fixed, a.Name)
		if rows *= float64(len(a.Values)); rows > MaxRows {
			return fmt.Errorf("the grid has more than %d rows", MaxRows)
		}
	}
	for n, v := range defaults {
		if _, ok := fixed[n]; !ok && !g.varies(n) {
			fixed[n] = v
		}
	}
	if _, ok := fixed["model"]; !ok && !g.varies("model") {
		return fmt.Errorf("no model: give --model or --vary model=…")
	}
	if g.IsoParams < 0 {
		return fmt.Errorf("iso-params %g is negative", g.IsoParams)
	}
	if g.IsoParams > 0 && (g.varies("width") || fixed["width"] != "") {
		return fmt.Errorf("iso-params solves the width: do not set or vary it")
	}
	g.Fixed = fixed
	return nil
}

func (g *Grid) varies(name string) bool {
	return slices.ContainsFunc(g.Axes, func(a Axis) bool { return a.Name == name })
}

// Rows is the number of combinations.
func (g *Grid) Rows() int {
	n := 1
	for _, a := range g.Axes {
		n *= len(a.Values)
	}
	return n
}

// Hash identifies the grid: shards and resumed runs must agree on it.
func (g *Grid) Hash() string {
	var where []string
	for _, c := range g.Where {
		where = append(where, c.String())
	}
	b, _ := json.Marshal(struct {
		Version int
		Axes    []Axis
		Fixed   map[string]string
		Where   []string
		Iso     float64
	}{1, g.Axes, g.Fixed, where, g.IsoParams})
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// place splits a row number into the index of each axis' value.
func (g *Grid) place(row int, at []int) {
	for i := len(g.Axes) - 1; i >= 0; i-- {
		n := len(g.Axes[i].Values)
		at[i] = row % n
		row /= n
	}
}
