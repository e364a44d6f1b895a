package kernels

import "github.com/OWNER/ridgeline/arch"

// kda is the gated delta rule with a decay for each channel of the keys (arch.KDA).
type kda struct {
	arch.KDA
	qkv, decayDown, decayUp, beta, gateDown, gateUp, out linear
	conv                                                 conv
	a, dtBias                                            []float32 // a = −exp(a_log), by head
	norm                                                 *norm     // over a head
}

func (m *Model) newKDA(mx arch.KDA, p string, _ int) *kda {
	w, width, d := m.weights, m.arch.Width, mx.Inner()
	return &kda{
		KDA:       mx,
		qkv:       m.linear(p+"qkv", 3*d, width),
		decayDown: m.linear(p+"decay_down", mx.HeadDim, width), decayUp: m.linear(p+"decay_up", d, mx.HeadDim),
		gateDown: m.linear(p+"gate_down", mx.HeadDim, width), gateUp: m.linear(p+"gate_up", d, mx.HeadDim),
		beta: m.linear(p+"beta", mx.Heads, width), out: m.linear(p+"out", width, d),
		conv: newConv(w[p+"conv"], nil, 3*d, mx.DConv),
		a:    decayRates(w[p+"a_log"]), dtBias: w[p+"dt_bias"], norm: m.bare(p + "norm"),
	}
}

func (m *kda) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

func (m *kda) run(c *call, x mat) {
	r, s, d := c.r, c.s, m.Inner()
	st := &s.layers[c.layer].mixers[c.mixer]
	made := func(name string, l linear, in mat) mat {
		y := c.mat(in.rows, l.out)
		c.op(name, func(t *tally) { r.linear(t, l, in, y, epilogue{}) })
		return y
	}
	raw := made("kda.qkv", m.qkv, x)
	qkv := c.mat(x.rows, 3*d)
	c.op("kda.conv", func(t *tally) { m.conv.run(r, t, raw, qkv, st.conv, s.batch) })
	decay := made("kda.decay_up", m.decayUp, made("kda.decay_down", m.decayDown, x))
	beta := made("kda.beta", m.beta, x)
	q, k := qkv.part(0, d), qkv.part(d, d)
	c.op("kda.l2norm", func(t *tally) { l2norm(r, t, q, k, m.Heads) })
	o := c.keep(arch.ScanMemory, x.rows, d)
	c.op("kda.delta", func(t *tally) { m.scan(r, t, q, k, qkv.part(2*d, d), decay, beta, o, st.state, s.batch) })
	gate := made("kda.gate_up", m.gateUp, made("kda.gate_down", m.gateDown, x))
	gated := c.mat(x.rows, d)
	c.op("kda.gate", func(t *tally) { gatedNorm(r, t, o, gate, gated, m.norm, m.HeadDim, true, sigmoidGate) })
	c.residual("kda.out", m.out, gated)
}

// scan runs the recurrence of one call, by head and channel i of the keys:
//
//	β = sigmoid(b), decay_i = exp(A·softplus(g_i + bias_i))
//	S_i = decay_i·S_i, S += k ⊗ β(v − kᵀS), o = qᵀS
//
// q and k come normalised and q scaled. The state is [batch][heads][value][key].
func (m *kda) scan(r *runner, t *tally, q, k, v, g, beta, o mat, state []float32, batch int) {
	n, T := m.HeadDim, q.rows/batch
	t.read(Weights, len(m.a)+len(m.dtBias))
	r.split(batch*m.Heads, t, func(i int, t *tally) {
		b, h := i/m.Heads, i%m.Heads
		S := state[i*n*n : (i+1)*n*n]
		t.read(State, len(S))
		decay := make([]float32, n)
		of := func(x mat, row int) []float32 { return x.row(row)[h*n : (h+1)*n] }
		for row := b * T; row < (b+1)*T; row++ {
			q, k, v, g, to := of(q, row), of(k, row), of(v, row), of(g, row), of(o, row)
			t.read(Activations, len(q)+len(k)+len(v)+len(g)+1)
			for e := range decay {
				decay[e] = exp32(m.a[h] * softplus32(g[e]+m.dtBias[h*n+e]))
			}
			rate := sigmoid32(beta.row(row)[h])
			t.flops(1 + 4*n)
			for j := range v {
				line := S[j*n : (j+1)*n]
				var sk, sum float32
				for e := range line {
					line[e] *= decay[e]
					sk += line[e] * k[e]
				}
				change := rate * (v[j] - sk)
				for e := range line {
					line[e] += change * k[e]
					sum += line[e] * q[e]
				}
				to[j] = sum
			}
			t.flops(2*len(v) + 7*len(S))
			t.write(Activations, len(to))
		}
		t.write(State, len(S))
	})
}
