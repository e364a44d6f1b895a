package arch

import "fmt"

// Lightning is linear attention with a fixed decay per head (Qin et al., arXiv:2401.04658;
// MiniMax-01): a matrix state of head_dim × head_dim per head,
//
//	S = λ·S + k ⊗ v, o = qᵀS
//
// with q, k and v behind SiLU, a norm over all heads and a sigmoid gate behind. λ follows from
// the head and the layer.
//
// Weights: qkv [3·heads·head_dim, width], gate_in [heads·head_dim, width], norm
// [heads·head_dim], out [width, heads·head_dim].
type Lightning struct {
	Heads, HeadDim int

	Numerics LightningNumerics
}

// LightningNumerics change what the mixer computes and nothing of what it costs.
type LightningNumerics struct {
	NormEps float64 // ε of its norm; 0 is the model's
}

// Kind returns "lightning".
func (l Lightning) Kind() string { return "lightning" }

// Name implements Mixer.
func (l Lightning) Name() string { return l.Kind() }

// Shape implements Mixer.
func (l Lightning) Shape() string { return fmt.Sprintf("%d heads × %d", l.Heads, l.HeadDim) }

// Inner returns heads·head_dim.
func (l Lightning) Inner() int { return l.Heads * l.HeadDim }

// Weights implements Mixer.
func (l Lightning) Weights(width int) []Weight {
	d := l.Inner()
	return []Weight{
		{Name: "qkv", Shape: []int{3 * d, width}},
		{Name: "gate_in", Shape: []int{d, width}},
		{Name: "norm", Shape: []int{d}, Role: Vector},
		{Name: "out", Shape: []int{width, d}},
	}
}

// Check implements Mixer.
func (l Lightning) Check(int) error { return positive("heads", l.Heads, "head_dim", l.HeadDim) }

func (l *Lightning) fields() []Field {
	return []Field{
		{Key: "heads", Value: &l.Heads, Doc: "heads"},
		{Key: "head_dim", Value: &l.HeadDim, Doc: "elements of a query, a key and a value"},
	}
}

func (l Lightning) edit(change func([]Field)) Mixer {
	change(l.fields())
	return l
}

func (l Lightning) detached() Mixer { return l }

// Stores implements Mixer.
func (l Lightning) Stores() Storage { return Storage{StateElements: l.Heads * l.HeadDim * l.HeadDim} }

// Reads implements Mixer.
func (l Lightning) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is the output of the scan, before norm and gate.
func (l Lightning) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return l.Inner()
	}
	return 0
}
