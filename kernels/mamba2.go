package kernels

import "github.com/OWNER/ridgeline/arch"

// mamba2 is the state-space duality mixer (Dao & Gu, arXiv:2405.21060).
type mamba2 struct {
	arch.Mamba2
	in, out      linear
	conv         conv
	a, d, dtBias []float32 // by head; a = −exp(a_log)
	norm         *norm     // nil without
}

func (m *Model) newMamba2(mx arch.Mamba2, p string, _ int) *mamba2 {
	w, width := m.weights, m.arch.Width
	out := &mamba2{
		Mamba2: mx,
		in:     m.linear(p+"in", mx.DInner()+mx.ConvChannels()+mx.Heads, width),
		out:    m.linear(p+"out", width, mx.DInner()),
		conv:   newConv(w[p+"conv"], w[p+"conv_bias"], mx.ConvChannels(), mx.DConv),
		a:      decayRates(w[p+"a_log"]), d: w[p+"d"], dtBias: w[p+"dt_bias"],
	}
	if !mx.NoNorm {
		out.norm = m.bare(p + "norm")
		if e := mx.Numerics.NormEps; e > 0 {
			out.norm.eps = float32(e)
		}
	}
	return out
}

func (m *mamba2) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

// ssd is the recurrence of one call:
//
//	Δ = softplus(dt + bias), h = exp(Δ·A)·h + Δ·x ⊗ B, y = h·C + D·x
//
// for every head, with B and C of the head's group.
type ssd struct {
	x, dt, b, c, y                        mat
	state                                 []float32 // [batch][heads][head_dim][states]
	a, d, bias                            []float32 // d may be nil
	heads, headDim, states, groups, batch int
	plainDelta                            bool // dt is Δ already; no bias
}

func (s *ssd) run(r *runner, t *tally) {
	T := s.x.rows / s.batch
	t.read(Weights, len(s.a)+len(s.d)+len(s.bias))
	for i := range s.b.rows {
		t.read(Activations, len(s.b.row(i))+len(s.c.row(i)))
	}
	r.split(s.batch*s.heads, t, func(i int, t *tally) { s.head(t, i/s.heads, i%s.heads, T) })
}

func (s *ssd) head(t *tally, b, hd, T int) {
	dtx := make([]float32, s.headDim)
	size := s.headDim * s.states
	h := s.state[(b*s.heads+hd)*size : (b*s.heads+hd+1)*size]
	g := hd / (s.heads / s.groups)
	t.read(State, len(h))
	for i := b * T; i < (b+1)*T; i++ {
		x := s.x.row(i)[hd*s.headDim : (hd+1)*s.headDim]
		y := s.y.row(i)[hd*s.headDim : (hd+1)*s.headDim]
		dt := s.dt.row(i)[hd]
		t.read(Activations, len(x)+1)
		if !s.plainDelta {
			dt = softplus32(dt + s.bias[hd])
		}
		decay := exp32(dt * s.a[hd])
		t.flops(4)
		for j, v := range x {
			dtx[j] = dt * v
		}
		t.flops(len(x))
		ssdStep(h, s.b.row(i)[g*s.states:(g+1)*s.states], s.c.row(i)[g*s.states:(g+1)*s.states], dtx, y, decay)
		t.flops(5 * len(h))
		if s.d != nil {
			for j, v := range x {
				y[j] += s.d[hd] * v
			}
			t.flops(2 * len(x))
		}
		t.write(Activations, len(y))
	}
	t.write(State, len(h))
}

// ssdStep is one position of one head: h = decay·h + x ⊗ b, y = h·c.
func ssdStep(h, b, c, x, y []float32, decay float32) {
	n := len(b)
	if fast && n%8 == 0 {
		ssdRows(&h[0], &b[0], &c[0], &x[0], &y[0], len(y), n, decay)
		return
	}
	for p := range y {
		row := h[p*n : (p+1)*n]
		var sum float32
		for i := range row {
			row[i] = decay*row[i] + x[p]*b[i]
			sum += row[i] * c[i]
		}
		y[p] = sum
	}
}

// gating is the function of a gate, times what it gates, and its FLOPs an element.
type gating struct {
	times func(dst, gate, x []float32)
	flops int
}

var siluGate, sigmoidGate = gating{siluMuls, 3}, gating{sigmoidMuls, 2}

// gatedNorm gates the rows of y with z and normalises groups of columns with w where
// there is a norm. Mamba-2 gates first; the delta rules normalise first:
//
//	gate first   out = norm(y·gate(z))
//	norm first   out = norm(y)·gate(z)
func gatedNorm(r *runner, t *tally, y, z, out mat, n *norm, group int, normFirst bool, g gating) {
	if n != nil {
		t.read(Weights, len(n.w))
	}
	count, rows := pieces(y.rows, 16*y.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(y.rows, (p+1)*rows); i++ {
			gatedNormRow(t, y.row(i), z.row(i), out.row(i), n, group, normFirst, g)
		}
	})
}

func gatedNormRow(t *tally, y, z, out []float32, n *norm, group int, normFirst bool, gate gating) {
	t.read(Activations, len(y)+len(z))
	in := y
	if !normFirst {
		gate.times(out, z, y)
		t.flops(gate.flops * len(y))
		in = out
	}
	if n != nil {
		for g := 0; g < len(in); g += group {
			part, to := in[g:g+group], out[g:g+group]
			_, sq := moments(part, 0)
			s := rsqrtMean(sq, group, n.eps)
			w := n.w
			if len(w) > group {
				w = w[g:]
			}
			for j, v := range part {
				to[j] = v * s * w[j]
			}
			t.flops(4 * group)
		}
		in = out
	}
	if normFirst {
		gate.times(out, z, in)
		t.flops(gate.flops * len(y))
	}
	t.write(Activations, len(out))
}

func (m *mamba2) run(c *call, x mat) {
	r, s := c.r, c.s
	st := &s.layers[c.layer].mixers[c.mixer]
	inner, wide := m.DInner(), m.ConvChannels()
	proj := c.mat(x.rows, m.in.out)
	c.op("mamba2.in", func(t *tally) { r.linear(t, m.in, x, proj, epilogue{}) })
	xbc := c.mat(x.rows, wide)
	c.op("mamba2.conv", func(t *tally) { m.conv.run(r, t, proj.part(inner, wide), xbc, st.conv, s.batch) })
	y := c.keep(arch.ScanMemory, x.rows, inner)
	gn := m.Groups * m.DState
	c.op("mamba2.ssd", func(t *tally) {
		scan := ssd{
			x: xbc.part(0, inner), dt: proj.part(inner+wide, m.Heads), b: xbc.part(inner, gn), c: xbc.part(inner+gn, gn), y: y,
			state: st.state, a: m.a, d: m.d, bias: m.dtBias,
			heads: m.Heads, headDim: m.HeadDim, states: m.DState, groups: m.Groups, batch: s.batch,
		}
		scan.run(r, t)
	})
	gated := c.mat(x.rows, inner)
	c.op("mamba2.gate", func(t *tally) {
		gatedNorm(r, t, y, proj.part(0, inner), gated, m.norm, inner/max(m.Numerics.NormGroups, 1), m.Numerics.NormFirst, siluGate)
	})
	c.residual("mamba2.out", m.out, gated)
}
