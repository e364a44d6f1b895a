package costmodel

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// lazyPricer makes the calibrated pricer of a compiled model when it is first asked for, because
// most points of a sweep are priced without it.
type lazyPricer struct {
	once sync.Once
	p    Pricer
}

func (c *Compiled) calibrated() Pricer {
	c.cal.once.Do(func() { c.cal.p = c.calibrate() })
	return c.cal.p
}

// datasheet stands in for calibrated where neither this GPU nor one of its architecture was
// measured: it returns the roofline with a wide interval.
type datasheet struct{ *roofline }

func (datasheet) Fidelity() Fidelity { return Calibrated }

// Interval returns the roofline as its low end, which no step can beat, and six times that as its
// high end. Whole steps on the GPUs we timed took 1.2 to 2.1 times their roofline
// (testdata/steps), and half of the measured kernels longer than 20 µs took more than 2.5 times
// theirs; the factor of six is our guess and no measurement.
func (d datasheet) Interval(w Workload) (low, high float64, ok bool) {
	t := d.Generation(w) / float64(w.Generate)
	return t, 6 * t, true
}

// calibrated prices every operation by the measured kernel that runs it, and adds what the
// engine does between kernels.
type calibrated struct {
	of      *Compiled
	profile *kerneltime.Profile
	engine  *kerneltime.Engine
	fixed   []kernel // whose time does not depend on the context
	vary    []kernel // attention
	streams []kernel // streaming kernels, which sum up to:
	stream0 float64  // seconds
	stream1 float64  // seconds per sequence
	prefill []kernel
	mixed   []kernel // of a step with pieces of prompts
	tp      float64
	perStep float64 // seconds of the engine: host, and gaps between kernels
	prompts float64 // the same for a prefill
	tables  [1 << tableBits]atomic.Pointer[batchTable]
	// verified are tables of steps that verify drafts.
	verified [1 << tableBits]atomic.Pointer[batchTable]
}

func (c *Compiled) calibrate() Pricer {
	k := &calibrated{of: c, engine: c.engine, tp: float64(c.tp)}
	if own := c.Options.Calibration; own != nil {
		k.profile, _ = kerneltime.With(c.Hardware, own) // Compile has asked before
	} else if p, err := kerneltime.For(c.Hardware); err == nil {
		k.profile = p
	} else {
		return datasheet{(*roofline)(c)}
	}
	k.perStep, k.prompts = k.engine.Host, k.engine.Host
	for i := range c.decode {
		x := c.kernelOf(&c.decode[i])
		k.perStep += x.layers * x.launches * k.engine.Gap
		switch {
		case x.price == asAttention:
			k.vary = append(k.vary, x)
		case x.price == asStream && x.floor.c1 <= x.floor.m1:
			k.streams = append(k.streams, x)
			s := x.streamed(x.fixed)
			k.stream0 += x.layers * k.profile.StreamSeconds(&s, k.engine.Stream)
			s.Bytes = x.perRow
			_, moved := k.profile.StreamParts(&s, 0)
			k.stream1 += x.layers * moved
		default:
			k.fixed = append(k.fixed, x)
		}
	}
	for i := range c.prefill {
		x := c.kernelOf(&c.prefill[i])
		k.prompts += x.layers * x.launches * k.engine.Gap
		k.prefill = append(k.prefill, x)
	}
	k.mixed = k.prefill
	for i := len(c.prefill); i < len(c.mixed); i++ {
		k.mixed = append(slices.Clip(k.mixed), c.kernelOf(&c.mixed[i]))
	}
	return k
}

func (c *calibrated) Fidelity() Fidelity { return Calibrated }

// seconds is the time that all layers' launches of a kernel take in a step of b sequences, and
// never less than their roofline: a benchmark that repeats one kernel finds its data in cache,
// which a whole step does not. Attention has n positions of each sequence before it and sees only
// those within its window.
func (c *calibrated) seconds(k *kernel, b, n, seen float64) float64 {
	return k.layers * max(k.launches*k.stepSeconds(c.profile, c.engine, c.tp, b, n, seen), c.least(k, b, seen))
}

// least is the roofline time of one layer's operation.
func (c *calibrated) least(k *kernel, b, seen float64) float64 {
	v := &k.floor
	l := b * seen
	m := v.m0 + v.m1*b + v.mL*l
	if k.perHit > 0 {
		m += k.perHit * k.op.Shape.hits(b)
	}
	return max(v.c1*b+v.cL*l, m)
}

func (c *calibrated) Step(batch, context int) float64 {
	b, n := float64(batch), float64(context)
	table := c.at(b)
	t := table.steady
	for i := range c.vary {
		k := &c.vary[i]
		t += c.attend(k, &table.over[i], b, n, k.floor.at(n))
	}
	return t
}

// tableBits is the base-2 logarithm of how many batches a compiled model keeps tables for. The
// number bounds its memory: a table takes about a kilobyte.
const tableBits = 5

// batchTable holds the part of a step that depends on the batch alone.
type batchTable struct {
	b       float64
	queries float64                 // tokens of a sequence, of a step that verifies drafts
	steady  float64                 // of b sequences, computed as so many rows
	over    []kerneltime.DecodeOver // for each of vary; empty where it is not tabled
}

// at returns the table of a batch. The table is made when first asked for, and again if another
// batch has taken its place since; its contents are the same either way.
func (c *calibrated) at(b float64) *batchTable {
	slot := &c.tables[uint64(b)*0x9e3779b97f4a7c15>>(64-tableBits)]
	if t := slot.Load(); t != nil && t.b == b {
		return t
	}
	t := &batchTable{b: b, steady: c.sumSteady(b, b), over: make([]kerneltime.DecodeOver, len(c.vary))}
	for i := range c.vary {
		if k := &c.vary[i]; k.tabled() {
			s := k.attention
			s.Batch = b
			t.over[i] = c.profile.DecodeOver(s)
		}
	}
	slot.Store(t)
	return t
}

// tabled reports whether tables are made for an attention kernel: they are where queries are
// packed, keys and values are cached and positions are not cut into chunks.
func (k *kernel) tabled() bool { return !k.unpacked && !k.latent && !k.floor.chunked }

// attend is seconds of attention.
func (c *calibrated) attend(k *kernel, o *kerneltime.DecodeOver, b, n, seen float64) float64 {
	if !k.tabled() {
		return c.seconds(k, b, n, seen)
	}
	return k.layers * max(k.launches*o.Seconds(n, seen), c.least(k, b, seen))
}

// steady is the part of a step of b sequences, computed as so many rows, that does not
// depend on the context.
func (c *calibrated) steady(b, rows float64) float64 {
	if rows == b {
		return c.at(b).steady
	}
	return c.sumSteady(b, rows)
}

func (c *calibrated) sumSteady(b, rows float64) float64 {
	t := c.perStep + c.engine.Sequence*b + c.stream0 + c.stream1*rows
	for i := range c.fixed {
		k := &c.fixed[i]
		r := rows
		if kernelTable[k.op.Kernel].unlined || k.op.Shape.RowsAreSeqs {
			r = b
		}
		t += c.seconds(k, r, 1, 1)
	}
	return t
}

func (c *calibrated) Run(m *Mix, steps int) float64 {
	if m.Decodes <= 0 || steps <= 0 {
		return 0
	}
	if m.jumps() {
		return c.verify(m, steps)
	}
	return c.steady(float64(m.Decodes), m.rows())*float64(steps) + c.attention(m, steps)
}

// attention is the part of a number of steps that depends on the contexts.
func (c *calibrated) attention(m *Mix, steps int) (t float64) {
	b := float64(m.Decodes)
	lo := m.Contexts / b
	table := c.at(b)
	for i := range c.vary {
		k := &c.vary[i]
		seen, more := m.seen(k.floor.seen)
		t += c.grow(k, &table.over[i], b, span{lo: lo, hi: lo + float64(steps-1), seen: seen / b, slope: more / b})
	}
	return t
}

func (c *calibrated) Mixed(m *Mix) float64 {
	if len(m.Chunks) == 0 {
		return c.Run(m, 1)
	}
	sum := load{seconds: c.prompts + c.engine.Sequence*float64(m.Decodes)}
	for i := range c.mixed {
		sum.add(c.mixedKernel(&c.mixed[i], m))
	}
	return sum.total()
}

// mixedSum is what the given kernels take in a mixed step.
func (c *calibrated) mixedSum(ks []*kernel, m *Mix) (sum load) {
	for _, k := range ks {
		sum.add(c.mixedKernel(k, m))
	}
	return sum
}

func (c *calibrated) mixedKernel(k *kernel, m *Mix) load {
	if k.op.Only == StepOnly && m.Decodes == 0 {
		return load{}
	}
	w := c.of.mixedWork(k.op, m)
	seconds, launches := k.mixed(c, m, &w)
	t := k.layers * max(k.launches*seconds, c.of.opSeconds(k.op, &w))
	return load{t + k.layers*k.launches*(launches-1)*c.engine.Gap, c.more(k, t, k.layers*w.FLOPs)}
}

// mixed is the time of one launch each of the kernels that run an operation in a mixed
// step, and how many those are. Sequences that decode and pieces of prompts share products;
// attention and recurrences are launched for the former together and for each of the latter.
func (k *kernel) mixed(c *calibrated, m *Mix, w *Work) (seconds, launches float64) {
	p, s := c.profile, &k.op.Shape
	d := float64(m.Decodes)
	n, rows := d, m.rows()
	for _, call := range m.Chunks {
		n += float64(call.Batch)
		rows += float64(call.Batch * call.New)
	}
	if s.RowsAreSeqs {
		rows = n + d*float64(m.Drafts)
	}
	if k.op.Only != EveryPhase {
		return k.onePhase(c, m, w)
	}
	switch k.price {
	case asProduct:
		g := k.gemm
		g.M = rows
		return p.GEMMSeconds(&g), 1
	case asExperts:
		return k.experts(p, rows).Seconds, 1
	case asAttention:
		contexts := m.Contexts
		seen, _ := m.seen(k.floor.seen)
		for _, call := range m.Chunks {
			if s.QueryLast {
				x := float64(call.Context())
				contexts += float64(call.Batch) * x
				seen += float64(call.Batch) * k.floor.at(x)
				continue
			}
			for _, a := range k.prefillAttention(call) {
				if a.times > 0 {
					seconds += a.times * p.PrefillSeconds(&a.PrefillAttention)
				}
			}
			launches++
		}
		if !s.QueryLast {
			n = d
		}
		if n > 0 {
			a := k.verifying(m, n, contexts/n, seen/n)
			seconds += k.decodeSeconds(p, &a)
			launches++
		}
		return seconds, launches
	case asRecurrent, asScan:
		if d > 0 {
			seconds, launches = k.stepSeconds(p, c.engine, c.tp, d, 1, 1)*k.op.lengthened(m), 1
		}
		for _, call := range m.Chunks {
			wc := k.op.Work(call)
			seconds += k.prompt(p, c.engine, c.tp, call, &wc).Seconds
			launches++
		}
		return seconds, launches
	case asReduce:
		return p.AllReduce(kerneltime.AllReduce{GPUs: c.tp, Bytes: k.perRow * rows}).Seconds, 1
	case asMessage:
		return k.message(p, rows).Seconds, 1
	}
	stream := k.streamed(w.Total() + k.also*rows)
	return p.StreamSeconds(&stream, c.engine.Stream), 1
}

// onePhase is mixed for an operation that runs either for the pieces of prompts only or for the
// sequences that decode only.
func (k *kernel) onePhase(c *calibrated, m *Mix, w *Work) (seconds, launches float64) {
	if k.op.Only == StepOnly {
		d := float64(m.Decodes)
		if m.Drafts > 0 {
			return c.verifyStep(k, m, w), 1
		}
		return k.stepSeconds(c.profile, c.engine, c.tp, d, m.Contexts/d, m.Contexts/d), 1
	}
	for _, call := range m.Chunks {
		wc := k.op.Work(call)
		seconds += k.prompt(c.profile, c.engine, c.tp, call, &wc).Seconds
		launches++
	}
	return seconds, launches
}

func (c *calibrated) Interval(w Workload) (low, high float64, ok bool) {
	i := c.interval(float64(w.Batch), float64(w.Prompt)+(float64(w.Generate)+1)/2)
	scale := c.Generation(w) / float64(w.Generate) / i.Seconds
	return i.Low * scale, i.High * scale, true
}

func (c *calibrated) Ops(w Workload) []OpCost {
	out := c.of.breakdown(w)
	for i := range out {
		out[i].Seconds = c.op(&c.of.decode[i], w)
	}
	return shares(out)
}

func (c *calibrated) PrefillOps(w Workload) []OpCost {
	out := c.of.prefillBreakdown(w)
	loads := make([]load, len(out))
	sum := load{seconds: c.prompts}
	for i := range out {
		k := &c.prefill[i]
		work := k.op.Work(w.prefill())
		_, loads[i] = c.promptLoad(k, w.prefill(), &work)
		sum.add(loads[i])
	}
	for i, l := range loads {
		out[i].Seconds = l.seconds + l.more*sum.slowed(burst)
	}
	return shares(out)
}

// op is the time in seconds of an operation in the mean step of a workload, summed over all its
// layers.
func (c *calibrated) op(g *OpGroup, w Workload) float64 {
	x := c.of.kernelOf(g)
	n := float64(w.Generate)
	if x.price == asAttention {
		s := x.attention
		s.Batch = float64(w.Batch)
		over := c.profile.DecodeOver(s) // where the kernel is not tabled it goes unread
		return c.grow(&x, &over, s.Batch, span{lo: float64(w.Prompt + 1), hi: float64(w.Prompt + w.Generate), alike: true}) / n
	}
	return c.seconds(&x, float64(w.Batch), 1, 1)
}

// EngineSeconds is what the engine adds to the kernels of a step of batch sequences, in
// calibrated times.
func (c *Compiled) EngineSeconds(batch int) float64 {
	k, ok := c.calibrated().(*calibrated)
	if !ok {
		return c.engine.Sequence * float64(batch)
	}
	return k.perStep + k.engine.Sequence*float64(batch)
}

func (c *calibrated) Prefill(w Workload) float64 {
	if w.Prompt <= 0 {
		return 0
	}
	return c.prompted(w).Seconds
}

// prompted is the estimated time in seconds of a workload's prompts, with its 90 % bounds, on a GPU
// that has rested.
func (c *calibrated) prompted(w Workload) kerneltime.Estimate { return c.promptedWithin(w, burst) }

// promptedWithin is prompted on a GPU whose clock falls after so many seconds.
func (c *calibrated) promptedWithin(w Workload, after float64) kerneltime.Estimate {
	call := w.prefill()
	var sum kerneltime.Sum
	sum.AddExact(c.prompts)
	all := load{seconds: c.prompts}
	for i := range c.prefill {
		k := &c.prefill[i]
		w := k.op.Work(call)
		e, l := c.promptLoad(k, call, &w)
		sum.Add(e)
		all.add(l)
	}
	return sum.Estimate().Times(1 + all.more*all.slowed(after)/all.seconds)
}

// promptKernel is the estimated time of all layers' launches of a kernel in a prefill.
func (c *calibrated) promptKernel(k *kernel, call Call, w *Work) kerneltime.Estimate {
	return k.prompt(c.profile, c.engine, c.tp, call, w).AtLeast(c.of.opSeconds(k.op, w) / k.launches).Times(k.layers * k.launches)
}

// interval is the estimated time in seconds of one step, with its 90 % bounds.
func (c *calibrated) interval(b, n float64) kerneltime.Estimate {
	var sum kerneltime.Sum
	sum.AddExact(c.perStep + c.engine.Sequence*b)
	for _, ks := range [][]kernel{c.fixed, c.streams, c.vary} {
		for i := range ks {
			k := &ks[i]
			sum.Add(k.step(c.profile, c.engine, c.tp, b, n).AtLeast(c.least(k, b, k.floor.at(n)) / k.launches).Times(k.layers * k.launches))
		}
	}
	return sum.Estimate()
}
