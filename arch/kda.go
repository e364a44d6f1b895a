package arch

import "fmt"

// KDA is Kimi Delta Attention (Kimi Linear, arXiv:2510.26692 §3): the gated delta rule with
// a decay of its own for every channel of a key. Its state is head_dim × head_dim a head.
//
// Weights: qkv [3·heads·head_dim, width], conv over q, k and v without bias; the decays come
// of decay_down [head_dim, width], decay_up [heads·head_dim, head_dim], dt_bias
// [heads·head_dim] and a_log [heads], β of beta [heads, width], the output gate of gate_down
// [head_dim, width] and gate_up [heads·head_dim, head_dim]; norm [head_dim], out [width,
// heads·head_dim].
type KDA struct {
	Heads, HeadDim, DConv int
}

// Kind returns "kda".
func (k KDA) Kind() string { return "kda" }

// Name implements Mixer.
func (k KDA) Name() string { return k.Kind() }

// Shape implements Mixer.
func (k KDA) Shape() string { return fmt.Sprintf("%d heads × %d", k.Heads, k.HeadDim) }

// Inner returns heads·head_dim, the elements of all queries, keys or values of a position.
func (k KDA) Inner() int { return k.Heads * k.HeadDim }

// Weights implements Mixer.
func (k KDA) Weights(width int) []Weight {
	d := k.Inner()
	return []Weight{
		{Name: "qkv", Shape: []int{3 * d, width}},
		{Name: "conv", Shape: []int{3 * d, k.DConv}, Role: Vector},
		{Name: "decay_down", Shape: []int{k.HeadDim, width}},
		{Name: "decay_up", Shape: []int{d, k.HeadDim}},
		{Name: "beta", Shape: []int{k.Heads, width}},
		{Name: "dt_bias", Shape: []int{d}, Role: Vector},
		{Name: "a_log", Shape: []int{k.Heads}, Role: Vector},
		{Name: "gate_down", Shape: []int{k.HeadDim, width}},
		{Name: "gate_up", Shape: []int{d, k.HeadDim}},
		{Name: "norm", Shape: []int{k.HeadDim}, Role: Vector},
		{Name: "out", Shape: []int{width, d}},
	}
}

// Check implements Mixer.
func (k KDA) Check(int) error {
	return positive("heads", k.Heads, "head_dim", k.HeadDim, "d_conv", k.DConv)
}

func (k *KDA) fields() []Field {
	return []Field{
		{Key: "heads", Value: &k.Heads, Doc: "heads"},
		{Key: "head_dim", Value: &k.HeadDim, Doc: "elements of a query, a key and a value, and rank of decays and gate"},
		{Key: "d_conv", Value: &k.DConv, Default: always(4), Shown: true, Doc: "taps of the convolution"},
	}
}

func (k KDA) edit(change func([]Field)) Mixer {
	change(k.fields())
	return k
}

func (k KDA) detached() Mixer { return k }

// Stores implements Mixer.
func (k KDA) Stores() Storage {
	return Storage{StateElements: k.Inner() * k.HeadDim, ConvElements: 3 * k.Inner() * (k.DConv - 1)}
}

// Reads implements Mixer.
func (k KDA) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is the output of the scan, before norm and gate.
func (k KDA) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return k.Inner()
	}
	return 0
}
