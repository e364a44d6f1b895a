package costmodel

import (
	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/internal/ceil"
)

// layerInputs prices the making of the embeddings that each layer has of its own, once a call.
// Ranks divide the rows of the table among them, and each does all the rest, which is small.
func (b *builder) layerInputs() {
	in := b.m.LayerInput
	if in.Width == 0 {
		return
	}
	n := in.Width * len(b.m.Layers)
	e := b.op("embed.layers", Embedding)
	e.Weight = b.f.base
	e.Shape.Table = ceil.Div(in.Vocab, b.tp)
	e.Bytes[Weights][rows] = float64(n) * b.f.base.Bytes()
	b.act(e, 0, float64(n), rows)
	b.allReduce("embed.layers.allreduce", n, rows)
	b.linear("embed.layers_proj", "layer_proj", b.m.Width, n, rows, linearOpts{})
	b.elementwise("embed.layers_norm", InnerNorm, float64(in.Width), 2*float64(n), float64(n), 5*float64(n), rows, "layer_proj_norm")
}

// layerTail prices what follows a layer's FFN: adding the layer's own embedding, and the layer's
// scale.
func (b *builder) layerTail(l arch.Layer) {
	b.altUpCorrect(l)
	b.storage = b.aroundStorage(l)
	w, r := b.m.Width, b.r()
	if p := b.m.LayerInput.Width; p > 0 {
		b.linear("layer_input.gate", "input.gate", w, p, r, linearOpts{})
		n := float64(p)
		b.elementwise("layer_input.act", Activation, 0, 2*n, n, n*(activationFLOPs(b.m.LayerInput.Act)+1), r)
		b.linear("layer_input.out", "input.out", p, w, r, linearOpts{})
		o := b.norm("layer_input.post_norm", "input_post_norm", w, r)
		to := float64(max(b.m.AltUp.Streams-1, 1) * w) // every stream but the first, or the only one
		b.act(o, to, to-float64(w), r)
		o.FLOPs[r] += to
	}
	if b.m.LayerScales {
		b.elementwise("layer_scale", Gate, 1, float64(w), float64(w), float64(w), r, "scale")
	}
}

// aroundBlock identifies operations of a layer that follow from a part of the model.
func (b *builder) aroundBlock(of any, l arch.Layer) block {
	return block{part: of, last: b.last, stored: b.storedIn(l)}
}
