// Package sweep prices grids of designs: every combination of model, device, deployment and load.
// Rows are computed in parallel and written in a fixed order to a file that a stopped run can
// continue.
package sweep

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/units"
)

// MaxRows is the largest grid that is accepted: a larger one is taken for a mistake in a range.
const MaxRows = 1_000_000_000

// Axis is a parameter with the values it takes, in order.
type Axis struct {
	Name   string
	Values []string
}

// ParseAxis reads NAME=LIST, NAME=FROM:TO:STEP (both ends included) or NAME=FROM:TO:*FACTOR. The
// values of a list are separated by commas; a comma inside parentheses belongs to a value.
// Numbers are read by units.ParseNumber: 2k, 1Ki, 3.8B.
func ParseAxis(s string) (Axis, error) {
	name, list, ok := strings.Cut(s, "=")
	if !ok {
		return Axis{}, fmt.Errorf("vary %q: write NAME=VALUES, such as batch=1,2,4 or prompt=1k:20k:1k", s)
	}
	p, err := parameterOf(strings.TrimSpace(name))
	if err != nil {
		return Axis{}, fmt.Errorf("vary: %w", err)
	}
	a := Axis{Name: p.name}
	seen := map[string]bool{}
	for _, v := range splitList(list) {
		vals := []string{v}
		if p.kind != text && strings.Contains(v, ":") {
			vals, err = expandRange(v, p.kind == whole)
		} else {
			vals[0], err = p.canonical(v)
		}
		if err != nil {
			return a, fmt.Errorf("vary %s: %w", p.name, err)
		}
		for _, v := range vals {
			if seen[v] {
				return a, fmt.Errorf("vary %s: %w", p.name, fmt.Errorf("%s appears twice", v))
			}
			seen[v] = true
			a.Values = append(a.Values, v)
		}
	}
	return a, nil
}

// splitList splits a text at the commas that are outside parentheses.
func splitList(s string) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range s {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	return append(out, strings.TrimSpace(s[start:]))
}

// formatNumber writes a number in the only form that files of rows have.
func formatNumber(v float64, whole bool, s string) (string, error) {
	if whole {
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return "", fmt.Errorf("%s is not a whole number", s)
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return strconv.FormatFloat(v, 'g', -1, 64), nil
}

// maxValues is the largest number of values of a range.
const maxValues = 1_000_000

// expandRange lists the values of from:to:step or from:to:*factor, both ends included.
func expandRange(s string, whole bool) ([]string, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("range %q: write FROM:TO:STEP or FROM:TO:*FACTOR", s)
	}
	factor, geometric := strings.CutPrefix(parts[2], "*")
	var n [3]float64
	for i, p := range []string{parts[0], parts[1], factor} {
		var err error
		if n[i], err = units.ParseNumber(p); err != nil {
			return nil, fmt.Errorf("range %q: %w", s, err)
		}
	}
	from, to, step := n[0], n[1], n[2]
	if to < from {
		return nil, fmt.Errorf("range %q is empty: %s is below %s", s, parts[1], parts[0])
	}
	if geometric && (step <= 1 || from <= 0) {
		return nil, fmt.Errorf("range %q: a factor above 1 and a start above 0 are needed", s)
	}
	if !geometric && step <= 0 {
		return nil, fmt.Errorf("range %q: the step must be positive", s)
	}
	values := (to - from) / step
	if geometric {
		values = math.Log(to/from) / math.Log(step)
	}
	if !(values < maxValues) {
		return nil, fmt.Errorf("range %q has more than a million values", s)
	}
	var out []string
	for i := 0; ; i++ {
		// Multiplying avoids the error of repeated additions: 0:1:0.05 gives 21 values that print
		// as they were meant.
		v := from + float64(i)*step
		if geometric {
			v = from * math.Pow(step, float64(i))
		}
		if v > to*(1+1e-12)+1e-12*step {
			return out, nil
		}
		if len(out) > maxValues { // too many values, or steps so small that they never end
			return nil, fmt.Errorf("range %q has more than a million values", s)
		}
		f, err := formatNumber(round12(v), whole, fmt.Sprintf("range %q: %g", s, v))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
}

// round12 rounds to twelve digits, so that 3·0.05 gives 0.15.
func round12(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	return r
}
