package kernels

import (
	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/internal/ceil"
)

// mamba1 is the selective state-space mixer (Gu & Dao, arXiv:2312.00752).
type mamba1 struct {
	arch.Mamba1
	in, x, dt, out linear
	conv           conv
	a, d, dtBias   []float32 // a = −exp(a_log)
	norms          []norm    // on dt, B and C; nil without inner norms
	eps            float32   // of norms without weights
}

func (m *Model) newMamba1(mx arch.Mamba1, p string, _ int) *mamba1 {
	w, width := m.weights, m.arch.Width
	out := &mamba1{
		Mamba1: mx,
		in:     m.linear(p+"in", 2*mx.DInner, width),
		x:      m.linear(p+"x", mx.Parts()*(mx.DtRank+2*mx.DState), mx.DInner/mx.Parts()),
		dt:     linear{w: w[p+"dt"], out: mx.DInner, in: mx.DtRank},
		out:    m.linear(p+"out", width, mx.DInner),
		conv:   newConv(w[p+"conv"], w[p+"conv_bias"], mx.DInner, mx.DConv),
		a:      decayRates(w[p+"a_log"]), d: w[p+"d"], dtBias: w[p+"dt_bias"],
	}
	out.eps = float32(m.opts.NormEps)
	if mx.Numerics.InnerEps > 0 {
		out.eps = float32(mx.Numerics.InnerEps)
	}
	if n := w[p+"inner_norms"]; n != nil {
		for _, cut := range [][2]int{{0, mx.DtRank}, {mx.DtRank, mx.DtRank + mx.DState}, {mx.DtRank + mx.DState, len(n)}} {
			out.norms = append(out.norms, norm{w: n[cut[0]:cut[1]], eps: float32(m.opts.NormEps)})
		}
	}
	return out
}

func (m *mamba1) newState(s *Session) mixerState { return s.recurrentState(m.Stores()) }

// scanChannels is how many channels one piece of the scan takes.
const scanChannels = 64

// selectiveScan is what the scan of one call reads and writes; rows are sequences
// times positions.
//
//	Δ = softplus(delta + bias)
//	h = exp(Δ·A) ⊙ h + Δ·u·B,  m = h·C + D·u,  y = m·silu(z)
type selectiveScan struct {
	u, delta, z, b, c mat // z.data may be nil: no gate
	y                 mat
	memory            mat // m of every step-th row, where step > 0
	step              int
	state             []float32 // [batch][channels][states]
	a, d, bias        []float32 // d and bias may be nil
	states, batch     int
	plainDelta        bool // delta is Δ already
}

func (s *selectiveScan) run(r *runner, t *tally) {
	channels := s.u.cols
	blocks := ceil.Div(channels, scanChannels)
	T := s.u.rows / s.batch
	t.read(Weights, len(s.a)+len(s.d)+len(s.bias))
	for i := range s.b.rows {
		t.read(Activations, len(s.b.row(i))+len(s.c.row(i)))
	}
	r.split(s.batch*blocks, t, func(i int, t *tally) {
		b, lo := i/blocks, i%blocks*scanChannels
		hi := min(channels, lo+scanChannels)
		s.block(t, b, b*T, T, lo, hi)
	})
}

func (s *selectiveScan) block(t *tally, b, row0, T, lo, hi int) {
	var dtBuf, dtuBuf, yBuf, zero [scanChannels]float32
	n, channels := hi-lo, s.u.cols
	dt, dtu, y := dtBuf[:n], dtuBuf[:n], yBuf[:n]
	bias, d := zero[:n], zero[:n]
	if s.bias != nil {
		bias = s.bias[lo:hi]
	}
	if s.d != nil {
		d = s.d[lo:hi]
	}
	h := s.state[(b*channels+lo)*s.states : (b*channels+hi)*s.states]
	a := s.a[lo*s.states : hi*s.states]
	t.read(State, len(h))
	for i := row0; i < row0+T; i++ {
		u, delta := s.u.row(i)[lo:hi], s.delta.row(i)[lo:hi]
		t.read(Activations, len(u)+len(delta))
		if s.plainDelta {
			for j := range dt {
				dt[j] = delta[j] + bias[j]
			}
		} else {
			softplusAdds(dt, delta, bias)
		}
		for j := range dtu {
			dtu[j] = dt[j] * u[j]
		}
		t.flops(3 * n)
		scanRows(h, a, s.b.row(i), s.c.row(i), dt, dtu, y)
		t.flops(7 * len(h))
		mulAdds(y, d, u)
		t.flops(2 * n)
		if s.step > 0 && (i+1)%s.step == 0 {
			copy(s.memory.row(i / s.step)[lo:hi], y)
			t.write(Activations, n)
		}
		out := s.y.row(i)[lo:hi]
		if s.z.data != nil {
			z := s.z.row(i)[lo:hi]
			t.read(Activations, len(z))
			siluMuls(out, z, y)
			t.flops(3 * n)
		} else {
			copy(out, y)
		}
		t.write(Activations, len(out))
	}
	t.write(State, len(h))
}

// scanRows is one position: h = exp(dt·a)·h + dtu·b, y = h·c, by channel.
func scanRows(h, a, b, c, dt, dtu, y []float32) {
	n := len(b)
	if fast && n%8 == 0 {
		scanRow(&h[0], &a[0], &b[0], &c[0], &dt[0], &dtu[0], &y[0], len(y), n)
		return
	}
	for ch := range y {
		hr, ar := h[ch*n:(ch+1)*n], a[ch*n:(ch+1)*n]
		var sum float32
		for i := range hr {
			hr[i] = exp32(dt[ch]*ar[i])*hr[i] + dtu[ch]*b[i]
			sum += hr[i] * c[i]
		}
		y[ch] = sum
	}
}

func (m *mamba1) run(c *call, x mat) {
	r, s := c.r, c.s
	st := &s.layers[c.layer].mixers[c.mixer]
	xz := c.mat(x.rows, 2*m.DInner)
	c.op("mamba1.in", func(t *tally) { r.linear(t, m.in, x, xz, epilogue{}) })
	u := c.mat(x.rows, m.DInner)
	c.op("mamba1.conv", func(t *tally) { m.conv.run(r, t, xz.part(0, m.DInner), u, st.conv, s.batch) })
	if m.Parts() > 1 {
		m.byHead(c, xz, u)
		return
	}
	proj := c.mat(x.rows, m.DtRank+2*m.DState)
	c.op("mamba1.x", func(t *tally) { r.linear(t, m.x, u, proj, epilogue{}) })
	low, B, C := proj.part(0, m.DtRank), proj.part(m.DtRank, m.DState), proj.part(m.DtRank+m.DState, m.DState)
	if m.BareNorms && m.norms == nil {
		c.op("mamba1.inner_norm", func(t *tally) {
			for _, p := range []mat{low, B, C} {
				bareNorm(t, p, p, p.cols, m.eps)
			}
		})
	}
	if m.norms != nil {
		c.op("mamba1.inner_norm", func(t *tally) {
			for i, p := range []mat{low, B, C} {
				m.norms[i].rows(r, t, p, p)
			}
		})
	}
	delta := c.mat(x.rows, m.DInner)
	c.op("mamba1.dt", func(t *tally) { r.linear(t, m.dt, low, delta, epilogue{}) })
	y := c.mat(x.rows, m.DInner)
	memory, step := c.remember(arch.ScanMemory, x.rows, m.DInner)
	c.op("mamba1.scan", func(t *tally) {
		scan := selectiveScan{
			u: u, delta: delta, z: xz.part(m.DInner, m.DInner), b: B, c: C, y: y, memory: memory, step: step,
			state: st.state, a: m.a, d: m.d, bias: m.dtBias, states: m.DState, batch: s.batch,
		}
		scan.run(r, t)
	})
	c.residual("mamba1.out", m.out, y)
}

// byHead runs the scan of channels whose Δ, B and C are made head by head. The state is
// [heads][batch][channels of a head][states].
func (m *mamba1) byHead(c *call, xz, u mat) {
	r, s, heads := c.r, c.s, m.Parts()
	st := &s.layers[c.layer].mixers[c.mixer]
	low, n := m.DtRank+2*m.DState, m.DInner/heads
	proj, delta := c.mat(u.rows, heads*low), c.mat(u.rows, m.DInner)
	c.op("mamba1.x", func(t *tally) {
		for h := range heads {
			r.linear(t, m.x.part(h*low, (h+1)*low), u.part(h*n, n), proj.part(h*low, low), epilogue{})
		}
	})
	c.op("mamba1.dt", func(t *tally) {
		for h := range heads {
			r.linear(t, m.dt.part(h*n, (h+1)*n), proj.part(h*low, m.DtRank), delta.part(h*n, n), epilogue{})
		}
	})
	y := c.mat(u.rows, m.DInner)
	memory, step := c.remember(arch.ScanMemory, u.rows, m.DInner)
	size := s.batch * n * m.DState
	c.op("mamba1.scan", func(t *tally) {
		for h := range heads {
			at := h*low + m.DtRank
			scan := selectiveScan{
				u: u.part(h*n, n), delta: delta.part(h*n, n), z: xz.part(m.DInner+h*n, n), b: proj.part(at, m.DState), c: proj.part(at+m.DState, m.DState),
				y: y.part(h*n, n), step: step, state: st.state[h*size : (h+1)*size], a: m.a[h*n*m.DState : (h+1)*n*m.DState],
				d: m.d[h*n : (h+1)*n], bias: m.dtBias[h*n : (h+1)*n], states: m.DState, batch: s.batch,
			}
			if step > 0 {
				scan.memory = memory.part(h*n, n)
			}
			scan.run(r, t)
		}
	})
	c.residual("mamba1.out", m.out, y)
}
