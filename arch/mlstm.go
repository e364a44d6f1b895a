package arch

import "fmt"

// MLSTM is the matrix LSTM of xLSTM (Beck et al., arXiv:2405.04517 §2.3): a matrix memory a
// head, with exponential gates,
//
//	C = f·C + i·k ⊗ v, n = f·n + i·k
//	h = qᵀC / max(|qᵀn|, 1)
//
// i and f are one number a head, and kept over exp(m) of the largest exponent m. A LayerNorm
// over each head and a sigmoid gate stand behind.
//
// Weights: qkvo [2·heads·k_dim + 2·heads·v_dim, width] (queries, keys, values, gate), gates
// [2·heads, width] (i, then f) and gates_bias, norm [heads·v_dim], out [width, heads·v_dim].
type MLSTM struct {
	Heads, KDim, VDim int
	GateCap           float64 // bound of i and f before the exponential, by a tanh; 0 is none

	Numerics MLSTMNumerics
}

// MLSTMNumerics change what the mixer computes and nothing of what it costs.
type MLSTMNumerics struct {
	Eps float64 // added to the denominator; 0 is 1e-6
}

// Kind returns "mlstm".
func (l MLSTM) Kind() string { return "mlstm" }

// Name implements Mixer.
func (l MLSTM) Name() string { return l.Kind() }

// Shape implements Mixer.
func (l MLSTM) Shape() string {
	return fmt.Sprintf("%d heads, keys %d, values %d", l.Heads, l.KDim, l.VDim)
}

// DKey is heads·k_dim.
func (l MLSTM) DKey() int { return l.Heads * l.KDim }

// DValue is heads·v_dim.
func (l MLSTM) DValue() int { return l.Heads * l.VDim }

// Weights implements Mixer.
func (l MLSTM) Weights(width int) []Weight {
	return []Weight{
		{Name: "qkvo", Shape: []int{2*l.DKey() + 2*l.DValue(), width}},
		{Name: "gates", Shape: []int{2 * l.Heads, width}},
		{Name: "gates_bias", Shape: []int{2 * l.Heads}, Role: Vector},
		{Name: "norm", Shape: []int{l.DValue()}, Role: Vector},
		{Name: "out", Shape: []int{width, l.DValue()}},
	}
}

// Check implements Mixer.
func (l MLSTM) Check(int) error {
	if !(l.GateCap >= 0) {
		return fmt.Errorf("gate_cap %g is not 0 or more", l.GateCap)
	}
	return positive("heads", l.Heads, "k_dim", l.KDim, "v_dim", l.VDim)
}

func (l *MLSTM) fields() []Field {
	return []Field{
		{Key: "heads", Value: &l.Heads, Doc: "heads"},
		{Key: "k_dim", Value: &l.KDim, Doc: "elements of a query and a key"},
		{Key: "v_dim", Value: &l.VDim, Shown: true, Default: func(int) any { return l.KDim }, Doc: "elements of a value"},
		{Key: "gate_cap", Value: &l.GateCap, Default: always(0.0), Doc: "bound of the gates before the exponential, by a tanh"},
	}
}

func (l MLSTM) edit(change func([]Field)) Mixer {
	change(l.fields())
	return l
}

func (l MLSTM) detached() Mixer { return l }

// Stores implements Mixer: C, n and m of each head.
func (l MLSTM) Stores() Storage {
	return Storage{StateElements: l.Heads * (l.KDim*l.VDim + l.KDim + 1)}
}

// Reads implements Mixer.
func (l MLSTM) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is h, before norm and gate.
func (l MLSTM) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return l.DValue()
	}
	return 0
}
