// Package arch says what a decoder is: its layers, what each stores and reads, and
// how many parameters it has. It knows nothing of hardware or cost.
//
// Sources: "paper" is Ren et al., Decoder-Hybrid-Decoder Architecture for Efficient
// Reasoning with Long Generation, arXiv:2507.06607v3.
package arch

import "github.com/OWNER/ridgeline/precision"

// Limits on what a model may be: past them a number is a typing error, and integer
// products could overflow.
const (
	MaxLayers    = 4096
	MaxDimension = 1 << 24
)

// NormKind is the normalisation before each mixer, each FFN and the LM head.
type NormKind uint8

// The norms. RMSNorm has a weight; LayerNorm takes off the mean first and has a weight
// and a bias, or the weight alone (Cohere), or neither (OLMo).
const (
	RMSNorm NormKind = iota
	LayerNorm
	LayerNormWeight
	LayerNormBare
)

var normNames = [...]string{"rmsnorm", "layernorm", "layernorm_weight", "layernorm_bare"}

func (n NormKind) String() string { return normNames[n] }

// Norms lists the kinds of norm.
func Norms() []NormKind { return []NormKind{RMSNorm, LayerNorm, LayerNormWeight, LayerNormBare} }

// Vectors is how many vectors of parameters the norm has: a weight, a bias.
func (n NormKind) Vectors() int { return [...]int{1, 2, 1, 0}[n] }

// Bias reports whether the norm has a bias.
func (n NormKind) Bias() bool { return n == LayerNorm }

// FLOPs is the arithmetic of the norm on one element: 4 for RMSNorm (square, sum, scale,
// weight), and for LayerNorm 6 (sum, difference, square, sum, difference, scale), 1 more
// for a weight and 1 for a bias.
func (n NormKind) FLOPs() int { return [...]int{4, 8, 7, 6}[n] }

// Model is a decoder.
type Model struct {
	Name      string
	Family    string // family it was made by, or "" (see Families)
	Width     int    // d_model
	Vocab     int
	Tied      bool // LM head shares the embedding
	HeadBias  bool // bias on the LM head
	Norm      NormKind
	EmbedNorm bool // a norm behind the embedding (BLOOM)
	// Positions is how many positions have a learned embedding of their own, added to
	// the token's (GPT-2, OPT); 0 is none.
	Positions int
	// LogitCap bounds the logits to ±LogitCap by a tanh (Gemma 2); 0 is none.
	LogitCap   float64
	MaxContext int // longest context it is made for; 0 unknown
	// MTP is how many blocks of multi-token prediction the checkpoint has behind the layers. They
	// draft tokens for the model to verify, and are no part of its layers and parameters.
	MTP    int
	Layers []Layer

	// LayerInput is an embedding that every layer has of its own (Gemma 3n, Gemma 4).
	LayerInput LayerInput
	// AltUp keeps several residual streams, of which each layer works on one (Gemma 3n).
	AltUp AltUp
	// LaurelRank is the rank of a branch beside each mixer that reads what the mixer reads, x
	// (LAuReL, arXiv:2411.07501; Gemma 3n): the stream becomes
	//
	//	(stream + mixer(x) + x + norm(right·left·x))/√2
	//
	// 0 is none. Weights: in each layer laurel.left [rank, width], laurel.right [width,
	// rank] and laurel.norm.
	LaurelRank int
	// LayerScales: behind every layer the stream is scaled by a learned number (Gemma 4).
	LayerScales bool

	// Checkpoint formats: what the weights, the experts' weights and the recurrent
	// states are kept in unless the user says otherwise. Unset means bf16 weights,
	// experts as the other weights, states as the activations.
	WeightDType, ExpertDType, StateDType precision.DType

	// Numerics change what the model computes and nothing of what it costs.
	Numerics Numerics

	// KVDType is the format a checkpoint has scales of its KV cache for, ConvDType that of
	// the convolutions' states; Unset is the activations'.
	KVDType, ConvDType precision.DType
	// EmbeddingStored, HeadStored and FinalNormStored are how the checkpoint stores what
	// is outside the layers; Layer.Stored has the rest.
	EmbeddingStored, HeadStored, FinalNormStored Stored

	// CountingForm is the paper's approximate non-embedding count (appendix A), 0
	// where the family has none.
	CountingForm int64
	// Notes are warnings of the import: things that may matter and were set aside.
	Notes []string
}

// Layer is a token mixer and a feed-forward network, between norms and the residual
// stream as Block says: each behind its own norm and added to the stream unless it says
// otherwise. Either may be nil (Nemotron-H layers have one).
type Layer struct {
	Mixer Mixer
	FFN   FFN
	Block Block
	// Stored is how the checkpoint stores the weights, where that is not WeightDType.
	Stored *StoredWeights
}

// Numerics are numbers that change what a model computes but not what it costs: a factor
// is folded into the weights next to it. Execution needs them; the zero value is what
// most decoders do.
type Numerics struct {
	NormEps       float64 // ε of every norm; 0 is 1e-5
	EmbedScale    float64 // factor of the embedding (Gemma: √width); 0 is 1
	ResidualScale float64 // factor of what a mixer or FFN adds to the stream (Granite); 0 is 1
	LogitScale    float64 // factor of the logits (Cohere, Granite); 0 is 1
	// Factors of what full attention, linear attention and FFNs add to the stream (MiniMax);
	// 0 is 1.
	FullScale, LinearScale, FFNScale float64
	// Parts are factors that Falcon H1 has inside its layers.
	Parts PartScales
}

// PartScales are factors of what goes into a part of a layer, of parts of what its first map
// makes, and of what comes out. The zero value is no such factors.
type PartScales struct {
	AttentionIn, Key, AttentionOut float64
	SSMIn, SSMOut                  float64
	SSM                            [5]float64 // of gate, x, B, C and the time step
	Gate, Down                     float64    // of the MLP's gate, and of what comes out
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
