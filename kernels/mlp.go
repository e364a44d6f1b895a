package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// mlp is a dense feed-forward network, gated (act(g)⊙u) or plain.
type mlp struct {
	arch.MLP
	up, down linear
	norm     *norm     // over the inner values, nil without
	alphas   []float32 // of an activation with weights
	z        float64   // deviations from the mean up to which values are switched off
}

func (m *Model) newMLP(f arch.MLP, p string, _ int) *mlp {
	width := m.arch.Width
	out := &mlp{MLP: f, z: math.Sqrt2 * math.Erfinv(2*f.Sparsity-1), up: m.linear(p+"up", arch.UpRows(f.Inner, f.Gated), width), down: m.linear(p+"down", width, f.Inner)}
	if f.InnerNorm {
		out.norm = m.bare(p + "inner_norm")
	}
	if f.Act.Weights() > 0 {
		w := m.weights[p+"act"]
		out.alphas = []float32{softplus32(w[0]), 0.5 + softplus32(w[1])}
	}
	return out
}

// activationFLOPs is the cost of an activation on one element (docs/accounting.md).
func activationFLOPs(a arch.Activation) int {
	switch a {
	case arch.ReLU:
		return 1
	case arch.XIELU:
		return 5 // of the longer branch
	}
	return 2
}

// activate sets dst = act(x), or act(gate half)⊙(linear half) of x where gated.
func activate(r *runner, t *tally, x, dst mat, act arch.Activation, gated bool) {
	activateWith(r, t, x, dst, act, nil, gated)
}

// activateWith is activate of an activation that may have weights.
func activateWith(r *runner, t *tally, x, dst mat, act arch.Activation, alphas []float32, gated bool) {
	count, rows := pieces(x.rows, 8*x.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(x.rows, (p+1)*rows); i++ {
			in, y := x.row(i), dst.row(i)
			g, u := in, []float32(nil)
			if gated {
				g, u = in[:len(y)], in[len(y):]
			}
			t.read(Activations, len(in))
			switch {
			case act == arch.SiLU && gated:
				siluMuls(y, g, u)
			case act == arch.ClampedSwiGLU:
				clampedSwiGLU(y, g, u)
			case act == arch.XIELU:
				xielu(y, g, alphas)
				for j := range u {
					y[j] *= u[j]
				}
			default:
				activateRow(y, g, act)
				for j := range u {
					y[j] *= u[j]
				}
			}
			t.flops(activationFLOPs(act)*len(g) + len(u))
			t.write(Activations, len(y))
		}
	})
}

// xielu is arch.XIELU with its two factors of α.
func xielu(y, x, alphas []float32) {
	for i, v := range x {
		switch {
		case v > 0:
			y[i] = alphas[0]*v*v + 0.5*v
		default:
			y[i] = (float32(math.Expm1(min(float64(v), -1e-6)))-v)*alphas[1] + 0.5*v
		}
	}
}

// clampedSwiGLU is gpt-oss' gate: y = (u+1)·g·σ(1.702·g), g at most 7, u from −7 to 7.
func clampedSwiGLU(y, g, u []float32) {
	for j, v := range g {
		v = min(v, 7)
		y[j] = (min(max(u[j], -7), 7) + 1) * v * sigmoid32(1.702*v)
	}
}

// switchOff takes mean + z·deviation off the values of each row, and leaves none below 0. It
// returns its arithmetic: the rows are read and written with the activation behind it.
func switchOff(x mat, z float64) (flops int) {
	for i := range x.rows {
		row := x.row(i)
		sum, _ := moments(row, 0)
		mean := sum / float32(len(row))
		_, sq := moments(row, mean)
		least := mean + float32(z*math.Sqrt(float64(sq)/float64(len(row))))
		for j, v := range row {
			row[j] = max(v-least, 0)
		}
		flops += 6 * len(row)
	}
	return flops
}

func activateRow(y, x []float32, act arch.Activation) {
	switch act {
	case arch.SiLU:
		silus(y, x)
	case arch.ReLU:
		for i, v := range x {
			y[i] = max(v, 0)
		}
	case arch.ReLU2:
		for i, v := range x {
			v = max(v, 0)
			y[i] = v * v
		}
	case arch.GELU:
		for i, v := range x {
			y[i] = v * float32(0.5+0.5*math.Erf(float64(v)/math.Sqrt2))
		}
	case arch.GELUTanh:
		for i, v := range x {
			w := float64(v)
			y[i] = float32(0.5 * w * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(w+0.044715*w*w*w))))
		}
	}
}

func (m *mlp) run(c *call, x mat) {
	r := c.r
	var up mat
	if m.Gated {
		up = c.keepWide(arch.MLPMemory, x.rows, m.up.out, m.Inner)
	} else {
		up = c.mat(x.rows, m.up.out)
	}
	c.op("mlp.up", func(t *tally) { r.linear(t, m.up, x, up, epilogue{}) })
	y := c.mat(x.rows, m.Inner)
	c.op("mlp.act", func(t *tally) {
		if m.Sparsity > 0 {
			t.flops(switchOff(up.part(0, m.Inner), m.z))
		}
		t.read(Weights, len(m.alphas))
		activateWith(r, t, up, y, m.Act, m.alphas, m.Gated)
	})
	if m.norm != nil {
		c.op("mlp.inner_norm", func(t *tally) { m.norm.rows(r, t, y, y) })
	}
	to, add := c.sink()
	c.op("mlp.down", func(t *tally) { r.linear(t, m.down, y, to, epilogue{add: add}) })
}
