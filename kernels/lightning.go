package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// lightning is linear attention with a fixed decay per head (arch.Lightning).
type lightning struct {
	arch.Lightning
	qkv, gate, out linear
	norm           *norm
	decay          []float32 // by head
}

func (m *Model) newLightning(mx arch.Lightning, p string, layer int) *lightning {
	d, w := mx.Inner(), m.arch.Width
	out := &lightning{
		Lightning: mx, qkv: m.linear(p+"qkv", 3*d, w), gate: m.linear(p+"gate_in", d, w), out: m.linear(p+"out", w, d),
		norm: m.bare(p + "norm"), decay: lightningDecay(mx.Heads, layer, len(m.arch.Layers)),
	}
	if mx.Numerics.NormEps > 0 {
		out.norm.eps = float32(mx.Numerics.NormEps)
	}
	return out
}

// lightningDecay is λ = exp(−s) by head h = 1…H, with slopes as in ALiBi that become smaller
// from layer to layer:
//
//	s = 2^(−8h/H) · (1 − layer/(layers−1))
func lightningDecay(heads, layer, layers int) []float32 {
	const small = 1e-5 // as MiniMax' modelling code keeps divisor and factor off 0
	f := 1 - float64(layer)/(float64(layers-1)+small) + small
	d := make([]float32, heads)
	for h := range d {
		d[h] = float32(math.Exp(-math.Exp2(-8*float64(h+1)/float64(heads)) * f))
	}
	return d
}

func (m *lightning) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

func (m *lightning) run(c *call, x mat) {
	r, s, d := c.r, c.s, m.Inner()
	st := &s.layers[c.layer].mixers[c.mixer]
	qkv := c.mat(x.rows, 3*d)
	c.op("lightning.qkv", func(t *tally) { r.linear(t, m.qkv, x, qkv, epilogue{}) })
	c.op("lightning.act", func(t *tally) { activate(r, t, qkv, qkv, arch.SiLU, false) })
	o := c.keep(arch.ScanMemory, x.rows, d)
	c.op("lightning.scan", func(t *tally) { m.scan(r, t, qkv, o, st.state, s.batch) })
	normed := c.mat(x.rows, d)
	c.op("lightning.norm", func(t *tally) { m.norm.rows(r, t, o, normed) })
	gate := c.mat(x.rows, d)
	c.op("lightning.gate_in", func(t *tally) { r.linear(t, m.gate, x, gate, epilogue{}) })
	c.op("lightning.gate", func(t *tally) { r.outputGate(t, gate, normed, normed) })
	c.residual("lightning.out", m.out, normed)
}

// scan runs the recurrence; the state is [batch][heads][value][key].
func (m *lightning) scan(r *runner, t *tally, qkv, o mat, state []float32, batch int) {
	n, d, T := m.HeadDim, m.Inner(), qkv.rows/batch
	r.split(batch*m.Heads, t, func(i int, t *tally) {
		b, h := i/m.Heads, i%m.Heads
		S := state[i*n*n : (i+1)*n*n]
		t.read(State, len(S))
		for row := b * T; row < (b+1)*T; row++ {
			in := qkv.row(row)
			q, k, v := in[h*n:(h+1)*n], in[d+h*n:d+(h+1)*n], in[2*d+h*n:2*d+(h+1)*n]
			to := o.row(row)[h*n : (h+1)*n]
			t.read(Activations, len(q)+len(k)+len(v))
			for j, value := range v {
				line := S[j*n : (j+1)*n]
				var sum float32
				for e := range line {
					line[e] = m.decay[h]*line[e] + value*k[e]
					sum += line[e] * q[e]
				}
				to[j] = sum
			}
			t.flops(5 * len(S))
			t.write(Activations, len(to))
		}
		t.write(State, len(S))
	})
}
