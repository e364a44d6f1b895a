package arch

import "fmt"

// LayerInput is an embedding that each layer has of its own: beside the token's embedding a
// second table holds a vector of Width for every layer. It is joined with a map of the
// token's embedding once a call, and behind its FFN a layer adds
//
//	norm(out·(act(gate·x) ⊙ its vector))
//
// to the stream x. The zero value is none. (Gemma 3n, Gemma 4: "per-layer embeddings".)
//
// Weights: layer_embed [vocab, layers·width], layer_proj [layers·width, model width],
// layer_proj_norm [width]; in each layer input.gate [width, model width], input.out
// [model width, width] and input_post_norm.
type LayerInput struct {
	Width, Vocab int
	Act          Activation
}

// check returns an error where the numbers are wrong.
func (l LayerInput) check() error {
	if l == (LayerInput{}) {
		return nil
	}
	if err := positive("layer_input", l.Width, "layer_input_vocab", l.Vocab); err != nil {
		return err
	}
	if l.Act == ClampedSwiGLU || l.Act.Weights() > 0 {
		return fmt.Errorf("layer_input_activation %s is for a feed-forward network alone", l.Act)
	}
	return nil
}

// LayerEmbedding returns the table of the layers' own embeddings; ok is false where there is
// none.
func (m *Model) LayerEmbedding() (w Weight, ok bool) {
	n := len(m.Layers) * m.LayerInput.Width
	return Weight{Name: "layer_embed", Shape: []int{m.LayerInput.Vocab, n}}, n > 0
}

// OuterWeights lists the parameter tensors outside the layers, apart from embeddings, norms and
// head.
func (m *Model) OuterWeights() []Weight {
	w := m.AltUp.outerWeights(m.Width)
	if p := m.LayerInput.Width; p > 0 {
		w = append(w, Weight{Name: "layer_proj", Shape: []int{len(m.Layers) * p, m.Width}},
			Weight{Name: "layer_proj_norm", Shape: []int{p}, Role: Vector})
	}
	return w
}

// LayerWeights lists the parameter tensors that every layer has in addition to those of its
// mixer, its FFN and the norms before and after them.
func (m *Model) LayerWeights() []Weight {
	w := append(m.AltUp.layerWeights(m.Width, m.LayerInput.Width > 0), m.laurelWeights()...)
	if p := m.LayerInput.Width; p > 0 {
		w = append(w, Weight{Name: "input.gate", Shape: []int{p, m.Width}}, Weight{Name: "input.out", Shape: []int{m.Width, p}})
		w = append(w, m.normWeights("input_post_norm")...)
	}
	if m.LayerScales {
		w = append(w, Weight{Name: "scale", Shape: []int{1}, Role: Vector})
	}
	return w
}
