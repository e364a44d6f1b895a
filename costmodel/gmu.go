package costmodel

import "github.com/OWNER/ridgeline/arch"

// gmu prices a Gated Memory Unit, Y = (M ⊙ SiLU(X·W1ᵀ))·W2 (paper §2): two products, and d_mem
// elements a row of a memory that another layer makes in the same step. Nothing in it grows with
// the context.
func (b *builder) gmu(g arch.GMU) {
	w, r := b.m.Width, b.r()
	if g.Variant == arch.SigmoidGMU {
		b.sigmoidGMU(w, r)
		return
	}
	dm := b.split("d_mem", g.DMem)
	d := float64(dm)
	b.linear("gmu.in", "in", w, dm, r, linearOpts{})
	weights, flops := 0.0, 3*d
	if g.Normed {
		weights, flops = d, 7*d
	}
	b.elementwise("gmu.gate", Gate, weights, 2*d, d, flops, r, "norm")
	b.outLinear("gmu.out", "out", dm, false)
}

// sigmoidGMU is the skill card's unit: c=W_c x; m=W_m mix; g=σ(W_g[c;m]);
// out=W_o·SiLU(g⊙c+(1−g)⊙m). The gate needs all of c and m, so ranks gather them.
func (b *builder) sigmoidGMU(w, r int) {
	part := b.split("width", w)
	bias := linearOpts{bias: true}
	b.linear("sgmu.current", "current", w, part, r, bias)
	b.linear("sgmu.mixed", "mixed", w, part, r, bias)
	b.allGather("sgmu.allgather", 2*w, r)
	b.linear("sgmu.gate", "gate", 2*w, part, r, bias)
	p := float64(part)
	b.elementwise("sgmu.blend", Gate, 0, 3*p, p, 7*p, r)
	b.outLinear("sgmu.out", "out", part, true)
}
