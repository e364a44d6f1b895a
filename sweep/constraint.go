package sweep

import (
	"fmt"
	"math"
	"strings"

	"ridgeline/units"
)

// Constraint keeps a row only if a figure compares as asked.
type Constraint struct {
	Figure string // a column of figures, or "fits"
	Op     string // <=, >=, <, >, =, ~
	Value  float64
}

// Approx is how near "≈" is: within 5 %.
const Approx = 0.05

var shortNames = map[string]string{"tpot": "tpot_seconds", "ttft": "ttft_seconds", "request": "request_seconds",
	"throughput": "tokens_per_second", "cache": "cache_bytes", "weights": "weights_bytes"}

// ParseConstraint reads FIGURE OP VALUE, such as "params≈3.8B", "tpot<=50ms", or "fits".
func ParseConstraint(s string) (Constraint, error) {
	s = strings.TrimSpace(s)
	if s == "fits" {
		return Constraint{Figure: "fits", Op: ">=", Value: 1}, nil
	}
	for _, op := range []string{"<=", ">=", "≤", "≥", "≈", "~", "<", ">", "="} {
		name, val, ok := strings.Cut(s, op)
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		if l, ok := shortNames[name]; ok {
			name = l
		}
		if figureIndex(name) < 0 {
			return Constraint{}, fmt.Errorf("where %q: no figure %q (know fits, %s)", s, name, strings.Join(Figures(), ", "))
		}
		v, err := parseQuantity(strings.TrimSpace(val))
		if err != nil {
			return Constraint{}, fmt.Errorf("where %q: %w", s, err)
		}
		op = map[string]string{"≤": "<=", "≥": ">=", "≈": "~"}[op] + op
		return Constraint{Figure: name, Op: strings.TrimRight(op, "≤≥≈"), Value: v}, nil
	}
	return Constraint{}, fmt.Errorf("where %q: write FIGURE<=VALUE, FIGURE≈VALUE or fits", s)
}

// parseQuantity reads a number with a unit: ms, us, s, B (billion), M, k, KB, MB, GB, TB.
func parseQuantity(s string) (float64, error) {
	for _, u := range []struct {
		s string
		v float64
	}{{"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3},
		{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"T", 1e12}, {"B", 1e9}, {"s", 1}} {
		if b, ok := strings.CutSuffix(s, u.s); ok {
			v, err := units.ParseNumber(strings.TrimSpace(b))
			return v * u.v, err
		}
	}
	return units.ParseNumber(s)
}

func (c Constraint) String() string { return fmt.Sprintf("%s%s%g", c.Figure, c.Op, c.Value) }

// holds reports whether a row meets the constraint; a row without figures meets none.
func (c Constraint) holds(r *result) bool {
	if r.reason != "" && !r.priced {
		return false
	}
	if c.Figure == "fits" {
		return r.fits
	}
	v := r.fig[figureIndex(c.Figure)]
	switch c.Op {
	case "<=":
		return v <= c.Value
	case ">=":
		return v >= c.Value
	case "<":
		return v < c.Value
	case ">":
		return v > c.Value
	case "~":
		return math.Abs(v-c.Value) <= Approx*math.Abs(c.Value)
	}
	return v == c.Value
}
