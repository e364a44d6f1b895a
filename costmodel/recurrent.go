package costmodel

import "github.com/OWNER/ridgeline/arch"

// conv prices the causal convolution in front of a recurrence: c channels, k taps, then SiLU.
func (b *builder) conv(name string, kernel Kernel, c, k int, bias bool) {
	b.plainConv(name, kernel, c, k, bias).FLOPs[rows] += 2 * float64(c)
}

// plainConv prices a causal convolution without an activation.
func (b *builder) plainConv(name string, kernel Kernel, c, k int, bias bool) *Op {
	o := b.op(name, kernel)
	o.Shape = Shape{Out: c, In: k}
	b.weights(o, float64(c*k), "conv")
	if bias {
		b.weights(o, float64(c), "conv_bias")
	}
	b.act(o, float64(c), float64(c), rows)
	b.convState(o, float64(c*(k-1)))
	o.FLOPs[rows] = float64(c) * float64(2*k)
	return o
}

// gatedNorm prices the norm and gate behind a scan, or the gate alone where there is no norm.
func (b *builder) gatedNorm(name string, weights, d int, noNorm bool) {
	w, flops := float64(weights), 7.0
	if noNorm {
		w, flops = 0, 3
	}
	b.elementwise(name, Gate, w, 2*float64(d), float64(d), flops*float64(d), rows, "norm")
}

// mamba1 prices the selective scan (Gu & Dao, arXiv:2312.00752): a state of
// d_inner·d_state a sequence, read and written each call.
func (b *builder) mamba1(m arch.Mamba1) {
	di := b.split("d_inner", m.DInner)
	n, w := m.DState, b.m.Width
	parts := m.Parts()
	if parts > 1 {
		parts = b.split("heads", parts)
	}
	low := parts * (m.DtRank + 2*n)
	b.linear("mamba1.in", "in", w, 2*di, rows, linearOpts{bias: m.ProjBias})
	b.conv("mamba1.conv", ConvMamba1, di, m.DConv, m.ConvBias)
	if m.Parts() > 1 {
		b.byHead("mamba1.x", "x", di, low, parts)
	} else {
		b.linear("mamba1.x", "x", di, low, rows, linearOpts{})
		b.allReduce("mamba1.x.allreduce", low, rows)
	}
	switch {
	case m.InnerNorms:
		b.rmsNorm("mamba1.inner_norm", "inner_norms", low, low, rows)
	case m.BareNorms:
		b.elementwise("mamba1.inner_norm", InnerNorm, 0, float64(low), float64(low), 3*float64(low), rows)
	}
	b.byHead("mamba1.dt", "dt", parts*m.DtRank, di, parts)
	o := b.op("mamba1.scan", ScanMamba1)
	o.Shape = Shape{Out: di, StateDim: n}
	b.weights(o, float64(di*(n+2)), "a_log", "d", "dt_bias")
	b.act(o, float64(3*di+2*n*parts), float64(di), rows)
	if b.scanFd[b.layer] {
		o.Shape.WritesMemory = true
		b.act(o, 0, float64(di), b.memoryRows())
	}
	b.state(o, float64(di*n))
	o.FLOPs[rows] = float64(di) * float64(7*n+8)
	b.outLinear("mamba1.out", "out", di, m.ProjBias)
}

// byHead prices a product in which each head's share of the input makes that head's share of the
// output alone.
func (b *builder) byHead(name, of string, in, out, heads int) *Op {
	o := b.op(name, Product)
	o.Shape = Shape{In: in / heads, Out: out}
	b.reads(o, of, out, in/heads, one, layerMap)
	b.act(o, float64(in), float64(out), rows)
	o.FLOPs[rows] = 2 * float64(out) * float64(in/heads)
	return o
}

// memoryRows is the basis of the rows for which a memory is written: only the last row of each
// sequence where the prefill skips all layers that read the memory.
func (b *builder) memoryRows() int {
	if b.skip && !b.early[b.layer] {
		return seqs
	}
	return rows
}

// mamba2 prices the state-space duality layer (Dao & Gu, arXiv:2405.21060) as its
// recurrence: heads·head_dim·d_state of state.
func (b *builder) mamba2(m arch.Mamba2) {
	h := b.split("heads", m.Heads)
	g := b.splitOrReplicate("groups", m.Groups)
	di, w := h*m.HeadDim, b.m.Width
	ch := di + 2*g*m.DState
	b.linear("mamba2.in", "in", w, di+ch+h, rows, linearOpts{bias: m.ProjBias})
	b.conv("mamba2.conv", ConvMamba2, ch, m.DConv, m.ConvBias)
	o := b.op("mamba2.ssd", ScanSSD)
	o.Shape = Shape{Out: di, Heads: h, HeadDim: m.HeadDim, StateDim: m.DState, KVHeads: g}
	b.weights(o, float64(3*h), "a_log", "d", "dt_bias")
	b.act(o, float64(ch+h), float64(di), rows)
	b.state(o, float64(di*m.DState))
	o.FLOPs[rows] = float64(4*h) + float64(di)*float64(3+5*m.DState)
	b.gatedNorm("mamba2.gate", di, di, m.NoNorm)
	b.outLinear("mamba2.out", "out", di, m.ProjBias)
}

// deltaNet prices the gated delta rule (Yang et al., arXiv:2412.06464) as its
// recurrence: a state of v_heads·k_dim·v_dim.
func (b *builder) deltaNet(g arch.GatedDeltaNet) {
	kh, vh := b.split("k_heads", g.KHeads), b.split("v_heads", g.VHeads)
	dk, dv, w := kh*g.KDim, vh*g.VDim, b.m.Width
	b.linear("gdn.qkvz", "qkvz", w, 2*dk+2*dv, rows, linearOpts{})
	b.linear("gdn.ba", "ba", w, 2*vh, rows, linearOpts{})
	b.conv("gdn.conv", ConvDelta, 2*dk+dv, g.DConv, false)
	b.elementwise("gdn.l2norm", Unit, 0, float64(2*dk), float64(2*dk), float64(6*dk), rows)
	o := b.op("gdn.delta", ScanDelta)
	o.Shape = Shape{Out: dv, Heads: vh, KVHeads: kh, HeadDim: g.VDim, StateDim: g.KDim}
	b.weights(o, float64(2*vh), "a_log", "dt_bias")
	b.act(o, float64(2*dk+dv+2*vh), float64(dv), rows)
	b.state(o, float64(vh*g.KDim*g.VDim))
	scalars := 5
	if g.DoubleBeta {
		scalars++
	}
	o.FLOPs[rows] = float64(vh) * float64(scalars+2*g.VDim+7*g.KDim*g.VDim)
	b.gatedNorm("gdn.gate", g.VDim, dv, g.NoNorm)
	b.outLinear("gdn.out", "out", dv, false)
}
