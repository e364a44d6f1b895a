package family

import "github.com/OWNER/ridgeline/arch"

// CountingForm is the paper's approximation of a family's non-embedding parameters at
// depth d and width w (appendix A, "counting forms"), and whether it gives one:
//
//	N = 12·d·w² + mixers,  A = 128·d
//	transformer++       2.5·d·w²
//	swa+yoco            2.5·d·w·A/2 + 2·d·w·A/2
//	samba+yoco          2.5·d·w·A/4 + 6·d·w²/4 + 2·d·w·A/2
//	sambay              2.5·d·w·A/4 + 6·d·w²/4 + 2·d·w·A/4 + 4·d·w²/4
//	mambay              6·d·w²/2 + 2·d·w·A/4 + 4·d·w²/4
//
// and so on: a windowed or full layer 2.5·w·A (grouped keys and values at a quarter),
// cross-attention 2·w·A, a recurrent layer 6·w², a GMU 2·w·d_mem (3·w² behind Gated
// DeltaNet). The form uses d/4 or d/2 layers of each kind even where the real model has
// one more or one less, and leaves out convolutions, small projections, norms and biases.
// transformer-ls has the same tensors as transformer++. The paper gives no form for samba.
func CountingForm(family string, d, w int) (float64, bool) {
	r, err := findRecipe(family)
	if err != nil {
		return 0, false
	}
	return countingForm(r, d, w, r.ratio)
}

// countingForm takes the share of GMUs as well, so that sambay without GMUs counts as
// samba+yoco.
func countingForm(r recipe, depth, width int, ratio float64) (float64, bool) {
	d, w := float64(depth), float64(width)
	attn := 128 * d
	recurrent, shared := 6*w*w, r.memoryForm(w, attn)
	n := 12 * d * w * w
	cross := ratio*shared + (1-ratio)*2*w*attn
	switch r.form {
	case allFull, localFull:
		return n + 2.5*d*w*w, true
	case windowYOCO:
		return n + d/2*2.5*w*attn + d/2*cross, true
	case hybridYOCO:
		return n + d/4*2.5*w*attn + d/4*recurrent + d/2*cross, true
	case purelyYOCO:
		return n + d/2*recurrent + d/2*cross, true
	}
	return 0, false
}

// memoryForm is the count of one GMU: two maps between the width and the memory's.
func (r recipe) memoryForm(w, attn float64) float64 {
	switch {
	case r.memory == arch.AttentionMemory || r.form == windowYOCO:
		return 2 * w * attn
	case r.memory == arch.MLPMemory:
		return 8 * w * w
	case r.ssm == deltaNetKind:
		return 3 * w * w
	}
	return 4 * w * w
}

// SambaForm counts samba as the paper counts the families it gives a form, d/2 of each
// layer:
//
//	12·d·w² + 2.5·d·w·A/2 + 6·d·w²/2,  A = 128·d
//
// 0 where a model's proportions are not the paper's.
func SambaForm(m *arch.Model) float64 {
	n, d, w := 0.0, len(m.Layers), float64(m.Width)
	for _, l := range m.Layers {
		f, ok := l.FFN.(arch.MLP)
		if !ok || !f.Gated || f.Inner != 4*m.Width {
			return 0
		}
		n += 12 * w * w
	}
	counted := 0
	for _, a := range m.Attentions() {
		if a.Heads != d || 4*a.KVHeads != d || a.HeadDim != 128 {
			return 0
		}
		n += 2.5 * w * 128 * float64(d)
		counted++
	}
	for _, x := range arch.Each[arch.Mamba1](m) {
		if x.DInner != 2*m.Width {
			return 0
		}
		n += 6 * w * w
		counted++
	}
	if counted != d { // a layer has another mixer, several or none
		return 0
	}
	return n
}
