package costmodel

import "github.com/OWNER/ridgeline/arch"

// mlstm prices xLSTM's matrix memory as its recurrence: k_dim·v_dim + k_dim + 1 of state a head.
func (b *builder) mlstm(l arch.MLSTM) {
	h, w := b.split("heads", l.Heads), b.m.Width
	dk, dv := h*l.KDim, h*l.VDim
	v := float64(dv)
	b.linear("mlstm.qkvo", "qkvo", w, 2*dk+2*dv, rows, linearOpts{})
	b.linear("mlstm.gates", "gates", w, 2*h, rows, linearOpts{bias: true})
	o := b.op("mlstm.cell", ScanMLSTM)
	o.Shape = Shape{Out: dv, Heads: h, KVHeads: h, HeadDim: l.VDim, StateDim: l.KDim}
	b.act(o, float64(2*dk+dv+2*h), v, rows)
	b.state(o, float64(h*(l.KDim*l.VDim+l.KDim+1)))
	scalars := 8
	if l.GateCap > 0 {
		scalars += 6
	}
	o.FLOPs[rows] = float64(h) * float64(scalars+6*l.KDim+l.VDim+5*l.KDim*l.VDim)
	b.elementwise("mlstm.norm", InnerNorm, v, v, v, 7*v, rows, "norm")
	b.elementwise("mlstm.gate", Gate, 0, 2*v, v, 2*v, rows)
	b.outLinear("mlstm.out", "out", dv, false)
}
