package costmodel

import "github.com/OWNER/ridgeline/arch"

// rglru prices Griffin's recurrent block: a state of one number a channel, and gates whose
// maps are those of each head alone.
func (b *builder) rglru(g arch.RGLRU) {
	n := b.split("heads", g.Heads) * g.HeadDim
	d := float64(n)
	b.linear("rglru.in", "in", b.m.Width, 2*n, rows, linearOpts{bias: true})
	b.elementwise("rglru.act", Activation, 0, d, d, activationFLOPs(g.Act)*d, rows)
	b.plainConv("rglru.conv", ConvShort, n, g.DConv, true)
	gates := b.byHead("rglru.gates", "gates", n, 2*n, n/g.HeadDim)
	b.weights(gates, 2*d, "gates_bias")
	gates.FLOPs[rows] += 2 * d
	o := b.op("rglru.scan", ScanRGLRU)
	o.Shape = Shape{Out: n, Heads: n, KVHeads: n, HeadDim: 1, StateDim: 1}
	b.weights(o, d, "decay")
	b.act(o, 3*d, d, rows)
	b.state(o, d)
	o.FLOPs[rows] = 11 * d
	b.elementwise("rglru.gate", Gate, 0, 2*d, d, d, rows)
	b.outLinear("rglru.out", "out", n, true)
}
