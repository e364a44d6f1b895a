package kernels

import "github.com/OWNER/ridgeline/arch"

// mlpMoE is a dense network and a mixture of experts side by side (arch.MLPMoE).
type mlpMoE struct {
	arch.MLPMoE
	up, down                                 linear
	experts                                  *moe
	mlpNorm, routerNorm, inNorm, expertsNorm *norm
	scale                                    []float32 // by expert
}

func (m *Model) newMLPMoE(f arch.MLPMoE, p string, layer int) *mlpMoE {
	w := m.arch.Width
	return &mlpMoE{
		MLPMoE: f, up: m.linear(p+"up", 2*f.Inner, w), down: m.linear(p+"down", w, f.Inner),
		experts: m.newMoE(f.Mixture(), p+"experts.", layer), scale: m.weights[p+"expert_scale"],
		mlpNorm: m.bare(p + "mlp_norm"), routerNorm: m.bare(p + "router_norm"),
		inNorm: m.bare(p + "expert_norm"), expertsNorm: m.bare(p + "experts_norm"),
	}
}

func (m *mlpMoE) run(c *call, x mat) {
	r := c.r
	stream := c.x
	up, y := c.mat(x.rows, m.up.out), c.mat(x.rows, m.Inner)
	c.op("mlp.up", func(t *tally) { r.linear(t, m.up, x, up, epilogue{}) })
	c.op("mlp.act", func(t *tally) { activate(r, t, up, y, m.Act, true) })
	dense := c.mat(x.rows, x.cols)
	c.op("mlp.down", func(t *tally) { r.linear(t, m.down, y, dense, epilogue{}) })
	// The router and the experts read the stream. Where no norm stands after the layer, the dense
	// part is added to that stream; so their norms are computed before, and counted where they
	// belong.
	routed, in := c.mat(x.rows, x.cols), c.mat(x.rows, x.cols)
	m.routerNorm.rows(r, nil, stream, routed)
	m.inNorm.rows(r, nil, stream, in)
	to, add := c.sink()
	c.op("mlp.norm", func(t *tally) {
		if add {
			m.mlpNorm.add(r, t, dense, to)
		} else {
			m.mlpNorm.rows(r, t, dense, to)
		}
	})
	c.op("moe.router_norm", func(t *tally) { m.routerNorm.count(t, stream) })
	sum := c.mat(x.rows, x.cols)
	clear(sum.data[:sum.rows*sum.cols])
	m.experts.routed(c, routed, in, func() mat { return sum }, m.scale, func() {
		c.op("moe.norm", func(t *tally) { m.inNorm.count(t, stream) })
	})
	c.op("moe.post_norm", func(t *tally) { m.expertsNorm.add(r, t, sum, to) })
}

// count counts the norm of the rows of x, which was computed before.
func (n *norm) count(t *tally, x mat) {
	t.read(Weights, len(n.w))
	for i := range x.rows {
		t.read(Activations, len(x.row(i)))
		t.flops(n.flops(len(x.row(i))))
		t.write(Activations, len(x.row(i)))
	}
}
