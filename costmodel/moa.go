package costmodel

import "github.com/OWNER/ridgeline/arch"

// mixtureOfHeads prices a mixture of attention heads. The ranks of a tensor-parallel group divide
// the kv heads, and with them the rows of every expert; all of them hold a part of each expert.
func (b *builder) mixtureOfHeads(a arch.MoA) {
	k, w, r := b.split("kv_heads", a.KVHeads), b.m.Width, b.r()
	inner := k * a.HeadDim
	b.linear("moa.router", "router", w, a.Experts, r, linearOpts{use: keptMap})
	b.elementwise("moa.route", Routing, 0, float64(a.Experts), float64(2*a.TopK), float64(2*a.Experts), r)
	m := a.Router()
	b.grouped("moa.q", "q", m, w, inner, r, 0)
	b.linear("moa.kv", "kv", w, 2*inner, r, linearOpts{})
	b.heads(a.Attention(), a.TopK*k, k, r, r)
	b.grouped("moa.out", "out", m, inner, w, r, 2*float64(a.TopK*w))
	b.allReduce("moa.out.allreduce", w, r)
	n := float64(w)
	o := b.elementwise("moa.add", Gate, 0, n, n, 0, r)
	if a.Bias {
		b.weights(o, n, "out_bias")
		o.FLOPs[r] += n
	}
	if b.adds() {
		b.act(o, n, 0, r)
		o.FLOPs[r] += n
	}
	if b.mixFd[b.layer] {
		b.act(o, 0, n, r)
	}
}
