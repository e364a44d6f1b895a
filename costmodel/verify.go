package costmodel

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// A verification step is a decode step of Drafts+1 tokens a sequence: the next token and the
// drafted ones behind it, each of which sees all before it (Leviathan et al.,
// arXiv:2211.17192).
//
//	weights     read once; experts as so many rows hit
//	cache       read once a sequence; Drafts+1 rows of keys and values written
//	attention   FLOPs of Drafts+1 queries, the j-th of which sees j positions more
//	output head Drafts+1 rows a sequence: every token's successor is needed
//	recurrences scan Drafts+1 tokens from one state. They write the state behind each of
//	            them, since any may be the last that is accepted: no state is run again
//	            (vLLM and SGLang; vllm-project/vllm issue 54080). A convolution keeps as many
//	            inputs more instead.

// queries is how many tokens of each sequence a step works on.
func (m *Mix) queries() float64 { return float64(1 + m.Drafts) }

// advance is how many positions a sequence gains in the mean from step to step.
func (m *Mix) advance() float64 {
	if m.Advance > 0 {
		return m.Advance
	}
	return 1
}

// jumps reports whether sequences may gain more than one position from step to step.
func (m *Mix) jumps() bool { return m.Drafts > 0 || m.advance() != 1 }

// decodeBasis evaluates the basis for the sequences of a step that decode.
func (c *Compiled) decodeBasis(o *Op, m *Mix) Coef {
	d := float64(m.Decodes)
	seen, more := m.seen(c.windowIndex(o.Shape.span()))
	v := Coef{one: 1, rows: d, seqs: d, ring: d, pairs: seen, kvRows: seen}
	if m.Drafts > 0 {
		q, k := m.queries(), float64(m.Drafts)
		v[rows], v[ring] = d*q, d*q
		v[pairs], v[kvRows] = q*seen+more*k*q/2, seen+d*k
		if w := o.Shape.Window; w > 0 {
			v[pairs] = min(v[pairs], d*q*float64(w))
		}
		if o.Shape.RowsAreSeqs {
			v[seqs] = d * q
		}
	}
	return v
}

// snapshots adds the bytes of the states that a verification step keeps besides the last.
func (o *Op) snapshots(w Work, m *Mix) Work {
	if m.Drafts == 0 || o.Bytes[StateWrite][seqs] == 0 {
		return w
	}
	w.Bytes[StateWrite] += float64(m.Decodes) * o.snapshot(m.Drafts)
	return w
}

// snapshot is the bytes by which drafts lengthen what a sequence keeps of an operation's
// state, 0 for an operation that has none.
func (o *Op) snapshot(drafts int) float64 {
	state := o.Bytes[StateWrite][seqs]
	if o.Kernel.Class() == Conv && o.Shape.In > 1 {
		return state * float64(drafts) / float64(o.Shape.In-1)
	}
	return state * float64(drafts)
}

// lengthened is how much longer than in a step of one token a recurrence takes: it is bound by
// the bytes it moves, a read of the state and as many writes of it as there are tokens.
func (o *Op) lengthened(m *Mix) float64 {
	if m.Drafts == 0 {
		return 1
	}
	d := float64(m.Decodes)
	alone, all := Coef{one: 1, rows: d, seqs: d}, Coef{one: 1, rows: d * m.queries(), seqs: d}
	before, after := o.work(&alone), o.snapshots(o.work(&all), m)
	if t := before.Total(); t > 0 {
		return after.Total() / t
	}
	return 1
}

// slope is how much an operation's work grows from one step of a run to the next.
func (c *Compiled) slope(o *Op, m *Mix) Work {
	_, more := m.seen(c.windowIndex(o.Shape.span()))
	more *= m.advance()
	v := Coef{pairs: more * m.queries(), kvRows: more}
	return o.work(&v)
}

func (r *roofline) verify(m *Mix, steps int) float64 {
	c, n, t := (*Compiled)(r), float64(steps), 0.0
	for i := range c.decode {
		g := &c.decode[i]
		w := c.mixedWork(&g.Op, m)
		if g.Kernel != Attention {
			t += float64(g.Count) * n * c.opSeconds(&g.Op, &w)
			continue
		}
		d := c.slope(&g.Op, m)
		t += float64(g.Count) * sumMax2(line{w.FLOPs / c.peak(&g.Op), d.FLOPs / c.peak(&g.Op)},
			line{c.memorySeconds(&g.Op, &w), c.memorySeconds(&g.Op, &d)}, 0, n-1)
	}
	return t
}

func (l *limit) verify(m *Mix, steps int) float64 {
	c := (*Compiled)(l)
	sum := c.mixedSum(c.decode, m, true)
	var d busySeconds
	for i := range c.decode {
		if g := &c.decode[i]; g.Kernel == Attention {
			w := c.slope(&g.Op, m)
			d.add(c, &g.Op, &w, float64(g.Count))
		}
	}
	return sumMax3(line{sum.compute, d.compute}, line{sum.memory, d.memory}, line{a: max(sum.link, sum.net)}, 0, float64(steps-1))
}

// verifying is decode attention of n sequences of a step. Their drafted tokens are packed as
// query heads that share a head of keys are, so that all of them read it once. Where every
// query head reads it for itself, the queries of one do so together.
func (k *kernel) verifying(m *Mix, n, context, seen float64) kerneltime.DecodeAttention {
	a := k.decoding(n, context, seen)
	if m.Drafts > 0 {
		a = k.decoding(n, context+float64(m.Drafts), seen+float64(m.Drafts))
		if !k.unpacked {
			a.Heads *= m.queries()
		}
	}
	return a
}

// verify is the seconds of a Run whose steps verify drafts.
func (c *calibrated) verify(m *Mix, steps int) float64 {
	return c.verifySteady(m)*float64(steps) + c.verifyAttention(m, steps)
}

// verifySteady is the seconds of a verification step that do not depend on the contexts.
func (c *calibrated) verifySteady(m *Mix) float64 {
	t := c.perStep + c.engine.Sequence*float64(m.Decodes)
	for _, ks := range [][]kernel{c.fixed, c.streams} {
		for i := range ks {
			k := &ks[i]
			w := c.of.mixedWork(k.op, m)
			t += k.layers * max(k.launches*c.verifyStep(k, m, &w), c.of.opSeconds(k.op, &w))
		}
	}
	return t
}

// verifyStep is the seconds of one launch of a kernel in a verification step; attention is priced
// at the context of its first token.
func (c *calibrated) verifyStep(k *kernel, m *Mix, w *Work) float64 {
	d, p := float64(m.Decodes), c.profile
	rows := m.rows()
	if k.op.Shape.RowsAreSeqs || kernelTable[k.op.Kernel].unlined {
		rows = d * m.queries()
	}
	switch k.price {
	case asStream:
		s := k.streamed(w.Total() + k.also*rows)
		return p.StreamSeconds(&s, c.engine.Stream)
	case asRecurrent, asScan:
		return k.stepSeconds(p, c.engine, c.tp, d, 1, 1) * k.op.lengthened(m)
	case asAttention:
		seen, _ := m.seen(k.floor.seen)
		a := k.verifying(m, d, m.Contexts/d, seen/d)
		return k.decodeSeconds(p, &a)
	}
	return k.stepSeconds(p, c.engine, c.tp, rows, 1, 1)
}

// verifyAttention is the attention of a run of verification steps, summed as Generation's is.
func (c *calibrated) verifyAttention(m *Mix, steps int) (t float64) {
	d := float64(m.Decodes)
	for i := range c.vary {
		k := &c.vary[i]
		over := c.verifyOver(k, i, m)
		w, by := c.of.mixedWork(k.op, m), c.of.slope(k.op, m)
		seen, more := m.seen(k.floor.seen)
		at := func(j float64) float64 {
			now := w
			now.add(by, j)
			n := m.Contexts/d + j*m.advance()
			s := (seen + j*more*m.advance()) / d
			a := k.verifying(m, d, n, s)
			seconds := 0.0
			if over != nil {
				seconds = over.Seconds(a.Context, a.Seen)
			} else {
				seconds = k.decodeSeconds(c.profile, &a)
			}
			return max(k.launches*seconds, c.of.opSeconds(k.op, &now))
		}
		sees := func(j float64) float64 { return (seen+j*more*m.advance())/d + float64(m.Drafts) }
		doubling(m.Contexts/d, m.advance(), steps, func(lo, hi float64) {
			c.cut(k, d, lo, hi, sees, func(start, end float64) {
				if n := m.Contexts / d; end > start+shortest && n+end*m.advance() < 1.1*(n+start*m.advance()) { // nearly a straight line
					t += k.layers * (end - start + 1) * at((start+end)/2)
					return
				}
				t += k.layers * smooth(start, end, at)
			})
		})
	}
	return t
}

// doubling calls each with the parts of 0 … steps−1, cut where first + j·by, a context, has doubled.
func doubling(first, by float64, steps int, each func(lo, hi float64)) {
	for start, last := 0.0, float64(steps-1); start <= last; {
		now := max(first+start*by, 1)
		double := math.Exp2(math.Floor(math.Log2(now)) + 1)
		end := min(last, max(start, math.Ceil((double-first)/by)-1))
		each(start, end)
		start = end + 1
	}
}

// verifyOver is the table of an attention kernel for the batch and drafts of a step, nil where no
// table is made for the kernel.
func (c *calibrated) verifyOver(k *kernel, i int, m *Mix) *kerneltime.DecodeOver {
	if !k.tabled() {
		return nil
	}
	b, q := float64(m.Decodes), m.queries()
	slot := &c.verified[uint64(b*64+q)*0x9e3779b97f4a7c15>>(64-tableBits)]
	t := slot.Load()
	if t == nil || t.b != b || t.queries != q {
		t = &batchTable{b: b, queries: q, over: make([]kerneltime.DecodeOver, len(c.vary))}
		for j := range c.vary {
			if k := &c.vary[j]; k.tabled() {
				t.over[j] = c.profile.DecodeOver(k.verifying(m, b, 1, 1))
			}
		}
		slot.Store(t)
	}
	return &t.over[i]
}
