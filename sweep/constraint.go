package sweep

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/units"
)

// Constraint keeps a row only if one of its figures compares with a value as asked.
// ParseConstraint makes constraints.
type Constraint struct {
	fits   bool // the row must fit its device; the other fields are then unused
	figure int
	op     string // <=, >=, <, >, =, ~
	value  float64
}

// Approx is the largest relative difference that counts as "≈": 5 %.
const Approx = 0.05

// operators lists the comparisons as they are written and as they are stored. The longer ones
// stand first, so that <= is not taken for <.
var operators = []struct{ written, kept string }{
	{"<=", "<="}, {">=", ">="}, {"≤", "<="}, {"≥", ">="}, {"≈", "~"}, {"~", "~"}, {"<", "<"}, {">", ">"}, {"=", "="},
}

// ParseConstraint reads FIGURE OP VALUE, such as "params≈3.8B" or "tpot<=50ms", or "fits". Where
// the name of a time or size does not hold its unit (tpot, cache), the value must have one.
func ParseConstraint(s string) (Constraint, error) {
	s = strings.TrimSpace(s)
	if s == "fits" {
		return Constraint{fits: true}, nil
	}
	for _, op := range operators {
		name, value, ok := strings.Cut(s, op.written)
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		i, err := figureOf(name, "fits")
		if err != nil {
			return Constraint{}, fmt.Errorf("where %q: %w", s, err)
		}
		v, err := figures[i].in.read(strings.TrimSpace(value), name == figures[i].name)
		if err != nil {
			return Constraint{}, fmt.Errorf("where %q: %w", s, err)
		}
		return Constraint{figure: i, op: op.kept, value: v}, nil
	}
	return Constraint{}, fmt.Errorf("where %q: write FIGURE<=VALUE, FIGURE≈VALUE or fits", s)
}

// unit is a suffix of values and what it stands for in units without a prefix.
type unit struct {
	name  string
	value float64
}

// unitsOf lists the units of each quantity, those with longer names first.
var unitsOf = map[quantity][]unit{
	seconds: {{"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"μs", 1e-6}, {"ns", 1e-9}, {"min", 60}, {"s", 1}},
	size: {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}},
}

// read reads a value of the quantity and returns it in units without a prefix. bare says that the
// name of the figure holds the unit, so that the value may be a number alone.
func (q quantity) read(s string, bare bool) (float64, error) {
	for _, u := range unitsOf[q] {
		if b, ok := strings.CutSuffix(s, u.name); ok {
			v, err := units.ParseNumber(strings.TrimSpace(b))
			return v * u.value, err
		}
	}
	if q == size && strings.HasSuffix(s, "B") {
		return 0, fmt.Errorf("%s: is B bytes or billions? Write GB, MB, kB or GiB", s)
	}
	v, err := units.ParseNumber(s)
	if err != nil || q == count || bare || v == 0 {
		return v, err
	}
	if q == seconds {
		return 0, fmt.Errorf("%s of what? Give its unit: %sms or %ss", s, s, s)
	}
	return 0, fmt.Errorf("%s of what? Give its unit: %sMB or %sGB", s, s, s)
}

func (c Constraint) String() string {
	if c.fits {
		return "fits"
	}
	return fmt.Sprintf("%s%s%g", figures[c.figure].name, c.op, c.value)
}

// holds reports whether a row meets the constraint. A row without figures meets no constraint.
func (c Constraint) holds(r *result) bool {
	if !r.priced {
		return false
	}
	if c.fits {
		return r.fits
	}
	v := r.fig[c.figure]
	switch c.op {
	case "<=":
		return v <= c.value
	case ">=":
		return v >= c.value
	case "<":
		return v < c.value
	case ">":
		return v > c.value
	case "~":
		return math.Abs(v-c.value) <= Approx*math.Abs(c.value)
	}
	return v == c.value
}

// ParseParamTarget reads the number of parameters that all designs of a grid are to have, such as
// 3.8B.
func ParseParamTarget(s string) (float64, error) {
	v, err := units.ParseNumber(s)
	if err == nil && v <= 0 {
		err = fmt.Errorf("%q is not positive", s)
	}
	return v, err
}
