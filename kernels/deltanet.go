package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// deltanet is the Gated DeltaNet mixer (Yang et al., arXiv:2412.06464).
type deltanet struct {
	arch.GatedDeltaNet
	qkvz, ba, out linear
	conv          conv
	a, dtBias     []float32 // by value head; a = −exp(a_log)
	norm          *norm     // over v_dim; nil without
}

func (m *Model) newDeltaNet(mx arch.GatedDeltaNet, p string, _ int) *deltanet {
	w, width := m.weights, m.arch.Width
	out := &deltanet{
		GatedDeltaNet: mx,
		qkvz:          m.linear(p+"qkvz", 2*mx.DKey()+2*mx.DValue(), width),
		ba:            m.linear(p+"ba", 2*mx.VHeads, width),
		out:           m.linear(p+"out", width, mx.DValue()),
		conv:          newConv(w[p+"conv"], nil, mx.ConvChannels(), mx.DConv),
		a:             decayRates(w[p+"a_log"]), dtBias: w[p+"dt_bias"],
	}
	if !mx.NoNorm {
		out.norm = m.bare(p + "norm")
		if e := mx.Numerics.NormEps; e > 0 {
			out.norm.eps = float32(e)
		}
	}
	return out
}

func (m *deltanet) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

// deltaRule is the gated delta rule of one call, by value head:
//
//	β = sigmoid(b), decay = exp(A·softplus(a + bias))
//	S = decay·S, S += k ⊗ β(v − kᵀS), o = qᵀS
//
// q and k come normalised and q scaled. The state is kept transposed,
// [batch][v_heads][v_dim][k_dim], so that each of its rows is used up once read.
type deltaRule struct {
	q, k, v, b, a, o                  mat
	state                             []float32
	decay, bias                       []float32 // A and the bias of the decay
	kHeads, vHeads, kDim, vDim, batch int
	plain                             bool // b is β and a the log decay already
	double                            bool // β is twice the sigmoid
}

func (d *deltaRule) run(r *runner, t *tally) {
	T := d.q.rows / d.batch
	t.read(Weights, len(d.decay)+len(d.bias))
	r.split(d.batch*d.kHeads, t, func(i int, t *tally) { d.group(t, i/d.kHeads, i%d.kHeads, T) })
}

// group runs the value heads that share one key head.
func (d *deltaRule) group(t *tally, b, kh, T int) {
	per, size := d.vHeads/d.kHeads, d.kDim*d.vDim
	for h := kh * per; h < (kh+1)*per; h++ {
		t.read(State, len(d.state[(b*d.vHeads+h)*size:(b*d.vHeads+h+1)*size]))
	}
	for i := b * T; i < (b+1)*T; i++ {
		q := d.q.row(i)[kh*d.kDim : (kh+1)*d.kDim]
		k := d.k.row(i)[kh*d.kDim : (kh+1)*d.kDim]
		t.read(Activations, len(q)+len(k))
		for h := kh * per; h < (kh+1)*per; h++ {
			v := d.v.row(i)[h*d.vDim : (h+1)*d.vDim]
			o := d.o.row(i)[h*d.vDim : (h+1)*d.vDim]
			beta, log := d.b.row(i)[h], d.a.row(i)[h]
			t.read(Activations, len(v)+2)
			if !d.plain {
				beta = sigmoid32(beta)
				log = d.decay[h] * softplus32(log+d.bias[h])
			}
			if d.double {
				beta *= 2
				t.flops(1)
			}
			s := d.state[(b*d.vHeads+h)*size : (b*d.vHeads+h+1)*size]
			deltaStep(s, k, q, v, o, exp32(log), beta)
			t.flops(5 + 2*len(v) + 7*len(s))
			t.write(Activations, len(o))
		}
	}
	for h := kh * per; h < (kh+1)*per; h++ {
		t.write(State, len(d.state[(b*d.vHeads+h)*size:(b*d.vHeads+h+1)*size]))
	}
}

func deltaStep(s, k, q, v, o []float32, decay, beta float32) {
	n := len(k)
	if fast && n%8 == 0 {
		deltaRows(&s[0], &k[0], &q[0], &v[0], &o[0], len(v), n, decay, beta)
		return
	}
	for j := range v {
		row := s[j*n : (j+1)*n]
		var sk float32
		for i := range row {
			row[i] *= decay
			sk += row[i] * k[i]
		}
		d := beta * (v[j] - sk)
		var sum float32
		for i := range row {
			row[i] += d * k[i]
			sum += row[i] * q[i]
		}
		o[j] = sum
	}
}

// l2norm scales each head of q and k to length 1, q further by 1/√k_dim.
func l2norm(r *runner, t *tally, q, k mat, heads int) {
	const eps = 1e-6 // as in fla-org/flash-linear-attention
	dim := q.cols / heads
	scale := float32(1 / math.Sqrt(float64(dim)))
	count, rows := pieces(q.rows, 6*q.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(q.rows, (p+1)*rows); i++ {
			for j := range heads {
				for e, row := range [2][]float32{q.row(i), k.row(i)} {
					h := row[j*dim : (j+1)*dim]
					t.read(Activations, len(h))
					s := float32(1 / math.Sqrt(float64(dot(h, h)+eps)))
					if e == 0 {
						s *= scale
					}
					for c := range h {
						h[c] *= s
					}
					t.flops(3 * len(h))
					t.write(Activations, len(h))
				}
			}
		}
	})
}

func (m *deltanet) run(c *call, x mat) {
	r, s := c.r, c.s
	st := &s.layers[c.layer].mixers[c.mixer]
	dk, dv := m.DKey(), m.DValue()
	qkvz := c.mat(x.rows, 2*dk+2*dv)
	c.op("gdn.qkvz", func(t *tally) { r.linear(t, m.qkvz, x, qkvz, epilogue{}) })
	ba := c.mat(x.rows, 2*m.VHeads)
	c.op("gdn.ba", func(t *tally) { r.linear(t, m.ba, x, ba, epilogue{}) })
	qkv := c.mat(x.rows, 2*dk+dv)
	c.op("gdn.conv", func(t *tally) { m.conv.run(r, t, qkvz.part(0, 2*dk+dv), qkv, st.conv, s.batch) })
	q, k := qkv.part(0, dk), qkv.part(dk, dk)
	c.op("gdn.l2norm", func(t *tally) { l2norm(r, t, q, k, m.KHeads) })
	o := c.keep(arch.ScanMemory, x.rows, dv)
	c.op("gdn.delta", func(t *tally) {
		d := deltaRule{
			q: q, k: k, v: qkv.part(2*dk, dv), b: ba.part(0, m.VHeads), a: ba.part(m.VHeads, m.VHeads), o: o,
			state: st.state, decay: m.a, bias: m.dtBias,
			kHeads: m.KHeads, vHeads: m.VHeads, kDim: m.KDim, vDim: m.VDim, batch: s.batch, double: m.DoubleBeta,
		}
		d.run(r, t)
	})
	gated := c.mat(x.rows, dv)
	c.op("gdn.gate", func(t *tally) {
		gatedNorm(r, t, o, qkvz.part(2*dk+dv, dv), gated, m.norm, m.VDim, true, siluGate)
	})
	c.residual("gdn.out", m.out, gated)
}
