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

// Prefill is the cost of batch prompts of the given length, processed together.
func (c *Compiled) Prefill(f Fidelity, batch, prompt int) Cost {
	if prompt <= 0 {
		return Cost{}
	}
	w := Workload{Batch: batch, Prompt: prompt}
	return Cost{c.work(c.prefill, w.prefill()), c.At(f).Prefill(w)}
}

// DecodeStep is the time in seconds of one step of batch sequences that each see context
// positions, the new one included.
func (c *Compiled) DecodeStep(f Fidelity, batch, context int) float64 {
	return c.At(f).Step(batch, context)
}

// Generation is the time in seconds of generating tokens after a prompt.
func (c *Compiled) Generation(f Fidelity, batch, prompt, generate int) float64 {
	return c.At(f).Generation(Workload{Batch: batch, Prompt: prompt, Generate: generate})
}

// Basis says what times of a fidelity rest on.
func (c *Compiled) Basis(f Fidelity) string { return c.At(f).Basis() }
