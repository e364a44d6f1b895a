package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// tokenShift mixes each input with the one before it, as often as it has weights:
// y_i = μ_i⊙x + (1−μ_i)⊙x′. Its state is the last input, [batch][width].
type tokenShift struct{ mix, rest []float32 } // rest is 1 − mix

func newTokenShift(mix []float32) tokenShift {
	s := tokenShift{mix: mix, rest: make([]float32, len(mix))}
	for i, v := range mix {
		s.rest[i] = 1 - v
	}
	return s
}

// run mixes the rows of x; the mixes stand side by side in dst.
func (s *tokenShift) run(r *runner, t *tally, x, dst mat, state []float32, batch int) {
	w, T := x.cols, x.rows/batch
	t.read(Weights, len(s.mix))
	r.split(batch, t, func(b int, t *tally) {
		last := state[b*w : (b+1)*w]
		t.read(State, len(last))
		before := append([]float32(nil), last...)
		for row := b * T; row < (b+1)*T; row++ {
			in, to := x.row(row), dst.row(row)
			t.read(Activations, len(in))
			for i := range to {
				to[i] = s.mix[i]*in[i%w] + s.rest[i]*before[i%w]
			}
			t.flops(3 * len(to))
			t.write(Activations, len(to))
			before = in
		}
		t.write(State, copy(last, before))
	})
}

// rwkv4 is the time mix of RWKV-4 (arch.RWKV4).
type rwkv4 struct {
	arch.RWKV4
	shift        tokenShift
	kvr          [3]linear
	out          linear
	decay, first []float32 // by channel; decay = −exp of the weight
}

func (m *Model) newRWKV4(mx arch.RWKV4, p string, _ int) *rwkv4 {
	w, width, n := m.weights, m.arch.Width, mx.Inner
	all := m.linear(p+"kvr", 3*n, width)
	return &rwkv4{
		RWKV4: mx, shift: newTokenShift(w[p+"mix"]), kvr: [3]linear{all.part(0, n), all.part(n, 2*n), all.part(2*n, 3*n)},
		out: m.linear(p+"out", width, n), decay: decayRates(w[p+"decay"]), first: w[p+"first"],
	}
}

// newState begins with exponents below any other, so that nothing has a weight yet.
func (m *rwkv4) newState(s *Session) mixerState {
	st := s.recurrentState(m.Stores())
	for b := range s.batch {
		for i := range m.Inner {
			st.state[(3*b+2)*m.Inner+i] = -1e30
		}
	}
	return st
}

func (m *rwkv4) run(c *call, x mat) {
	r, s, n, w := c.r, c.s, m.Inner, x.cols
	st := &s.layers[c.layer].mixers[c.mixer]
	mixed, kvr, y := c.mat(x.rows, 3*w), c.mat(x.rows, 3*n), c.mat(x.rows, n)
	c.op("rwkv.shift", func(t *tally) { m.shift.run(r, t, x, mixed, st.conv, s.batch) })
	c.op("rwkv.kvr", func(t *tally) {
		for i := range 3 {
			r.linear(t, m.kvr[i], mixed.part(i*w, w), kvr.part(i*n, n), epilogue{})
		}
	})
	c.op("rwkv.wkv", func(t *tally) { m.scan(r, t, kvr, y, st.state, s.batch) })
	c.residual("rwkv.out", m.out, y)
}

// scan runs the weighted mean of one call. The state is numerator, denominator and largest
// exponent, [batch][3][channels]: sums are kept over exp(exponent), which cancels.
func (m *rwkv4) scan(r *runner, t *tally, kvr, y mat, state []float32, batch int) {
	n, T := m.Inner, kvr.rows/batch
	t.read(Weights, len(m.decay)+len(m.first))
	r.split(batch, t, func(b int, t *tally) {
		st := state[3*b*n : 3*(b+1)*n]
		num, den, top := st[:n], st[n:2*n], st[2*n:]
		t.read(State, len(st))
		for row := b * T; row < (b+1)*T; row++ {
			in, to := kvr.row(row), y.row(row)
			k, v, gate := in[:n], in[n:2*n], in[2*n:]
			t.read(Activations, len(in))
			for i := range to {
				now := k[i] + m.first[i]
				m0 := max(top[i], now)
				e1, e2 := expNegative(top[i]-m0), expNegative(now-m0)
				to[i] = sigmoid32(gate[i]) * (e1*num[i] + e2*v[i]) / (e1*den[i] + e2)
				old := top[i] + m.decay[i]
				m1 := max(old, k[i])
				e1, e2 = expNegative(old-m1), expNegative(k[i]-m1)
				num[i], den[i], top[i] = e1*num[i]+e2*v[i], e1*den[i]+e2, m1
			}
			t.flops(23 * len(to))
			t.write(Activations, len(to))
		}
		t.write(State, len(st))
	})
}

// expNegative is exp of a number that may be far below the range of exp32.
func expNegative(x float32) float32 { return float32(math.Exp(float64(x))) }

// rwkvChannelMix is the channel mix of RWKV-4 (arch.RWKVChannelMix).
type rwkvChannelMix struct {
	arch.RWKVChannelMix
	shift                  tokenShift
	key, receptance, value linear
}

func (m *Model) newRWKVChannelMix(mx arch.RWKVChannelMix, p string, _ int) *rwkvChannelMix {
	w := m.arch.Width
	return &rwkvChannelMix{
		RWKVChannelMix: mx, shift: newTokenShift(m.weights[p+"mix"]),
		key: m.linear(p+"key", mx.Inner, w), receptance: m.linear(p+"receptance", w, w), value: m.linear(p+"value", w, mx.Inner),
	}
}

func (m *rwkvChannelMix) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

func (m *rwkvChannelMix) run(c *call, x mat) {
	r, s, w := c.r, c.s, x.cols
	st := &s.layers[c.layer].mixers[c.mixer]
	mixed, inner, value, gate := c.mat(x.rows, 2*w), c.mat(x.rows, m.Inner), c.mat(x.rows, w), c.mat(x.rows, w)
	c.op("cmix.shift", func(t *tally) { m.shift.run(r, t, x, mixed, st.conv, s.batch) })
	c.op("cmix.key", func(t *tally) { r.linear(t, m.key, mixed.part(0, w), inner, epilogue{}) })
	c.op("cmix.act", func(t *tally) { activate(r, t, inner, inner, arch.ReLU2, false) })
	c.op("cmix.value", func(t *tally) { r.linear(t, m.value, inner, value, epilogue{}) })
	c.op("cmix.receptance", func(t *tally) { r.linear(t, m.receptance, mixed.part(w, w), gate, epilogue{}) })
	to, add := c.sink()
	keep, _ := c.source(arch.OutputMemory)
	var kept mat
	if keep != nil {
		kept = keep.sized(x.rows, w)
	}
	c.op("cmix.gate", func(t *tally) {
		for i := range value.rows {
			v, g, y := value.row(i), gate.row(i), to.row(i)
			t.read(Activations, len(v)+len(g))
			for j := range v {
				v[j] *= sigmoid32(g[j])
			}
			t.flops(2 * len(v))
			if keep != nil {
				k := kept.row(i)
				for j := range v {
					if c.mixer > 0 {
						k[j] += v[j]
					} else {
						k[j] = v[j]
					}
				}
				t.write(Activations, len(k))
			}
			if add {
				t.read(Activations, len(y))
				for j := range v {
					y[j] += v[j]
				}
				t.flops(len(v))
			} else {
				copy(y, v)
			}
			t.write(Activations, len(y))
		}
	})
}
