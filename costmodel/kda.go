package costmodel

import "github.com/OWNER/ridgeline/arch"

// kda prices the delta rule with a decay for each channel (arch.KDA) as its recurrence: a
// state of heads·head_dim². The low-rank maps down are on every rank.
func (b *builder) kda(k arch.KDA) {
	h, n, w := b.split("heads", k.Heads), k.HeadDim, b.m.Width
	d := h * n
	b.linear("kda.qkv", "qkv", w, 3*d, rows, linearOpts{})
	b.conv("kda.conv", ConvDelta, 3*d, k.DConv, false)
	b.linear("kda.decay_down", "decay_down", w, n, rows, linearOpts{})
	b.linear("kda.decay_up", "decay_up", n, d, rows, linearOpts{})
	b.linear("kda.beta", "beta", w, h, rows, linearOpts{})
	b.elementwise("kda.l2norm", Unit, 0, float64(2*d), float64(2*d), float64(6*d), rows)
	o := b.op("kda.delta", ScanKDA)
	o.Shape = Shape{Out: d, Heads: h, KVHeads: h, HeadDim: n, StateDim: n}
	b.weights(o, float64(d+h), "dt_bias", "a_log")
	b.act(o, float64(4*d+h), float64(d), rows)
	b.state(o, float64(d*n))
	o.FLOPs[rows] = float64(h) * float64(1+4*n+2*n+7*n*n)
	b.linear("kda.gate_down", "gate_down", w, n, rows, linearOpts{})
	b.linear("kda.gate_up", "gate_up", n, d, rows, linearOpts{})
	b.elementwise("kda.gate", Gate, float64(n), float64(2*d), float64(d), float64(6*d), rows, "norm")
	b.outLinear("kda.out", "out", d, false)
}
