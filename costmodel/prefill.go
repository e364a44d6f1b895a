package costmodel

// Cost is what a call takes, on one device of the group.
type Cost struct {
	Work
	Seconds float64
}

// opSeconds is the roofline time of work w of operation o.
func (c *Compiled) opSeconds(o *Op, w *Work) float64 {
	t := max(w.FLOPs/c.peak(o), w.Total()/c.bw)
	if w.Link > 0 {
		t = max(t, w.Link/c.link)
	}
	return t
}

// cost sums operations over a call.
func (c *Compiled) cost(f Fidelity, ops []OpGroup, call Call) Cost {
	var sum Cost
	var compute float64
	for i := range ops {
		g := &ops[i]
		n := float64(g.Count)
		w := g.Op.Work(call)
		sum.add(w, n)
		sum.Seconds += n * c.opSeconds(&g.Op, &w)
		compute += n * w.FLOPs / c.peak(&g.Op)
	}
	if f == Limit {
		sum.Seconds = max(compute, sum.Total()/c.bw)
		if sum.Link > 0 {
			sum.Seconds = max(sum.Seconds, sum.Link/c.link)
		}
	}
	return sum
}

// Prefill is the cost of batch prompts of the given length, processed together.
func (c *Compiled) Prefill(f Fidelity, batch, prompt int) Cost {
	if prompt <= 0 {
		return Cost{}
	}
	call := Call{Batch: batch, New: prompt}
	p := c.cost(f, c.prefill, call)
	if f == Calibrated {
		p.Seconds = c.calibration().prompt(call).Seconds
	}
	return p
}

// Step is the cost of one decode step: DecodeStep with its work.
func (c *Compiled) Step(f Fidelity, batch, context int) Cost {
	p := c.cost(f, c.decode, Call{Batch: batch, New: 1, Past: context - 1})
	if f == Calibrated {
		p.Seconds = c.DecodeStep(f, batch, context)
	}
	return p
}
