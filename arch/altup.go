package arch

import "fmt"

// AltUp keeps several residual streams (Baykal et al., Alternating Updates, arXiv:2301.13310; Gemma
// 3n). A layer works on one, the active; behind it the others are corrected by what it
// changed. With streams s_j and a router r(x) = tanh(R·norm(x)), a layer is
//
//	p_j = s_j + Σ_k (P·r(s_active))_jk · s_k      predicted
//	y   = layer(p_active)
//	s_j = p_j + (1 + (C·r(y))_j) · (y − p_active)  corrected
//
// The token's embedding e makes the first stream, and U_j·e, brought to the size of e, the
// others; before the head each other stream goes through a map V_j, is brought to the size of
// the first, and their mean is taken. The zero value is one stream.
//
// An embedding of the layers' own (LayerInput) is made from the active stream times a vector,
// and added to every stream but the first.
//
// Weights: altup_in, altup_out [(streams−1)·width, width]; in each layer altup.norm [width],
// altup.router [streams, width], altup.predict [streams², streams], altup.correct [streams,
// streams], and with LayerInput altup.scale [width].
type AltUp struct{ Streams, Active int }

// There reports whether there is more than one stream.
func (a AltUp) There() bool { return a.Streams > 0 }

func (a AltUp) check() error {
	switch {
	case a == (AltUp{}):
		return nil
	case a.Streams < 2 || a.Streams > maxStreams:
		return fmt.Errorf("altup_streams %d is not from 2 to %d", a.Streams, maxStreams)
	case a.Active < 0 || a.Active >= a.Streams:
		return fmt.Errorf("altup_active %d is none of the %d streams", a.Active, a.Streams)
	}
	return nil
}

// maxStreams is the largest number of streams: far more than models have, since the weights grow
// with its square.
const maxStreams = 64

func (a AltUp) outerWeights(width int) []Weight {
	if !a.There() {
		return nil
	}
	others := (a.Streams - 1) * width
	return []Weight{{Name: "altup_in", Shape: []int{others, width}}, {Name: "altup_out", Shape: []int{others, width}}}
}

func (a AltUp) layerWeights(width int, scaled bool) []Weight {
	if !a.There() {
		return nil
	}
	n := a.Streams
	w := []Weight{
		{Name: "altup.norm", Shape: []int{width}, Role: Vector}, {Name: "altup.router", Shape: []int{n, width}},
		{Name: "altup.predict", Shape: []int{n * n, n}}, {Name: "altup.correct", Shape: []int{n, n}},
	}
	if scaled {
		w = append(w, Weight{Name: "altup.scale", Shape: []int{width}, Role: Vector})
	}
	return w
}

// laurelWeights lists the weights of a low-rank branch beside each mixer (Model.LaurelRank).
func (m *Model) laurelWeights() []Weight {
	r := m.LaurelRank
	if r == 0 {
		return nil
	}
	w := []Weight{{Name: "laurel.left", Shape: []int{r, m.Width}}, {Name: "laurel.right", Shape: []int{m.Width, r}}}
	return append(w, m.normWeights("laurel.norm")...)
}

// normWeights lists the vectors of a norm of the model's kind and width.
func (m *Model) normWeights(name string) []Weight {
	var w []Weight
	if m.Norm.Vectors() > 0 {
		w = append(w, Weight{Name: name, Shape: []int{m.Width}, Role: Vector})
	}
	if m.Norm.Bias() {
		w = append(w, Weight{Name: name + "_bias", Shape: []int{m.Width}, Role: Vector})
	}
	return w
}

// checkStreams returns an error for what surrounds the layers: several streams, or a branch
// beside the mixers.
func (m *Model) checkStreams() error {
	if err := m.AltUp.check(); err != nil {
		return err
	}
	if m.AltUp.There() && m.LayerScales {
		return fmt.Errorf("layer_scales are of a model with one stream, and altup_streams is %d", m.AltUp.Streams)
	}
	if m.LaurelRank < 0 || m.LaurelRank > MaxDimension {
		return fmt.Errorf("laurel_rank %d is not from 0 to %d", m.LaurelRank, MaxDimension)
	}
	for i, l := range m.Layers {
		before, _ := l.Block.Before()
		if m.LaurelRank > 0 && (l.Mixer == nil || !before || l.Block.Parallel() || l.Block == StreamNorm || l.Block == SideInput) {
			return fmt.Errorf("layer %d: laurel_rank needs a mixer behind a norm, and an ffn that waits for it", i)
		}
	}
	return nil
}
