package kerneltime

import (
	"fmt"
	"math"
)

// mostSpans is how many numbers of a shape are asked for at most.
const mostSpans = 4

// numbered is a shape that says which numbers timings of its class were spread over, in the order of
// its spans, 0 for one that it has not, and which kernel of the class runs it.
type numbered interface {
	numbers() [mostSpans]float64
	kind() int
}

// spans names what the timings of a class were spread over.
type spans struct {
	names []string
	kinds []string // the kernels, each with ranges of its own; nil where a class has but one

	// beyond widens the interval of a shape one doubling outside of what was timed, in the logarithm;
	// more of them add up as independent errors do. It comes from fits without the outer two doublings
	// of each number in turn: 0.2 for the published tables, a tenth for ours, whose kernels
	// are nearer to their physics (TestBeyondTheTimings in calibrate).
	beyond float64
}

// Timed says between which values of a number a class was timed, by its name, with the name of
// the kernel in front where a class has several: "context", "ssd-scan batch".
type Timed map[string][2]float64

// ranges are the same by kernel and number.
type ranges [][mostSpans][2]float64

// each calls f with the name of every range.
func (a *spans) each(f func(name string, kind, i int)) {
	for k := range max(1, len(a.kinds)) {
		for i, n := range a.names {
			if len(a.kinds) > 0 {
				n = a.kinds[k] + " " + n
			}
			f(n, k, i)
		}
	}
}

// read returns the ranges of t, nil where it has none.
func (a *spans) read(t Timed) ranges {
	if len(t) == 0 {
		return nil
	}
	rs := make(ranges, max(1, len(a.kinds)))
	a.each(func(name string, kind, i int) { rs[kind][i] = t[name] })
	return rs
}

// write is read's inverse.
func (a *spans) write(rs ranges) Timed {
	if len(rs) == 0 {
		return nil
	}
	t := Timed{}
	a.each(func(name string, kind, i int) {
		if r := rs[kind][i]; r[1] > 0 {
			t[name] = r
		}
	})
	return t
}

// note widens the ranges to hold a shape.
func (a *spans) note(rs ranges, s numbered) ranges {
	if rs == nil {
		rs = make(ranges, max(1, len(a.kinds)))
	}
	for i, v := range s.numbers() {
		r := &rs[s.kind()][i]
		if v > 0 && r[1] == 0 {
			*r = [2]float64{v, v}
		} else if v > 0 {
			*r = [2]float64{min(r[0], v), max(r[1], v)}
		}
	}
	return rs
}

// far is by how many doublings altogether a shape lies outside what was timed; what never was, such
// as a window on the A100, counts as one. A class without ranges has all shapes inside.
func far[S numbered](rs ranges, s S) (doublings float64) {
	if rs == nil {
		return 0
	}
	timed := &rs[s.kind()]
	for i, v := range s.numbers() {
		switch r := &timed[i]; {
		case v <= 0 || v >= r[0] && v <= r[1]:
		case r[1] == 0:
			doublings++
		default:
			doublings += max(math.Log2(v/r[1]), math.Log2(r[0]/v))
		}
	}
	return doublings
}

// reach is an estimate with what its shape may be off more for lying outside of what was timed.
func reach[S numbered](e Estimate, a *spans, rs ranges, s S) Estimate {
	if doublings := far(rs, s); doublings > 0 {
		return e.widen(a.beyond * math.Sqrt(doublings))
	}
	return e
}

// Outside says what about a shape lies outside of what its class was timed at on the GPU whose curves
// predict it, such as "a batch of 4,096 (timed to 2,048)"; nothing where nothing does.
func (p *Profile) Outside(c Class, shape any) (out []string) {
	rs := p.timed[c]
	if rs == nil {
		return nil
	}
	s := c.Facts().numbered(shape)
	for i, v := range s.numbers() {
		switch r := rs[s.kind()][i]; {
		case v <= 0 || v >= r[0] && v <= r[1]:
		case r[1] == 0:
			out = append(out, phrase(c.Facts().spans().names[i], v)+" (never timed)")
		case v > r[1]:
			out = append(out, fmt.Sprintf("%s (timed to %s)", phrase(c.Facts().spans().names[i], v), digits(r[1])))
		default:
			out = append(out, fmt.Sprintf("%s (timed from %s)", phrase(c.Facts().spans().names[i], v), digits(r[0])))
		}
	}
	return out
}

// phrase says a number of a shape in words.
func phrase(name string, v float64) string {
	switch name {
	case "batch", "context", "prompt", "window", "depth", "width":
		return "a " + name + " of " + digits(v)
	}
	return digits(v) + " " + name
}

// digits writes a count with thousands apart.
func digits(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
