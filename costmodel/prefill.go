package costmodel

// opSeconds is the roofline time of work w of operation o.
func (c *Compiled) opSeconds(o *Op, w *Work) float64 {
	t := max(w.FLOPs/c.peak(o), w.Total()/c.bw)
	if w.Link > 0 {
		t = max(t, w.Link/c.link)
	}
	return t
}

// work sums operations over a call.
func (c *Compiled) work(ops []OpGroup, call Call) (sum Work) {
	for i := range ops {
		sum.add(ops[i].Op.Work(call), float64(ops[i].Count))
	}
	return sum
}

// prefill is the call that works the prompts.
func (w Workload) prefill() Call { return Call{Batch: w.Batch, New: w.Prompt} }

// PrefillWork is what the workload's prompts take, on one device of the group.
func (c *Compiled) PrefillWork(w Workload) Work {
	if w.Prompt <= 0 {
		return Work{}
	}
	return c.work(c.prefill, w.prefill())
}

// StepWork is what one decode step of batch sequences that each see context positions
// takes, on one device of the group.
func (c *Compiled) StepWork(batch, context int) Work {
	return c.work(c.decode, Call{Batch: batch, New: 1, Past: context - 1})
}
