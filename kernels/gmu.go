package kernels

import "github.com/OWNER/ridgeline/arch"

// gmu is a Gated Memory Unit: Y = (M ⊙ SiLU(X·W1ᵀ))·W2ᵀ, normed over d_mem after the
// product where it is an nGMU (paper §2).
type gmu struct {
	arch.GMU
	in, out linear
	norm    *norm
}

func (m *Model) newGMU(mx arch.GMU, p string, _ int) mixer {
	width := m.arch.Width
	if mx.Variant == arch.SigmoidGMU {
		return &sigmoidGMU{
			GMU:     mx,
			current: m.linear(p+"current", width, width), mixed: m.linear(p+"mixed", width, width),
			gate: m.linear(p+"gate", width, 2*width), out: m.linear(p+"out", width, width),
		}
	}
	out := &gmu{GMU: mx, in: m.linear(p+"in", mx.DMem, width), out: m.linear(p+"out", width, mx.DMem)}
	if mx.Normed {
		out.norm = m.bare(p + "norm")
	}
	return out
}

// newState returns no state: the memory belongs to the current call.
func (m *gmu) newState(*Session) mixerState { return mixerState{} }

func (m *sigmoidGMU) newState(*Session) mixerState { return mixerState{} }

// gmuGate sets dst = memory·silu(pre), normalised where there is a norm.
func gmuGate(r *runner, t *tally, pre, memory, dst mat, n *norm) {
	gatedNorm(r, t, memory, pre, dst, n, dst.cols, false, siluGate)
}

func (m *gmu) run(c *call, x mat) {
	r := c.r
	memory := c.memory(m.Memory, m.From, x.rows)
	pre := c.mat(x.rows, m.DMem)
	c.op("gmu.in", func(t *tally) { r.linear(t, m.in, x, pre, epilogue{}) })
	y := c.mat(x.rows, m.DMem)
	c.op("gmu.gate", func(t *tally) { gmuGate(r, t, pre, memory, y, m.norm) })
	c.residual("gmu.out", m.out, y)
}

// sigmoidGMU is the skill card's unit, on another mixer's output:
//
//	c = W_c x, m = W_m mix, g = σ(W_g[c;m]), out = W_o·SiLU(g⊙c + (1−g)⊙m)
type sigmoidGMU struct {
	arch.GMU
	current, mixed, gate, out linear
}

// blend sets dst = silu(g⊙c + (1−g)⊙m) with g = σ(pre) and the halves c, m of cm.
func blend(r *runner, t *tally, pre, cm, dst mat) {
	count, rows := pieces(pre.rows, 16*pre.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(pre.rows, (p+1)*rows); i++ {
			g, y := pre.row(i), dst.row(i)
			cur, mix := cm.row(i)[:len(g)], cm.row(i)[len(g):]
			t.read(Activations, len(g)+len(cur)+len(mix))
			for j, v := range g {
				s := sigmoid32(v)
				y[j] = s*cur[j] + (1-s)*mix[j]
			}
			t.flops(5 * len(y))
			silus(y, y)
			t.flops(2 * len(y))
			t.write(Activations, len(y))
		}
	})
}

func (m *sigmoidGMU) run(c *call, x mat) {
	r, w := c.r, x.cols
	mix := c.memory(m.Memory, m.From, x.rows)
	cm := c.mat(x.rows, 2*w)
	c.op("sgmu.current", func(t *tally) { r.linear(t, m.current, x, cm.part(0, w), epilogue{}) })
	c.op("sgmu.mixed", func(t *tally) { r.linear(t, m.mixed, mix, cm.part(w, w), epilogue{}) })
	pre := c.mat(x.rows, w)
	c.op("sgmu.gate", func(t *tally) { r.linear(t, m.gate, cm, pre, epilogue{}) })
	y := c.mat(x.rows, w)
	c.op("sgmu.blend", func(t *tally) { blend(r, t, pre, cm, y) })
	c.residual("sgmu.out", m.out, y)
}
