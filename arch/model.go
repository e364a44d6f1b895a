// Package arch says what a decoder is: its layers, what each stores and reads, and
// how many parameters it has. It knows nothing of hardware or cost.
//
// Sources: "paper" is Ren et al., Decoder-Hybrid-Decoder Architecture for Efficient
// Reasoning with Long Generation, arXiv:2507.06607v3.
package arch

import "ridgeline/precision"

// Limits on what a model may be: past them a number is a typing error, and integer
// products could overflow.
const (
	MaxLayers    = 4096
	MaxDimension = 1 << 24
)

// NormKind is the normalisation before each mixer, each FFN and the LM head.
type NormKind uint8

// The norms. LayerNorm has a weight and a bias, RMSNorm a weight only.
const (
	RMSNorm NormKind = iota
	LayerNorm
)

func (n NormKind) String() string {
	if n == LayerNorm {
		return "layernorm"
	}
	return "rmsnorm"
}

// Model is a decoder.
type Model struct {
	Name       string
	Family     string // family it was made by, or "" (see Families)
	Width      int    // d_model
	Vocab      int
	Tied       bool // LM head shares the embedding
	HeadBias   bool // bias on the LM head
	Norm       NormKind
	MaxContext int // longest context it is made for; 0 unknown
	Layers     []Layer

	// Checkpoint formats: what the weights, the experts' weights and the recurrent
	// states are kept in unless the user says otherwise. Unset means bf16 weights,
	// experts as the other weights, states as the activations.
	WeightDType, ExpertDType, StateDType precision.DType

	// CountingForm is the paper's approximate non-embedding count (appendix A), 0
	// where the family has none.
	CountingForm int64
	// Notes are warnings of the import: things that may matter and were set aside.
	Notes []string
}

// Layer is a token mixer and a feed-forward network, each behind its own norm and
// added to the residual stream. Either may be nil (Nemotron-H layers have one).
type Layer struct {
	Mixer Mixer
	FFN   FFN
}

// Ref points at another layer; the zero value points nowhere.
type Ref int

// To returns a reference to layer i (0-based).
func To(i int) Ref { return Ref(i + 1) }

// Layer returns the 0-based layer and whether there is one.
func (r Ref) Layer() (int, bool) { return int(r) - 1, r > 0 }

// Role says what a weight is for; it decides its format and how it is counted.
type Role uint8

// Weight roles.
const (
	Matrix Role = iota // a linear map: quantised with --weights
	Expert             // one of Copies expert matrices
	Vector             // norms, biases, convolution taps, decay rates
)

// Weight is one tensor of parameters.
type Weight struct {
	Name   string // "qkv", "out", "conv": unique in its mixer or FFN
	Shape  []int  // PyTorch order: [out, in] for a linear map
	Role   Role
	Copies int // number of experts for Expert, else 0 (one)
	Active int // how many of the copies one token uses; 0 where Copies is 0
}

// Elements returns the number of parameters in w.
func (w Weight) Elements() int64 {
	n := int64(1)
	for _, d := range w.Shape {
		n *= int64(d)
	}
	if w.Copies > 0 {
		n *= int64(w.Copies)
	}
	return n
}
