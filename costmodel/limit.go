package costmodel

// limit prices a step as a whole: the longest of all arithmetic at peak speed, all bytes at full
// bandwidth and all traffic over the link, as if everything overlapped.
type limit Compiled

func (l *limit) Fidelity() Fidelity { return Limit }
func (l *limit) Basis() string      { return DatasheetOnly }

// fixedSeconds returns the seconds of arithmetic, memory and link that a step of b sequences takes
// whatever their contexts.
func (l *limit) fixedSeconds(b float64) (ct, mt, lt float64) {
	x := &l.fixed
	ct, mt, lt = x.sumC*b, x.sumM0+x.sumM1*b, max(x.inNode, x.between)*b
	for i := range l.experts {
		e := &l.experts[i]
		ct += e.count * e.c1 * b
		mt += e.count * e.bytes(b)
	}
	return ct, mt, lt
}

func (l *limit) Step(batch, context int) float64 {
	b, n := float64(batch), float64(context)
	ct, mt, lt := l.fixedSeconds(b)
	for i := range l.windows {
		w := &l.windows[i]
		seen := b * w.at(n)
		ct += w.cL * seen
		mt += w.mL * seen
	}
	return max(ct, mt, lt)
}

// Generation is a closed form: between two contexts at which a window fills or a chunk ends, the
// seconds of arithmetic, memory and link are three lines.
func (l *limit) Generation(w Workload) float64 {
	if w.Generate <= 0 {
		return 0
	}
	b, lo, hi := float64(w.Batch), float64(w.Prompt+1), float64(w.Prompt+w.Generate)
	t := 0.0
	for start := lo; start <= hi; {
		end := hi
		ct, mt, lt := l.fixedSeconds(b)
		p, q := line{a: ct}, line{a: mt}
		for i := range l.windows {
			w := &l.windows[i]
			if w.chunked {
				begun := w.begun(start)
				end = min(end, begun+w.window)
				p.a, p.b = p.a-b*w.cL*begun, p.b+b*w.cL
				q.a, q.b = q.a-b*w.mL*begun, q.b+b*w.mL
				continue
			}
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

func (l *limit) Prefill(w Workload) float64 {
	if w.Prompt <= 0 {
		return 0
	}
	c := (*Compiled)(l)
	call := w.prefill()
	var sum busySeconds
	for i := range c.prefill {
		g := &c.prefill[i]
		work := g.Op.Work(call)
		sum.add(c, &g.Op, &work, float64(g.Count))
	}
	return sum.longest()
}

// busySeconds returns the seconds of arithmetic, memory and link that some operations take;
// traffic inside the node and between nodes flows at the same time.
type busySeconds struct{ compute, memory, link, net float64 }

func (s *busySeconds) add(c *Compiled, o *Op, w *Work, times float64) {
	s.compute += times * w.FLOPs / c.peak(o)
	s.memory += times * c.memorySeconds(o, w)
	if w.Link > 0 {
		s.link += times * w.Link / c.link
	}
	if w.Net > 0 {
		s.net += times * w.Net / c.net
	}
}

func (s *busySeconds) longest() float64 { return max(s.compute, s.memory, s.link, s.net) }

// linkSeconds is the longer of the time to send inside the node and the time to send between
// nodes.
func (c *Compiled) linkSeconds(w *Work) (t float64) {
	if w.Link > 0 {
		t = w.Link / c.link
	}
	if w.Net > 0 {
		t = max(t, w.Net/c.net)
	}
	return t
}

func (l *limit) Mixed(m *Mix) float64 {
	if len(m.Chunks) == 0 {
		return l.Run(m, 1)
	}
	c := (*Compiled)(l)
	sum := c.mixedSum(c.mixed, m, true)
	return sum.longest()
}

// mixedSum adds up a step, attention included or not.
func (c *Compiled) mixedSum(ops []OpGroup, m *Mix, attention bool) (sum busySeconds) {
	for i := range ops {
		g := &ops[i]
		if g.Kernel == Attention && !attention {
			continue
		}
		w := c.mixedWork(&g.Op, m)
		sum.add(c, &g.Op, &w, float64(g.Count))
	}
	return sum
}

func (l *limit) Run(m *Mix, steps int) float64 {
	if m.Decodes <= 0 || steps <= 0 {
		return 0
	}
	if m.jumps() {
		return l.verify(m, steps)
	}
	c, b := (*Compiled)(l), float64(m.Decodes)
	var p, q, r line
	if m.Padded > m.Decodes {
		sum := c.mixedSum(c.decode, m, false)
		p.a, q.a, r.a = sum.compute, sum.memory, max(sum.link, sum.net)
		for i := range c.vary { // the part of attention that does not depend on the contexts
			v := &c.vary[i]
			p.a += v.count * v.c1 * b
			q.a += v.count * (v.m0 + v.m1*b)
		}
	} else {
		p.a, q.a, r.a = l.fixedSeconds(b)
	}
	for i := range c.vary {
		v := &c.vary[i]
		seen, more := m.seen(v.seen)
		p.a += v.count * v.cL * seen
		p.b += v.count * v.cL * more
		q.a += v.count * v.mL * seen
		q.b += v.count * v.mL * more
	}
	return sumMax3(p, q, r, 0, float64(steps-1))
}

func (l *limit) Interval(Workload) (low, high float64, ok bool) { return 0, 0, false }

// Ops charges every operation for the one resource that binds the whole mean step: its seconds of
// arithmetic, of memory or of the link.
func (l *limit) Ops(w Workload) []OpCost {
	c := (*Compiled)(l)
	return c.charge(c.breakdown(w), c.decode)
}

func (l *limit) PrefillOps(w Workload) []OpCost {
	c := (*Compiled)(l)
	return c.charge(c.prefillBreakdown(w), c.prefill)
}

func (c *Compiled) charge(ops []OpCost, groups []OpGroup) []OpCost {
	var sum [3]float64
	seconds := func(i int) [3]float64 {
		return [3]float64{ops[i].FLOPs / c.peak(&groups[i].Op), c.memorySeconds(&groups[i].Op, &ops[i].Work), c.linkSeconds(&ops[i].Work)}
	}
	for i := range ops {
		for k, t := range seconds(i) {
			sum[k] += t
		}
	}
	binds := 0
	for k := range sum {
		if sum[k] > sum[binds] {
			binds = k
		}
	}
	for i := range ops {
		ops[i].Seconds = seconds(i)[binds]
	}
	return shares(ops)
}
