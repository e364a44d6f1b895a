package costmodel

// opSeconds is the roofline time in seconds of work w done by operation o.
func (c *Compiled) opSeconds(o *Op, w *Work) float64 {
	t := max(w.FLOPs/c.peak(o), c.memorySeconds(o, w))
	if w.Link > 0 {
		t = max(t, w.Link/c.link)
	}
	if w.Net > 0 {
		t = max(t, w.Net/c.net)
	}
	return t
}

// memorySeconds is the time in seconds that moving the bytes of operation o takes.
func (c *Compiled) memorySeconds(o *Op, w *Work) float64 {
	if o.Shape.Again <= 1 {
		return w.Total() / c.bw
	}
	return (w.Total()-w.Bytes[CacheRead])/c.bw + w.Bytes[CacheRead]*c.perCacheByte(o)
}

// perCacheByte is the seconds that a byte of keys and values takes each time a kernel reads it. A
// byte read several times comes from memory once and from the last-level cache every time, and the
// slower of both counts; where that cache's bandwidth is not known, every read comes from memory.
func (c *Compiled) perCacheByte(o *Op) float64 {
	if o.Shape.Again <= 1 || c.cacheBW <= 0 {
		return 1 / c.bw
	}
	return max(1/(o.Shape.Again*c.bw), 1/c.cacheBW)
}

// work sums operations over a call.
func (c *Compiled) work(ops []OpGroup, call Call) (sum Work) {
	for i := range ops {
		sum.add(ops[i].Op.Work(call), float64(ops[i].Count))
	}
	return sum
}

// prefill is the call that works the prompts.
func (w Workload) prefill() Call {
	return Call{Batch: w.Batch, New: w.Prompt - w.Cached, Past: w.Cached}
}

// PrefillWork is the FLOPs and bytes that the workload's prompts take on one device of the group.
// In a pipeline it is the sum over one device of each stage, for one microbatch.
func (c *Compiled) PrefillWork(w Workload) Work {
	if w.Prompt <= 0 {
		return Work{}
	}
	return c.work(c.prefill, c.perDevice(w).prefill())
}

// StepWork is the FLOPs and bytes of one decode step of batch sequences that each see context
// positions, on one device of the group.
func (c *Compiled) StepWork(batch, context int) Work {
	return c.work(c.decode, Call{Batch: c.perDevice(Workload{Batch: batch}).Batch, New: 1, Past: context - 1})
}
