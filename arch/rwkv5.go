package arch

import "fmt"

// RWKV5 is the time mix of RWKV-5 (Eagle; Peng et al., arXiv:2404.05892 §4.1): a matrix state
// a head, whose rows decay at fixed rates w of their own,
//
//	y = rᵀ(S + u ⊙ (k ⊗ v)), S = w⊙S + k ⊗ v
//	out·(silu(g) ⊙ norm(y))
//
// with k, v, r and g of inputs mixed with the one before, as in RWKV-4, and a LayerNorm over
// each head.
//
// Weights, with d = heads·head_dim: mix [4, width] (of k, v, r and g), kvrg [4·d, width], decay
// and first [d] (w = exp(−exp(decay)), u), norm and norm_bias [d], out [width, d].
type RWKV5 struct {
	Heads, HeadDim int
	Stream         int // width of the model, whose last input is kept

	Numerics RWKV5Numerics
}

// RWKV5Numerics change what the mixer computes and nothing of what it costs.
type RWKV5Numerics struct {
	NormEps float64 // ε of its norm; 0 is the model's
}

// Kind returns "rwkv5".
func (t RWKV5) Kind() string { return "rwkv5" }

// Name implements Mixer.
func (t RWKV5) Name() string { return t.Kind() }

// Shape implements Mixer.
func (t RWKV5) Shape() string { return fmt.Sprintf("%d heads × %d", t.Heads, t.HeadDim) }

// Inner is heads·head_dim.
func (t RWKV5) Inner() int { return t.Heads * t.HeadDim }

// Weights implements Mixer.
func (t RWKV5) Weights(width int) []Weight {
	d := t.Inner()
	w := []Weight{{Name: "mix", Shape: []int{4, width}, Role: Vector}, {Name: "kvrg", Shape: []int{4 * d, width}}}
	for _, name := range []string{"decay", "first", "norm", "norm_bias"} {
		w = append(w, Weight{Name: name, Shape: []int{d}, Role: Vector})
	}
	return append(w, Weight{Name: "out", Shape: []int{width, d}})
}

// Check implements Mixer.
func (t RWKV5) Check(width int) error {
	if err := positive("heads", t.Heads, "head_dim", t.HeadDim); err != nil {
		return err
	}
	return streamIs(t.Stream, width)
}

func (t *RWKV5) fields() []Field {
	return []Field{
		{Key: "heads", Value: &t.Heads, Doc: "heads"},
		{Key: "head_dim", Value: &t.HeadDim, Doc: "elements of a key and a value"},
		{Key: "stream", Value: &t.Stream, Default: func(width int) any { return width }, Doc: "width of the model"},
	}
}

func (t RWKV5) edit(change func([]Field)) Mixer {
	change(t.fields())
	return t
}

func (t RWKV5) detached() Mixer { return t }

// Stores implements Mixer.
func (t RWKV5) Stores() Storage {
	return Storage{StateElements: t.Inner() * t.HeadDim, ConvElements: t.Stream}
}

// Reads implements Mixer.
func (t RWKV5) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is y, before norm and gate.
func (t RWKV5) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return t.Inner()
	}
	return 0
}
