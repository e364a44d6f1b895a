package costmodel

import "github.com/OWNER/ridgeline/arch"

// mlpMoE prices a dense network and experts side by side, each followed by a norm.
func (b *builder) mlpMoE(m arch.MLPMoE) {
	w, r := b.m.Width, b.r()
	in := b.split("mlp inner width", m.Inner)
	b.linear("mlp.up", "up", w, 2*in, r, linearOpts{})
	b.activation("mlp.act", in, 1, true, m.Act, r)
	b.linear("mlp.down", "down", in, w, r, linearOpts{})
	b.allReduce("mlp.down.allreduce", w, r)
	o := b.rmsNorm("mlp.norm", "mlp_norm", w, w, r)
	if b.adds() {
		b.act(o, float64(w), 0, r)
		o.FLOPs[r] += float64(w)
	}

	moe := m.Mixture()
	inner := b.expertSplit(moe, m.ExpertInner)
	b.rmsNorm("moe.router_norm", "router_norm", w, w, r)
	b.linear("moe.router", "experts.router", w, m.Experts, r, linearOpts{use: keptMap})
	b.elementwise("moe.route", Routing, float64(m.Experts), float64(m.Experts), float64(2*m.TopK), float64(2*m.Experts), r, "expert_scale")
	b.rmsNorm("moe.norm", "expert_norm", w, w, r)
	b.exchange("moe.dispatch", moe, w, r)
	b.expert("moe.up", "experts.up", moe, w, 2*inner, r, 0)
	b.ofRank(b.activation("moe.act", inner, m.TopK, true, m.Act, r))
	b.expert("moe.down", "experts.down", moe, inner, w, r, 2*float64(m.TopK*w))
	b.exchange("moe.combine", moe, w, r)
	b.allReduce("moe.allreduce", w, r)
	o = b.rmsNorm("moe.post_norm", "experts_norm", w, w, r)
	b.act(o, float64(w), 0, r)
	o.FLOPs[r] += float64(w)
}
