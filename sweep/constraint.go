package sweep

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/units"
)

// Constraint keeps a row only if a figure compares as asked. ParseConstraint makes it.
type Constraint struct {
	fits   bool // that the row fits its device; the rest then means nothing
	figure int
	op     string // <=, >=, <, >, =, ~
	value  float64
}

// Approx is how near "≈" is: within 5 %.
const Approx = 0.05

// operators are the comparisons in the order in which they are looked for, so that <= is
// not read as <, and how each is kept.
var operators = []struct{ written, kept string }{
	{"<=", "<="}, {">=", ">="}, {"≤", "<="}, {"≥", ">="}, {"≈", "~"}, {"~", "~"}, {"<", "<"}, {">", ">"}, {"=", "="},
}

// ParseConstraint reads FIGURE OP VALUE, such as "params≈3.8B" or "tpot<=50ms", or "fits".
// A time or a size that is named without its unit (tpot, cache) needs one in the value.
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

// unit is what a value ends in and what it is worth in base units.
type unit struct {
	name  string
	value float64
}

// unitsOf are the units of a quantity, longer names first.
var unitsOf = map[quantity][]unit{
	seconds: {{"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"μs", 1e-6}, {"ns", 1e-9}, {"min", 60}, {"s", 1}},
	size: {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}},
}

// read reads a value of the quantity in base units. bare says that the figure's name has
// its unit in it, so that a number alone is clear.
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

// holds reports whether a row meets the constraint; a row without figures meets none.
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

// ParseParamTarget reads the parameter count of the iso-parametric mode, such as 3.8B.
func ParseParamTarget(s string) (float64, error) {
	v, err := units.ParseNumber(s)
	if err == nil && v <= 0 {
		err = fmt.Errorf("%q is not positive", s)
	}
	return v, err
}
