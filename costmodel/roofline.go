package costmodel

// roofline prices every operation by itself: the longer of its arithmetic at the peak and
// its bytes at the bandwidth. A step is their sum.
type roofline Compiled

func (r *roofline) Fidelity() Fidelity { return Roofline }
func (r *roofline) Basis() string      { return DatasheetOnly }

// seconds is the time in seconds of the operations whose cost does not grow with the context.
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
	return e.m0 + e.m1*b + e.mh*e.shape.hits(b)
}

func (r *roofline) Step(batch, context int) float64 {
	b, n := float64(batch), float64(context)
	t := r.fixed.seconds(b)
	for i := range r.vary {
		v := &r.vary[i]
		l := b * v.at(n)
		t += v.count * max(v.c1*b+v.cL*l, v.m0+v.m1*b+v.mL*l)
	}
	for i := range r.experts {
		e := &r.experts[i]
		t += e.count * max(e.c1*b, e.bytes(b))
	}
	return t
}

// steady is the part of a step of b sequences that does not depend on their contexts.
func (r *roofline) steady(b float64) float64 {
	t := r.fixed.seconds(b)
	for i := range r.experts {
		e := &r.experts[i]
		t += e.count * max(e.c1*b, e.bytes(b))
	}
	return t
}

// Generation is a closed form: every operation's time is a maximum of lines in the number
// of visible positions, so the sum splits where they cross, where a window fills and where
// chunks end.
func (r *roofline) Generation(w Workload) float64 {
	if w.Generate <= 0 {
		return 0
	}
	b, lo, hi := float64(w.Batch), float64(w.Prompt+1), float64(w.Prompt+w.Generate)
	g := float64(w.Generate)
	t := r.fixed.seconds(b) * g
	for i := range r.vary {
		v := &r.vary[i]
		t += v.count * v.generation(b, lo, hi)
	}
	for i := range r.experts {
		e := &r.experts[i]
		t += g * e.count * max(e.c1*b, e.bytes(b))
	}
	return t
}

// generation sums the operation's seconds over the contexts lo … hi.
func (v *varyingOp) generation(b, lo, hi float64) float64 {
	c, m := line{v.c1 * b, v.cL * b}, line{v.m0 + v.m1*b, v.mL * b}
	t := 0.0
	if v.chunked {
		v.teeth(lo, hi, func(first, last, times float64) { t += times * sumMax2(c, m, first, last) })
		return t
	}
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

func (r *roofline) Prefill(w Workload) float64 {
	if w.Prompt <= 0 {
		return 0
	}
	c := (*Compiled)(r)
	call := w.prefill()
	t := 0.0
	for i := range c.prefill {
		g := &c.prefill[i]
		work := g.Op.Work(call)
		t += float64(g.Count) * c.opSeconds(&g.Op, &work)
	}
	return t
}

func (r *roofline) Mixed(m *Mix) float64 {
	if len(m.Chunks) == 0 {
		return r.Run(m, 1)
	}
	c := (*Compiled)(r)
	t := 0.0
	for i := range c.mixed {
		g := &c.mixed[i]
		w := c.mixedWork(&g.Op, m)
		t += float64(g.Count) * c.opSeconds(&g.Op, &w)
	}
	return t
}

func (r *roofline) Run(m *Mix, steps int) float64 {
	if m.Decodes <= 0 || steps <= 0 {
		return 0
	}
	c, b, k := (*Compiled)(r), float64(m.Decodes), float64(steps)
	if m.jumps() {
		return r.verify(m, steps)
	}
	t := 0.0
	if m.Padded > m.Decodes {
		for i := range c.decode {
			if g := &c.decode[i]; g.Kernel != Attention {
				w := c.mixedWork(&g.Op, m)
				t += float64(g.Count) * c.opSeconds(&g.Op, &w)
			}
		}
	} else {
		t = r.steady(b)
	}
	t *= k
	for i := range c.vary {
		v := &c.vary[i]
		seen, more := m.seen(v.seen)
		t += v.count * sumMax2(line{v.c1*b + v.cL*seen, v.cL * more}, line{v.m0 + v.m1*b + v.mL*seen, v.mL * more}, 0, k-1)
	}
	return t
}

func (r *roofline) Interval(Workload) (low, high float64, ok bool) { return 0, 0, false }

func (r *roofline) Ops(w Workload) []OpCost        { return (*Compiled)(r).breakdown(w) }
func (r *roofline) PrefillOps(w Workload) []OpCost { return (*Compiled)(r).prefillBreakdown(w) }
