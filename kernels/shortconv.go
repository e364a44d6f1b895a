package kernels

import "github.com/OWNER/ridgeline/arch"

// shortConv is the gated short convolution of LFM2: y = C ⊙ conv(B ⊙ x).
type shortConv struct {
	arch.ShortConv
	in, out linear
	conv    conv
}

func (m *Model) newShortConv(mx arch.ShortConv, p string, _ int) *shortConv {
	w, width := m.weights, m.arch.Width
	out := &shortConv{
		ShortConv: mx,
		in:        m.linear(p+"in", 3*mx.Channels, width),
		out:       m.linear(p+"out", width, mx.Channels),
		conv:      newConv(w[p+"conv"], w[p+"conv_bias"], mx.Channels, mx.DConv),
	}
	out.conv.plain = true
	return out
}

func (m *shortConv) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

func (m *shortConv) run(c *call, x mat) {
	r, s, n := c.r, c.s, m.Channels
	st := &s.layers[c.layer].mixers[c.mixer]
	in := c.mat(x.rows, 3*n)
	c.op("sconv.in", func(t *tally) { r.linear(t, m.in, x, in, epilogue{}) })
	gated := c.mat(x.rows, n)
	c.op("sconv.gate", func(t *tally) { multiply(t, in.part(0, n), in.part(2*n, n), gated) })
	y := c.mat(x.rows, n)
	c.op("sconv.conv", func(t *tally) { m.conv.run(r, t, gated, y, st.conv, s.batch) })
	c.op("sconv.out_gate", func(t *tally) { multiply(t, in.part(n, n), y, gated) })
	c.residual("sconv.out", m.out, gated)
}

// multiply sets dst = a ⊙ b.
func multiply(t *tally, a, b, dst mat) {
	for i := range a.rows {
		x, y, to := a.row(i), b.row(i), dst.row(i)
		t.read(Activations, len(x)+len(y))
		for j, v := range x {
			to[j] = v * y[j]
		}
		t.flops(len(to))
		t.write(Activations, len(to))
	}
}
