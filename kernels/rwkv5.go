package kernels

import "github.com/OWNER/ridgeline/arch"

// rwkv5 is the time mix of RWKV-5 (arch.RWKV5).
type rwkv5 struct {
	arch.RWKV5
	shift        tokenShift
	kvrg         [4]linear
	out          linear
	decay, first []float32 // by channel of the keys; decay = exp(−exp of the weight)
	norm         norm      // over each head
}

func (m *Model) newRWKV5(mx arch.RWKV5, p string, _ int) *rwkv5 {
	w, width, n := m.weights, m.arch.Width, mx.Inner()
	all := m.linear(p+"kvrg", 4*n, width)
	out := &rwkv5{
		RWKV5: mx, shift: newTokenShift(w[p+"mix"]), out: m.linear(p+"out", width, n), first: w[p+"first"], decay: decayRates(w[p+"decay"]),
		norm: norm{w: w[p+"norm"], b: w[p+"norm_bias"], eps: float32(m.opts.NormEps), centre: true},
	}
	if e := mx.Numerics.NormEps; e > 0 {
		out.norm.eps = float32(e)
	}
	for i := range out.kvrg {
		out.kvrg[i] = all.part(i*n, (i+1)*n)
	}
	for i, v := range out.decay {
		out.decay[i] = exp32(v)
	}
	return out
}

func (m *rwkv5) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

func (m *rwkv5) run(c *call, x mat) {
	r, s, n, w := c.r, c.s, m.Inner(), x.cols
	st := &s.layers[c.layer].mixers[c.mixer]
	mixed, kvrg := c.mat(x.rows, 4*w), c.mat(x.rows, 4*n)
	c.op("rwkv5.shift", func(t *tally) { m.shift.run(r, t, x, mixed, st.conv, s.batch) })
	c.op("rwkv5.kvrg", func(t *tally) {
		for i := range m.kvrg {
			r.linear(t, m.kvrg[i], mixed.part(i*w, w), kvrg.part(i*n, n), epilogue{})
		}
	})
	y := c.keep(arch.ScanMemory, x.rows, n)
	c.op("rwkv5.scan", func(t *tally) { m.scan(r, t, kvrg, y, st.state, s.batch) })
	normed := c.mat(x.rows, n)
	c.op("rwkv5.norm", func(t *tally) { headNorm(r, t, y, normed, &m.norm, m.HeadDim) })
	c.op("rwkv5.gate", func(t *tally) {
		for i := range normed.rows {
			y, g := normed.row(i), kvrg.part(3*n, n).row(i)
			t.read(Activations, len(y)+len(g))
			siluMuls(y, g, y)
			t.flops(3 * len(y))
			t.write(Activations, len(y))
		}
	})
	c.residual("rwkv5.out", m.out, normed)
}

// scan runs the recurrence of one call. The state is [batch][heads][value][key].
func (m *rwkv5) scan(r *runner, t *tally, kvrg, y mat, state []float32, batch int) {
	n, d, T := m.HeadDim, m.Inner(), kvrg.rows/batch
	t.read(Weights, len(m.decay)+len(m.first))
	r.split(batch*m.Heads, t, func(i int, t *tally) {
		b, h := i/m.Heads, i%m.Heads
		S := state[i*n*n : (i+1)*n*n]
		w, u := m.decay[h*n:(h+1)*n], m.first[h*n:(h+1)*n]
		t.read(State, len(S))
		for row := b * T; row < (b+1)*T; row++ {
			in := kvrg.row(row)
			k, v, q := in[h*n:(h+1)*n], in[d+h*n:d+(h+1)*n], in[2*d+h*n:2*d+(h+1)*n]
			to := y.row(row)[h*n : (h+1)*n]
			t.read(Activations, len(k)+len(v)+len(q))
			for j, value := range v {
				line := S[j*n : (j+1)*n]
				var sum float32
				for e := range line {
					kv := k[e] * value
					sum += q[e] * (line[e] + u[e]*kv)
					line[e] = w[e]*line[e] + kv
				}
				to[j] = sum
			}
			t.flops(7 * len(S))
			t.write(Activations, len(to))
		}
		t.write(State, len(S))
	})
}
