package costmodel

import "github.com/OWNER/ridgeline/arch"

// rwkv5 prices RWKV-5's time mix as its recurrence: a state of heads·head_dim².
func (b *builder) rwkv5(t arch.RWKV5) {
	h, w := b.split("heads", t.Heads), b.m.Width
	n := h * t.HeadDim
	d := float64(n)
	b.shift("rwkv5.shift", 4)
	b.byHead("rwkv5.kvrg", "kvrg", 4*w, 4*n, 4)
	o := b.op("rwkv5.scan", ScanWKV5)
	o.Shape = Shape{Out: n, Heads: h, KVHeads: h, HeadDim: t.HeadDim, StateDim: t.HeadDim}
	b.weights(o, 2*d, "decay", "first")
	b.act(o, 3*d, d, rows)
	b.state(o, d*float64(t.HeadDim))
	o.FLOPs[rows] = 7 * d * float64(t.HeadDim)
	b.elementwise("rwkv5.norm", InnerNorm, 2*d, d, d, 8*d, rows, "norm", "norm_bias")
	b.elementwise("rwkv5.gate", Gate, 0, 2*d, d, 3*d, rows)
	b.outLinear("rwkv5.out", "out", n, false)
}
