package costmodel

import (
	"fmt"
)

// MaxLength and MaxBatchSize bound a workload: past them a number is a typing error.
const (
	MaxLength    = 1 << 30
	MaxBatchSize = 1 << 24
)

// Workload is what a deployment has to do: Batch sequences, each with a prompt of Prompt tokens
// and Generate tokens after it.
type Workload struct {
	Prompt   int `json:"prompt"`
	Generate int `json:"generate"`
	Batch    int `json:"batch"`

	// PrefixShare is the share of each prompt, from 0 to 1, that an earlier request left in the
	// cache.
	PrefixShare float64 `json:"prefix_share,omitempty"`
	// Cached is how many tokens of each prompt need not be computed for it (see
	// Compiled.Reusable): Estimate fills it in.
	Cached int `json:"cached_tokens,omitempty"`
}

// WithBatch returns the workload with another batch.
func (w Workload) WithBatch(n int) Workload {
	w.Batch = n
	return w
}

// Check returns an error for the first number that is out of range.
func (w Workload) Check() error {
	for _, n := range []struct {
		name   string
		v, low int
		high   int
	}{{"prompt", w.Prompt, 0, MaxLength}, {"generate", w.Generate, 1, MaxLength}, {"batch", w.Batch, 1, MaxBatchSize}} {
		if n.v < n.low || n.v > n.high {
			return fmt.Errorf("%s %d is not from %d to %d", n.name, n.v, n.low, n.high)
		}
	}
	if !(w.PrefixShare >= 0 && w.PrefixShare <= 1) {
		return fmt.Errorf("prefix share %g is not from 0 to 1", w.PrefixShare)
	}
	if w.Cached < 0 || w.Cached > 0 && w.Cached >= w.Prompt {
		return fmt.Errorf("%d cached tokens are not fewer than the %d of the prompt", w.Cached, w.Prompt)
	}
	return nil
}

// Decode summarises the generation of a workload. Per-token figures count all devices.
type Decode struct {
	FirstStepSeconds float64 `json:"first_step_seconds"`
	LastStepSeconds  float64 `json:"last_step_seconds"`
	MeanStepSeconds  float64 `json:"mean_step_seconds"`
	TokensPerSecond  float64 `json:"tokens_per_second"`
	FLOPsPerToken    float64 `json:"flops_per_token"`
	BytesPerToken    float64 `json:"bytes_per_token"`
	Bound            string  `json:"bound"`
}

// PrefillSummary is the cost of the prompts, summed over all devices.
type PrefillSummary struct {
	Seconds float64 `json:"seconds"`
	FLOPs   float64 `json:"flops"`
	Bytes   float64 `json:"bytes"`
}

// Interval bounds the mean step time in seconds at 90 %; nil where the fidelity rests on no
// measurements.
type Interval struct {
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
}

// Estimate is a model's answer to a workload.
type Estimate struct {
	Workload       Workload
	Fidelity       Fidelity
	Basis          string
	Memory         Memory
	Transfer       Transfer
	Prefill        PrefillSummary
	Decode         Decode
	RequestSeconds float64
	Interval       Interval
	// BeyondContext is how many positions of the workload lie beyond the longest context that the
	// model was made for.
	BeyondContext int
	// Time splits the mean roofline step by what binds each operation, seconds.
	Time [numBounds]float64
	// Parallel says how several groups of devices or stages share the work, nil for one.
	Parallel *Parallel

	// Calibrated only.
	Engine            string
	ServedTPOTSeconds float64 // with Batch requests always in flight, their prompts worked in between
}

// BeyondContext returns how many positions of a workload lie beyond the longest context that the
// model was made for: 0 where none does or the model does not state its longest context.
func (c *Compiled) BeyondContext(w Workload) int {
	if c.Model.MaxContext == 0 {
		return 0
	}
	return max(w.Prompt+w.Generate-c.Model.MaxContext, 0)
}

// TTFT is the time to the first token in seconds: that of the prompts, processed together.
func (e *Estimate) TTFT() float64 { return e.Prefill.Seconds }

// TPOT is the time per output token in seconds: the mean decode step.
func (e *Estimate) TPOT() float64 { return e.Decode.MeanStepSeconds }

// DatasheetOnly is the basis of the fidelities that use no measurement.
const DatasheetOnly = "datasheet only"

// Estimate prices a workload. Times are those of the roofline whether or not the batch fits;
// Memory.Fits says whether it does.
func (c *Compiled) Estimate(f Fidelity, w Workload) (Estimate, error) {
	if err := w.Check(); err != nil {
		return Estimate{}, err
	}
	f, w = c.Fidelity(f), c.withPrefix(w)
	p, tp := c.At(f), float64(c.tp)
	e := Estimate{Workload: w, Fidelity: f, Basis: c.BasisOf(f, w), Memory: c.Memory(w), Transfer: c.Transfer(w.Prompt), BeyondContext: c.BeyondContext(w)}
	var flops, bytes float64
	for _, o := range c.breakdown(w) {
		flops += o.FLOPs
		bytes += o.Total()
		e.Time[o.Bound] += o.Seconds
	}
	d := &e.Decode
	each := float64(c.perDevice(w).Batch)
	d.FLOPsPerToken = flops * tp / each
	d.BytesPerToken = bytes * tp / each
	best := Bound(0)
	for b := range e.Time {
		if e.Time[b] > e.Time[best] {
			best = Bound(b)
		}
	}
	d.Bound = best.String()
	prefill := c.PrefillWork(w)
	all := tp * (float64(w.Batch) / each)
	e.Prefill = PrefillSummary{Seconds: p.Prefill(w), FLOPs: prefill.FLOPs * all, Bytes: prefill.Total() * all}
	total := p.Generation(w)
	d.FirstStepSeconds = p.Step(w.Batch, w.Prompt+1)
	d.LastStepSeconds = p.Step(w.Batch, w.Prompt+w.Generate)
	d.MeanStepSeconds = total / float64(w.Generate)
	d.TokensPerSecond = float64(w.Batch) / d.MeanStepSeconds
	e.RequestSeconds = e.Prefill.Seconds + total
	e.Parallel = c.parallel(p, w, d.MeanStepSeconds)
	if low, high, ok := p.Interval(w); ok {
		e.Interval = Interval{&low, &high}
	}
	if f == Calibrated {
		e.Engine, e.ServedTPOTSeconds = c.engine.Name, c.ServedTPOT(w)
	}
	return e, nil
}

// Bound is what limits an operation: the kind of bytes it moves most of, its arithmetic,
// or the link.
type Bound uint8

// The bounds.
const (
	BoundWeights Bound = iota
	BoundCache
	BoundState
	BoundActivations
	BoundCompute
	BoundLink
	numBounds
)

var boundNames = [numBounds]string{"weights", "cache", "state", "activations", "compute", "interconnect"}

func (b Bound) String() string { return boundNames[b] }

// OpCost is an operation's share of a mean decode step or of a prefill, on one device, summed over
// all layers that have the operation. The Pricer that lists the operation gives the time.
type OpCost struct {
	Work
	Name      string
	Detail    string // tells operations of one name apart: "window 512", "last row"
	Kernel    Kernel
	Class     Class
	Part      Part
	Layers    int
	Seconds   float64
	Share     float64 // of the sum over operations
	Intensity float64 // FLOPs per byte
	Ridge     float64 // FLOPs per byte from which its peak binds
	Bound     Bound
}

// breakdown lists the mean decode step of a workload by operation at roofline, in the order the
// operations run. The seconds add up to the mean roofline step.
func (c *Compiled) breakdown(w Workload) []OpCost {
	if c.stages != nil {
		return c.eachStage(w, (*Compiled).ownBreakdown)
	}
	return c.ownBreakdown(w)
}

// ownBreakdown is breakdown of the operations of one stage.
func (c *Compiled) ownBreakdown(w Workload) []OpCost {
	g := float64(w.Generate)
	out := make([]OpCost, 0, len(c.decode))
	lo, hi := float64(w.Prompt+1), float64(w.Prompt+w.Generate)
	for i := range c.decode {
		o := &c.decode[i]
		// The mean over the steps: every coefficient is linear in visible positions.
		mean := c.meanWork(&o.Op, w.Batch, lo, hi)
		oc := OpCost{Name: o.Name, Detail: o.detail(false), Kernel: o.Kernel, Class: o.Kernel.Class(), Part: o.Part, Layers: o.Count, Work: mean}
		if o.Kernel == Attention {
			v := c.varying(&o.Op)
			oc.Seconds = v.generation(float64(w.Batch), lo, hi) / g
		} else {
			oc.Seconds = c.opSeconds(&o.Op, &mean)
		}
		out = append(out, c.finish(oc, &o.Op))
	}
	return shares(out)
}

// prefillBreakdown is the prefill of a workload by operation at roofline.
func (c *Compiled) prefillBreakdown(w Workload) []OpCost {
	if w.Prompt == 0 {
		return nil
	}
	out := make([]OpCost, 0, len(c.prefill))
	for i := range c.prefill {
		o := &c.prefill[i]
		work := o.Op.Work(w.prefill())
		oc := OpCost{Name: o.Name, Detail: o.detail(true), Kernel: o.Kernel, Class: o.Kernel.Class(), Part: o.Part, Layers: o.Count, Work: work, Seconds: c.opSeconds(&o.Op, &work)}
		out = append(out, c.finish(oc, &o.Op))
	}
	return shares(out)
}

// detail is what distinguishes operations of the same name.
func (o *Op) detail(prefill bool) string {
	switch {
	case o.Shape.Chunked:
		return fmt.Sprintf("chunks of %d", o.Shape.Window)
	case o.Shape.Window > 0:
		return fmt.Sprintf("window %d", o.Shape.Window)
	case o.Shape.WritesMemory:
		return "to memory"
	case prefill && o.Shape.RowsAreSeqs:
		return "last row"
	}
	return ""
}

// finish scales one layer's cost to all layers that have the operation, and finds what binds the
// operation.
func (c *Compiled) finish(oc OpCost, o *Op) OpCost {
	one := oc.Work
	oc.Work.add(one, float64(oc.Layers-1))
	oc.Seconds *= float64(oc.Layers)
	total := oc.Total()
	oc.Ridge = c.peak(o) / c.bw
	if total > 0 {
		oc.Intensity = oc.FLOPs / total
	}
	b := &oc.Bytes
	moved := [...]float64{
		BoundWeights: b[Weights], BoundCache: b[CacheRead] + b[CacheWrite],
		BoundState: b[StateRead] + b[StateWrite], BoundActivations: b[ActRead] + b[ActWrite],
	}
	for k := range moved {
		if moved[k] > moved[oc.Bound] {
			oc.Bound = Bound(k)
		}
	}
	if oc.FLOPs/c.peak(o) > c.memorySeconds(o, &oc.Work) {
		oc.Bound = BoundCompute
	}
	if oc.Link > 0 || oc.Net > 0 {
		oc.Bound = BoundLink
	}
	return oc
}

func shares(ops []OpCost) []OpCost {
	sum := 0.0
	for i := range ops {
		sum += ops[i].Seconds
	}
	if sum > 0 {
		for i := range ops {
			ops[i].Share = ops[i].Seconds / sum
		}
	}
	return ops
}

// meanWork is the mean of an operation's work over the contexts lo … hi.
func (c *Compiled) meanWork(o *Op, batch int, lo, hi float64) Work {
	v := o.basis(Call{Batch: batch, New: 1, Past: int(lo) - 1})
	w := o.Shape.reach()
	l := (w.sum(hi) - w.sum(lo-1)) / (hi - lo + 1)
	v[pairs], v[kvRows] = float64(batch)*l, float64(batch)*l
	return o.work(&v)
}

// varying reduces one operation as reduce does.
func (c *Compiled) varying(o *Op) varyingOp {
	v := varyingOp{count: 1, reach: o.Shape.reach(), seen: c.windowIndex(o.Shape.span())}
	_, v.c1, v.cL, _ = decodeCoef(&o.FLOPs)
	p := c.peak(o)
	v.c1, v.cL = v.c1/p, v.cL/p
	for k := range o.Bytes {
		a0, a1, aL, _ := decodeCoef(&o.Bytes[k])
		bytes := 1 / c.bw
		if k == int(CacheRead) {
			bytes = c.perCacheByte(o)
		}
		v.m0, v.m1, v.mL = v.m0+a0*bytes, v.m1+a1*bytes, v.mL+aL*bytes
	}
	return v
}
