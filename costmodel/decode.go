package costmodel

import "math"

// seconds is the time of the operations whose cost does not grow with the context.
func (x *fixedOps) seconds(b float64) float64 {
	lo, hi := 0, len(x.from)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if x.from[mid] < b {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return b*(x.c[lo]+x.m1[lo]+x.link) + x.m0[lo]
}

func (e *expertOp) bytes(b float64) float64 {
	return e.m0 + e.m1*b + e.mh*ExpectedHits(e.experts, e.topK, b)
}

// DecodeStep is the time in seconds of one step of batch sequences that each see context
// positions, the new one included.
func (c *Compiled) DecodeStep(f Fidelity, batch, context int) float64 {
	b, n := float64(batch), float64(context)
	if f == Calibrated {
		return c.calibration().step(b, n)
	}
	if f == Limit {
		ct, mt, lt := c.limitFixed(b)
		for i := range c.windows {
			w := &c.windows[i]
			l := b * min(n, w.window)
			ct += w.cL * l
			mt += w.mL * l
		}
		return max(ct, mt, lt)
	}
	t := c.fixed.seconds(b)
	for i := range c.vary {
		v := &c.vary[i]
		l := b * min(n, v.window)
		t += v.count * max(v.c1*b+v.cL*l, v.m0+v.m1*b+v.mL*l)
	}
	for i := range c.experts {
		e := &c.experts[i]
		t += e.count * max(e.c1*b, e.bytes(b))
	}
	return t
}

// limitFixed is the compute, memory and link seconds of a step that do not depend on
// the context.
func (c *Compiled) limitFixed(b float64) (ct, mt, lt float64) {
	x := &c.fixed
	ct, mt, lt = x.sumC*b, x.sumM0+x.sumM1*b, x.link*b
	for i := range c.experts {
		e := &c.experts[i]
		ct += e.count * e.c1 * b
		mt += e.count * e.bytes(b)
	}
	return ct, mt, lt
}

// Generation is the time in seconds of generating tokens after a prompt: the sum of the
// steps that see prompt+1 … prompt+generate positions, in closed form. Every operation's
// time is a maximum of lines in the number of visible positions, so the sum splits where
// they cross and where a window fills.
func (c *Compiled) Generation(f Fidelity, batch, prompt, generate int) float64 {
	if generate <= 0 {
		return 0
	}
	b, lo, hi := float64(batch), float64(prompt+1), float64(prompt+generate)
	switch f {
	case Limit:
		return c.limitGeneration(b, lo, hi)
	case Calibrated:
		return c.calibration().generation(b, lo, hi)
	}
	g := float64(generate)
	t := c.fixed.seconds(b) * g
	for i := range c.vary {
		v := &c.vary[i]
		t += v.count * v.generation(b, lo, hi)
	}
	for i := range c.experts {
		e := &c.experts[i]
		t += g * e.count * max(e.c1*b, e.bytes(b))
	}
	return t
}

// generation sums the operation over the contexts lo … hi.
func (v *varyingOp) generation(b, lo, hi float64) float64 {
	c, m := line{v.c1 * b, v.cL * b}, line{v.m0 + v.m1*b, v.mL * b}
	t := 0.0
	if lo <= v.window { // growing part
		end := min(hi, v.window)
		t = sumMax2(c, m, lo, end)
		lo = end + 1
	}
	if lo <= hi { // the window is full
		t += (hi - lo + 1) * max(c.at(v.window), m.at(v.window))
	}
	return t
}

// line is a + b·x.
type line struct{ a, b float64 }

func (l line) at(x float64) float64 { return l.a + l.b*x }

// sum is Σ_{x=lo..hi} l(x) over the integers.
func (l line) sum(lo, hi float64) float64 {
	n := hi - lo + 1
	return n*l.a + l.b*(n*(lo+hi)/2)
}

// sumMax2 is Σ_{x=lo..hi} max(p(x), q(x)): the lines cross at most once.
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

// crossing is the last integer in [lo, hi) before p and q change order.
func crossing(p, q line, lo, hi float64) float64 {
	x := (q.a - p.a) / (p.b - q.b)
	return min(max(math.Floor(x), lo), hi-1)
}

// limitGeneration sums max(compute, memory, link) over the contexts lo … hi: between two
// windows all three are lines.
func (c *Compiled) limitGeneration(b, lo, hi float64) float64 {
	t := 0.0
	for start := lo; start <= hi; {
		end := hi
		ct, mt, lt := c.limitFixed(b)
		p, q := line{a: ct}, line{a: mt}
		for i := range c.windows {
			w := &c.windows[i]
			if w.window < start { // full
				p.a += b * w.cL * w.window
				q.a += b * w.mL * w.window
				continue
			}
			end = min(end, w.window)
			p.b += b * w.cL
			q.b += b * w.mL
		}
		t += sumMax3(p, q, line{a: lt}, start, end)
		start = end + 1
	}
	return t
}

// sumMax3 is Σ max(p, q, r): cut where any two cross, each piece has one largest line.
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
