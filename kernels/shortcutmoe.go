package kernels

import "github.com/OWNER/ridgeline/arch"

// shortcutMoE is a dense network and experts that read the same norm (arch.ShortcutMoE).
type shortcutMoE struct {
	dense   *mlp
	experts *moe
}

func (m *Model) newShortcutMoE(f arch.ShortcutMoE, p string, layer int) *shortcutMoE {
	return &shortcutMoE{dense: m.newMLP(f.Dense(), p, layer), experts: m.newMoE(f.Mixture(), p+"experts.", layer)}
}

// run leaves what the experts make for the end of the next layer, past the scratch of this one.
func (m *shortcutMoE) run(c *call, x mat) {
	later := newMat(make([]float32, x.rows*x.cols), x.rows, x.cols)
	if _, ok := m.experts.routed(c, x, x, func() mat { return later }, nil, func() {}); ok {
		c.later = later
	}
	m.dense.run(c, x)
}

// addDeferred adds to the stream what the layer before left.
func (c *call) addDeferred(due mat) {
	if due.rows == 0 {
		return
	}
	if due.rows > c.x.rows { // this layer went on with the last positions alone
		due = due.last(due.rows / c.x.rows)
	}
	c.op("moe.shortcut", func(t *tally) {
		for i := range due.rows {
			from, to := due.row(i), c.x.row(i)
			t.read(Activations, len(from)+len(to))
			for j, v := range from {
				to[j] += v
			}
			t.flops(len(to))
			t.write(Activations, len(to))
		}
	})
}
