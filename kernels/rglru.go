package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// rglru is Griffin's recurrent block (arch.RGLRU).
type rglru struct {
	arch.RGLRU
	in, out   linear
	conv      conv
	gates     []float32 // W_i of each head, then W_r: [2·heads·head_dim][head_dim]
	gatesBias []float32
	rate      []float32 // −8·softplus(decay), by channel
}

func (m *Model) newRGLRU(mx arch.RGLRU, p string, _ int) *rglru {
	w, width, d := m.weights, m.arch.Width, mx.Inner()
	out := &rglru{
		RGLRU: mx, in: m.linear(p+"in", 2*d, width), out: m.linear(p+"out", width, d),
		conv:  newConv(w[p+"conv"], w[p+"conv_bias"], d, mx.DConv),
		gates: w[p+"gates"], gatesBias: w[p+"gates_bias"], rate: make([]float32, d),
	}
	out.conv.plain = true
	for i, v := range w[p+"decay"] {
		out.rate[i] = -8 * float32(math.Log1p(math.Exp(float64(v))))
	}
	return out
}

func (m *rglru) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

func (m *rglru) run(c *call, x mat) {
	r, s, d := c.r, c.s, m.Inner()
	st := &s.layers[c.layer].mixers[c.mixer]
	in := c.mat(x.rows, 2*d)
	c.op("rglru.in", func(t *tally) { r.linear(t, m.in, x, in, epilogue{}) })
	branch := in.part(0, d)
	c.op("rglru.act", func(t *tally) { activate(r, t, branch, branch, m.Act, false) })
	u := c.mat(x.rows, d)
	c.op("rglru.conv", func(t *tally) { m.conv.run(r, t, in.part(d, d), u, st.conv, s.batch) })
	gates := c.mat(x.rows, 2*d)
	c.op("rglru.gates", func(t *tally) { m.gate(r, t, u, gates) })
	h := c.keep(arch.ScanMemory, x.rows, d)
	c.op("rglru.scan", func(t *tally) { m.scan(r, t, u, gates, h, st.state, s.batch, c.n0 == 0) })
	y := c.mat(x.rows, d)
	c.op("rglru.gate", func(t *tally) { multiply(t, branch, h, y) })
	c.residual("rglru.out", m.out, y)
}

// gate maps the channels of each head by the two maps of that head.
func (m *rglru) gate(r *runner, t *tally, x, dst mat) {
	n, d := m.HeadDim, m.Inner()
	t.read(Weights, len(m.gates)+len(m.gatesBias))
	r.split(x.rows, t, func(i int, t *tally) {
		in, out := x.row(i), dst.row(i)
		t.read(Activations, len(in))
		for o := range out {
			h := o % d / n
			out[o] = dot(m.gates[o*n:(o+1)*n], in[h*n:(h+1)*n]) + m.gatesBias[o]
		}
		t.flops(2*len(out)*n + len(out))
		t.write(Activations, len(out))
	})
}

// scan runs the recurrence of one call; first says that it begins at the first position.
func (m *rglru) scan(r *runner, t *tally, x, gates, y mat, state []float32, batch int, first bool) {
	d, T := m.Inner(), x.rows/batch
	t.read(Weights, len(m.rate))
	r.split(batch, t, func(b int, t *tally) {
		h := state[b*d : (b+1)*d]
		t.read(State, len(h))
		for row := b * T; row < (b+1)*T; row++ {
			in, g, to := x.row(row), gates.row(row), y.row(row)
			t.read(Activations, len(in)+len(g))
			for j, v := range in {
				a := exp32(m.rate[j] * sigmoid32(g[d+j]))
				root := float32(math.Sqrt(float64(1 - a*a)))
				if first && row == b*T {
					a, root = 0, 1
				}
				h[j] = a*h[j] + root*(sigmoid32(g[j])*v)
				to[j] = h[j]
			}
			t.flops(11 * len(in))
			t.write(Activations, len(to))
		}
		t.write(State, len(h))
	})
}
