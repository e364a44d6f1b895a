package costmodel

import "math"

// line is a + b·x.
type line struct{ a, b float64 }

func (l line) at(x float64) float64 { return l.a + l.b*x }

// sum is Σ_{x=lo..hi} l(x) over the integers.
func (l line) sum(lo, hi float64) float64 {
	n := hi - lo + 1
	return n*l.a + l.b*(n*(lo+hi)/2)
}

// sumMax2 is Σ_{x=lo..hi} max(p(x), q(x)) over the integers; the lines cross at most once.
func sumMax2(p, q line, lo, hi float64) float64 {
	atLo, atHi := p.at(lo) >= q.at(lo), p.at(hi) >= q.at(hi)
	switch {
	case atLo && atHi:
		return p.sum(lo, hi)
	case !atLo && !atHi:
		return q.sum(lo, hi)
	}
	x := crossing(p, q, lo, hi)
	if atLo {
		return p.sum(lo, x) + q.sum(x+1, hi)
	}
	return q.sum(lo, x) + p.sum(x+1, hi)
}

// crossing is the last integer in [lo, hi) before p and q change their order.
func crossing(p, q line, lo, hi float64) float64 {
	x := (q.a - p.a) / (p.b - q.b)
	return min(max(math.Floor(x), lo), hi-1)
}

// sumMax3 is Σ_{x=lo..hi} max(p(x), q(x), r(x)) over the integers: cut wherever two of the
// lines cross, each piece has one largest line.
func sumMax3(p, q, r line, lo, hi float64) float64 {
	cuts := [4]float64{hi, hi, hi, hi}
	for i, pair := range [3][2]line{{p, q}, {p, r}, {q, r}} {
		if d := pair[0].b - pair[1].b; d != 0 {
			if x := math.Floor((pair[1].a - pair[0].a) / d); x >= lo && x < hi {
				cuts[i] = x
			}
		}
	}
	if cuts[0] > cuts[1] {
		cuts[0], cuts[1] = cuts[1], cuts[0]
	}
	if cuts[1] > cuts[2] {
		cuts[1], cuts[2] = cuts[2], cuts[1]
	}
	if cuts[0] > cuts[1] {
		cuts[0], cuts[1] = cuts[1], cuts[0]
	}
	t := 0.0
	for _, end := range cuts {
		if end < lo {
			continue
		}
		mid := (lo + end) / 2
		best, v := p, p.at(mid)
		if w := q.at(mid); w > v {
			best, v = q, w
		}
		if r.at(mid) > v {
			best = r
		}
		t += best.sum(lo, end)
		lo = end + 1
	}
	return t
}
