package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// mlstm is the matrix LSTM of xLSTM (arch.MLSTM).
type mlstm struct {
	arch.MLSTM
	qkvo, gates, out linear
	norm             norm // over each head, without a bias
	eps              float32
}

func (m *Model) newMLSTM(mx arch.MLSTM, p string, _ int) *mlstm {
	w := m.arch.Width
	out := &mlstm{
		MLSTM: mx, qkvo: m.linear(p+"qkvo", 2*mx.DKey()+2*mx.DValue(), w), gates: m.linear(p+"gates", 2*mx.Heads, w),
		out: m.linear(p+"out", w, mx.DValue()), norm: norm{w: m.weights[p+"norm"], eps: float32(m.opts.NormEps), centre: true}, eps: 1e-6,
	}
	if e := mx.Numerics.Eps; e > 0 {
		out.eps = float32(e)
	}
	return out
}

func (m *mlstm) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

func (m *mlstm) run(c *call, x mat) {
	r, s, dk, dv := c.r, c.s, m.DKey(), m.DValue()
	st := &s.layers[c.layer].mixers[c.mixer]
	qkvo, gates := c.mat(x.rows, 2*dk+2*dv), c.mat(x.rows, 2*m.Heads)
	c.op("mlstm.qkvo", func(t *tally) { r.linear(t, m.qkvo, x, qkvo, epilogue{}) })
	c.op("mlstm.gates", func(t *tally) { r.linear(t, m.gates, x, gates, epilogue{}) })
	h := c.keep(arch.ScanMemory, x.rows, dv)
	c.op("mlstm.cell", func(t *tally) {
		m.cell(r, t, qkvo.part(0, dk), qkvo.part(dk, dk), qkvo.part(2*dk, dv), gates, h, st.state, s.batch)
	})
	normed := c.mat(x.rows, dv)
	c.op("mlstm.norm", func(t *tally) { headNorm(r, t, h, normed, &m.norm, m.VDim) })
	c.op("mlstm.gate", func(t *tally) { r.outputGate(t, qkvo.part(2*dk+dv, dv), normed, normed) })
	c.residual("mlstm.out", m.out, normed)
}

// cell runs the recurrence of one call. The state of a head is C by value and key, n, and m.
//
//	log f = −softplus(−f̃), m′ = max(log f + m, ĩ)
//	C = exp(log f + m − m′)·C + exp(ĩ − m′)·k ⊗ v, n likewise
//	h = qᵀC/√k_dim / (max(|qᵀn|/√k_dim, exp(−m′)) + ε)
func (m *mlstm) cell(r *runner, t *tally, q, k, v, gates, h mat, state []float32, batch int) {
	nk, nv, T := m.KDim, m.VDim, q.rows/batch
	size := nk*nv + nk + 1
	scale := float32(1 / math.Sqrt(float64(nk)))
	r.split(batch*m.Heads, t, func(i int, t *tally) {
		b, hd := i/m.Heads, i%m.Heads
		st := state[i*size : (i+1)*size]
		C, n, top := st[:nk*nv], st[nk*nv:nk*nv+nk], &st[size-1]
		t.read(State, len(st))
		scaled, ik := make([]float32, nk), make([]float32, nk)
		for row := b * T; row < (b+1)*T; row++ {
			q, k := q.row(row)[hd*nk:(hd+1)*nk], k.row(row)[hd*nk:(hd+1)*nk]
			v, to := v.row(row)[hd*nv:(hd+1)*nv], h.row(row)[hd*nv:(hd+1)*nv]
			in, forget := gates.row(row)[hd], gates.row(row)[m.Heads+hd]
			t.read(Activations, len(q)+len(k)+len(v)+2)
			if m.GateCap > 0 {
				pair := []float32{in, forget}
				capScores(pair, m.GateCap)
				in, forget = pair[0], pair[1]
				t.flops(6)
			}
			old := *top - softplus32(-forget)
			*top = max(old, in)
			f, e := exp32(old-*top), exp32(in-*top)
			var qn float32
			for j := range nk {
				scaled[j], ik[j] = q[j]*scale, e*k[j]
				n[j] = f*n[j] + ik[j]
				qn += scaled[j] * n[j]
			}
			den := max(float32(math.Abs(float64(qn))), exp32(-*top)) + m.eps
			for j := range nv {
				line := C[j*nk : (j+1)*nk]
				var sum float32
				for a := range line {
					line[a] = f*line[a] + ik[a]*v[j]
					sum += scaled[a] * line[a]
				}
				to[j] = sum / den
			}
			t.flops(8 + 6*nk + nv + 5*len(C))
			t.write(Activations, len(to))
		}
		t.write(State, len(st))
	})
}
