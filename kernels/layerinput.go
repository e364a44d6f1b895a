package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// layerInputs makes the embeddings that layers have of their own (arch.LayerInput) once a
// call:
//
//	(norm(P·e/√width) + √p·table[token])/√2
//
// for the token's embedding e, p elements a layer, the norm over each p.
type layerInputs struct {
	width int // p; 0 where there are none
	table []float32
	proj  linear
	norm  *norm
}

func (m *Model) newLayerInputs() layerInputs {
	p := m.arch.LayerInput.Width
	if p == 0 {
		return layerInputs{}
	}
	return layerInputs{
		width: p, table: m.weights["layer_embed"], proj: m.linear("layer_proj", p*len(m.arch.Layers), m.arch.Width),
		norm: m.bare("layer_proj_norm"),
	}
}

func (l *layerInputs) run(c *call, tokens [][]int) {
	if l.width == 0 {
		return
	}
	n := l.proj.out
	own := newMat(make([]float32, c.x.rows*n), c.x.rows, n)
	c.op("embed.layers", func(t *tally) { embed(t, l.table, tokens, own, float32(math.Sqrt(float64(l.width)))) })
	proj := newMat(make([]float32, c.x.rows*n), c.x.rows, n)
	c.op("embed.layers_proj", func(t *tally) { c.r.linear(t, l.proj, c.x, proj, epilogue{}) })
	f := float32(1 / math.Sqrt(float64(c.x.cols)))
	for i := range proj.data { // the factor stands before a norm and is multiplied into the map
		proj.data[i] *= f
	}
	c.op("embed.layers_norm", func(t *tally) { l.join(t, proj, own) })
	c.inputs = own
}

// join sets own = (norm(proj) + own)/√2; the factor is folded into both weights.
func (l *layerInputs) join(t *tally, proj, own mat) {
	t.read(Weights, len(l.norm.w))
	for i := range own.rows {
		x, y := proj.row(i), own.row(i)
		t.read(Activations, len(x)+len(y))
		for at := 0; at < len(x); at += l.width {
			h := x[at : at+l.width]
			l.norm.row(nil, h, h)
		}
		for j, v := range x {
			y[j] = (v + y[j]) * math.Sqrt2 / 2
		}
		t.flops(5 * len(y))
		t.write(Activations, len(y))
	}
}

// layerInput adds a layer's own embedding behind its FFN.
type layerInput struct {
	act       arch.Activation
	gate, out linear
	norm      norm
}

func (m *Model) newLayerInput(prefix string) layerInput {
	in, w := m.arch.LayerInput, m.arch.Width
	if in.Width == 0 {
		return layerInput{}
	}
	return layerInput{
		act: in.Act, gate: m.linear(prefix+"input.gate", in.Width, w), out: m.linear(prefix+"input.out", w, in.Width),
		norm: m.norm(prefix + "input_post_norm"),
	}
}

// run computes act(gate·x) ⊙ own and maps it back to the width of the model. add does the rest: a
// norm, and adding the result to the stream.
func (l *layerInput) run(c *call, x mat, add func(t *tally, y mat)) {
	p := l.gate.out
	if p == 0 {
		return
	}
	own := c.inputs.part(c.layer*p, p)
	if own.rows > x.rows { // only the last position of each sequence is needed
		own = own.last(own.rows / x.rows)
	}
	gate := c.mat(x.rows, p)
	c.op("layer_input.gate", func(t *tally) { c.r.linear(t, l.gate, x, gate, epilogue{}) })
	c.op("layer_input.act", func(t *tally) {
		for i := range gate.rows {
			g, o := gate.row(i), own.row(i)
			t.read(Activations, len(g)+len(o))
			activateRow(g, g, l.act)
			for j := range g {
				g[j] *= o[j]
			}
			t.flops((activationFLOPs(l.act) + 1) * len(g))
			t.write(Activations, len(g))
		}
	})
	y := c.mat(x.rows, l.out.out)
	c.op("layer_input.out", func(t *tally) { c.r.linear(t, l.out, gate, y, epilogue{}) })
	c.op("layer_input.post_norm", func(t *tally) { add(t, y) })
}

// scaleStream scales the stream after a layer.
func (c *call) scaleStream(scale []float32) {
	if scale == nil {
		return
	}
	c.op("layer_scale", func(t *tally) {
		t.read(Weights, len(scale))
		for i := range c.x.rows {
			row := c.x.row(i)
			t.read(Activations, len(row))
			for j := range row {
				row[j] *= scale[0]
			}
			t.flops(len(row))
			t.write(Activations, len(row))
		}
	})
}
