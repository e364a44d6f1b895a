package costmodel

import "github.com/OWNER/ridgeline/arch"

// lightning prices linear attention with fixed decays as its recurrence: a state of
// heads·head_dim².
func (b *builder) lightning(l arch.Lightning) {
	h, w := b.split("heads", l.Heads), b.m.Width
	n := h * l.HeadDim
	d := float64(n)
	b.linear("lightning.qkv", "qkv", w, 3*n, rows, linearOpts{})
	b.elementwise("lightning.act", Activation, 0, 3*d, 3*d, 6*d, rows)
	o := b.op("lightning.scan", ScanLightning)
	o.Shape = Shape{Out: n, Heads: h, KVHeads: h, HeadDim: l.HeadDim, StateDim: l.HeadDim}
	b.act(o, 3*d, d, rows)
	b.state(o, d*float64(l.HeadDim))
	o.FLOPs[rows] = 5 * d * float64(l.HeadDim)
	b.rmsNorm("lightning.norm", "norm", n, n, rows)
	b.linear("lightning.gate_in", "gate_in", w, n, rows, linearOpts{})
	b.elementwise("lightning.gate", Gate, 0, 2*d, d, 2*d, rows)
	b.outLinear("lightning.out", "out", n, false)
}
