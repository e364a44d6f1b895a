package scaling

import (
	"fmt"
	"math"
	"strconv"

	"ridgeline/arch"
)

// Dimension is what is solved for.
type Dimension uint8

// The dimensions.
const (
	Width Dimension = iota
	Depth           // the width follows: the family's aspect ratio, unless the spec gives one
)

var dimensionNames = []string{"width", "depth"}

func (d Dimension) String() string { return dimensionNames[d] }

// Dimensions lists the names of the dimensions.
func Dimensions() []string { return append([]string(nil), dimensionNames...) }

// ParseDimension reads width or depth.
func ParseDimension(s string) (Dimension, error) {
	i, err := parse("solve", s, dimensionNames)
	return Dimension(i), err
}

// MaxWidth is the widest model that is tried.
const MaxWidth = 1 << 20

// Match is a model made equal to another.
type Match struct {
	Name   string // as given
	Family string
	Spec   string // with what was solved for
	Model  *arch.Model
	Value  float64 // of the measure
	Off    float64 // Value over the target's, less 1
	// Root is the aspect ratio at which the counting forms are equal before rounding, 0
	// for other measures.
	Root  float64
	Notes []string
}

// AspectRatio is width over depth.
func (m *Match) AspectRatio() float64 {
	return float64(m.Model.Width) / float64(len(m.Model.Layers))
}

// Solve finds the width or depth of a family (a spec, or a preset that is one) at which
// its measure is the target:
//
//	the least multiple of step with measure ≥ target  (throughput: ≤ target)
//
// Step 0 chooses. For a width matched by counting form it is 2·d, so that the aspect
// ratio is even: α solves N(α) = N of the target and is rounded up to an even integer
// (paper, appendix A). Otherwise widths are even; depths are those the family can have.
// Multiples at which the family cannot be built, such as widths that give it no whole
// heads, are passed over.
func (s *Setting) Solve(what string, target float64, solve Dimension, step int) (Match, error) {
	family, o, err := arch.OpenFamily(what)
	if err != nil {
		return Match{}, err
	}
	build := func(n int) (*arch.Model, error) {
		o := o
		if solve == Depth {
			o.Depth = n
		} else {
			o.Width = n
		}
		m, err := arch.BuildFamily(family, o)
		if err == nil {
			m.Name = o.Spec(family)
		}
		return m, err
	}
	x := search{setting: s, name: what, solve: solve, step: step, limit: MaxWidth, build: build}
	switch {
	case step < 0 || step > MaxWidth:
		return Match{}, fmt.Errorf("multiple %d is not from 1 to %d", step, MaxWidth)
	case solve == Depth:
		x.limit = arch.MaxLayers
		x.step = max(step, 1)
	case o.Depth == 0:
		return Match{}, fmt.Errorf("%s: depth is missing: write %s(d=16), or solve for the depth", what, family)
	case step == 0 && s.By == CountingForm:
		x.step = 2 * o.Depth
	case step == 0:
		x.step = 2
	}
	m, err := x.run(target)
	if err != nil {
		return Match{}, err
	}
	v, err := s.Value(m)
	if err != nil {
		return Match{}, err
	}
	out := Match{Name: what, Family: family, Spec: m.Name, Model: m, Value: v, Off: v/target - 1}
	if solve == Depth && math.Abs(out.Off) > 0.05 {
		out.Notes = append(out.Notes, fmt.Sprintf("%s: a depth is a coarse step, %+.1f %% off; solving the width of %s(d=%d) comes closer.", what, 100*out.Off, family, len(m.Layers)))
	}
	if solve == Width && s.By == CountingForm {
		out.Root = root(family, o, target)
		if step == 0 {
			out.note(target)
		}
	}
	return out, nil
}

// search looks for the least multiple whose cost reaches a target.
type search struct {
	setting     *Setting
	name        string
	solve       Dimension
	step, limit int
	build       func(int) (*arch.Model, error)
}

// gap is how many multiples in a row may be impossible before the search gives up.
const gap = 64

// from is the first model at or after multiple k, the multiple it is at, and its cost.
func (x *search) from(k, step int) (int, *arch.Model, float64, error) {
	var first error
	for j := k; j < k+gap && j*step <= x.limit; j++ {
		m, err := x.build(j * step)
		var c float64
		if err == nil {
			c, err = x.setting.cost(m)
		}
		if err == nil {
			return j, m, c, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = fmt.Errorf("no %s up to %d is that large", x.solve, x.limit)
	}
	return 0, nil, 0, first
}

func (x *search) run(target float64) (*arch.Model, error) {
	if x.setting.By == Throughput {
		target = 1 / target
	}
	reached := func(c float64) bool { return c >= target*(1-1e-12) }
	// The narrowest model there is, whatever the step: above the target nothing matches.
	_, least, c, err := x.from(1, 1)
	if err != nil {
		return nil, x.wrap(err)
	}
	if c > target*(1+1e-12) {
		return nil, fmt.Errorf("%s: no %s gives %s of %s: the least, %d, gives %s", x.name, x.solve, x.setting.By, x.show(target), x.at(least), x.show(c))
	}
	lo, hi := 0, 1 // lo does not reach the target, hi does
	var best *arch.Model
	for {
		k, m, c, err := x.from(hi, x.step)
		if err != nil {
			if hi == 1 || x.step*hi <= x.limit {
				return nil, x.wrap(err)
			}
			return nil, fmt.Errorf("%s: no %s up to %d gives %s of %s", x.name, x.solve, x.limit, x.setting.By, x.show(target))
		}
		if reached(c) {
			hi, best = k, m
			break
		}
		lo, hi = k, 2*k
	}
	for lo+1 < hi {
		mid := (lo + hi) / 2
		k, m, c, err := x.from(mid, x.step)
		if err != nil {
			return nil, x.wrap(err)
		}
		switch {
		case k >= hi: // nothing can be built between mid and hi
			hi = mid
		case reached(c):
			hi, best = mid, m
		default:
			lo = k
		}
	}
	return best, nil
}

func (x *search) wrap(err error) error { return fmt.Errorf("%s: %w", x.name, err) }

func (x *search) at(m *arch.Model) int {
	if x.solve == Depth {
		return len(m.Layers)
	}
	return m.Width
}

// show prints a cost as the measure it is of.
func (x *search) show(c float64) string {
	if x.setting.By == Throughput {
		c = 1 / c
	}
	s := strconv.FormatFloat(c, 'g', 4, 64)
	if u := x.setting.By.Unit(); u != "" {
		s += " " + u
	}
	return s
}

// root solves N(α·d) = target for a real α. Forms are a·w² + b·w in the width.
func root(family string, o arch.FamilyOptions, target float64) float64 {
	n := [2]float64{}
	for i, w := range []int{64 * o.Depth, 128 * o.Depth} {
		o.Width = w
		m, err := arch.BuildFamily(family, o)
		if err != nil {
			return 0
		}
		n[i] = Form(m)
	}
	w := 64 * float64(o.Depth)
	a := (n[1] - 2*n[0]) / (2 * w * w)
	b := n[0]/w - a*w
	return (math.Sqrt(b*b+4*a*target) - b) / (2 * a) / float64(o.Depth)
}
