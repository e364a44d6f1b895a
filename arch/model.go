// Package arch describes decoders: their layers, what each layer stores and reads, and how many
// parameters a model has. It knows nothing of hardware or cost.
//
// Sources: "paper" is Ren et al., Decoder-Hybrid-Decoder Architecture for Efficient Reasoning
// with Long Generation, arXiv:2507.06607v3.
package arch

import "github.com/OWNER/ridgeline/precision"

// The limits on the sizes of a model: a larger number is a typing error, and products of integers
// could overflow.
const (
	MaxLayers    = 4096
	MaxDimension = 1 << 24
)

// NormKind is the normalisation before each mixer, each FFN and the LM head.
type NormKind uint8

// The kinds of norm. RMSNorm has a weight. LayerNorm subtracts the mean first and has a weight
// and a bias, or the weight only (Cohere), or neither (OLMo).
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

// Vectors returns how many vectors of parameters the norm has: a weight, a bias.
func (n NormKind) Vectors() int { return [...]int{1, 2, 1, 0}[n] }

// Bias reports whether the norm has a bias.
func (n NormKind) Bias() bool { return n == LayerNorm }

// FLOPs returns the FLOPs of the norm for one element: 4 for RMSNorm (square, sum, scale,
// weight), and for LayerNorm 6 (sum, difference, square, sum, difference, scale), and 1 each for
// a weight and a bias.
func (n NormKind) FLOPs() int { return [...]int{4, 8, 7, 6}[n] }

// Model is a decoder.
type Model struct {
	Name      string
	Family    string // family it was made by, or "" (see Families)
	Width     int    // d_model
	Vocab     int
	Tied      bool // whether the LM head uses the embedding's matrix
	HeadBias  bool // whether the LM head has a bias
	Norm      NormKind
	EmbedNorm bool // whether there is a norm after the embedding (BLOOM)
	// Positions is how many positions have a learned embedding of their own, which is added to
	// the token's (GPT-2, OPT); 0 for none.
	Positions int
	// LogitCap limits the logits to ±LogitCap by a tanh (Gemma 2); 0 for no limit.
	LogitCap   float64
	MaxContext int // longest context the model was made for, in tokens; 0 where that is not known
	// MTP is how many blocks of multi-token prediction the checkpoint has after the layers. They
	// draft tokens for the model to verify, and count neither as layers nor in the parameters.
	MTP    int
	Layers []Layer

	// LayerInput describes embeddings that layers have of their own (Gemma 3n, Gemma 4).
	LayerInput LayerInput
	// AltUp describes several residual streams, of which each layer works on one (Gemma 3n).
	AltUp AltUp
	// LaurelRank is the rank of a branch beside each mixer that reads what the mixer reads, x
	// (LAuReL, arXiv:2411.07501; Gemma 3n): the stream becomes
	//
	//	(stream + mixer(x) + x + norm(right·left·x))/√2
	//
	// 0 is none. Weights: in each layer laurel.left [rank, width], laurel.right [width,
	// rank] and laurel.norm.
	LaurelRank int
	// LayerScales says that the stream is scaled by a learned number after every layer (Gemma 4).
	LayerScales bool

	// WeightDType, ExpertDType and StateDType are the formats in which a checkpoint stores the
	// weights, the experts' weights and the recurrent states, which apply unless the user says
	// otherwise. Where they are not set, weights are bf16, experts have the format of the other
	// weights, and states that of the activations.
	WeightDType, ExpertDType, StateDType precision.DType

	// Numerics holds what changes the model's results but nothing about its cost.
	Numerics Numerics

	// KVDType is the format of the KV cache for which a checkpoint has scales, and ConvDType that
	// of the convolutions' states. Where they are not set, the format is that of the activations.
	KVDType, ConvDType precision.DType
	// EmbeddingStored, HeadStored and FinalNormStored say how the checkpoint stores what is
	// outside the layers; Layer.Stored says it for the layers.
	EmbeddingStored, HeadStored, FinalNormStored Stored

	// CountingForm is the paper's approximate number of parameters outside the embedding
	// (appendix A), 0 where the paper has no formula for the family.
	CountingForm int64
	// Notes are warnings of the import: parts of a configuration that may matter and were not
	// used.
	Notes []string
}

// Layer is a mixer and a feed-forward network, combined with norms and the residual stream as
// Block says: usually, each has a norm before it and its output is added to the stream. Either
// may be nil (a Nemotron-H layer has only one of them).
type Layer struct {
	Mixer Mixer
	FFN   FFN
	Block Block
	// Stored says how the checkpoint stores the weights that are not stored in WeightDType.
	Stored *StoredWeights
}

// Numerics are numbers that change what a model computes but not what that costs: a factor is
// multiplied into the weights next to it. Execution needs them; the zero value is right for most
// decoders.
type Numerics struct {
	NormEps       float64 // ε of every norm; 0 is 1e-5
	EmbedScale    float64 // factor of the embedding (Gemma: √width); 0 is 1
	ResidualScale float64 // factor of what a mixer or FFN adds to the stream (Granite); 0 is 1
	LogitScale    float64 // factor of the logits (Cohere, Granite); 0 is 1
	// FullScale, LinearScale and FFNScale are factors of what full attention, linear attention
	// and FFNs add to the stream (MiniMax); 0 stands for 1.
	FullScale, LinearScale, FFNScale float64
	// Parts holds factors that Falcon H1 has inside its layers.
	Parts PartScales
}

// PartScales holds factors of the inputs of a layer's parts, of parts of their first map's
// output, and of their outputs. The zero value stands for no such factors.
type PartScales struct {
	AttentionIn, Key, AttentionOut float64
	SSMIn, SSMOut                  float64
	SSM                            [5]float64 // factors of gate, x, B, C and the time step
	Gate, Down                     float64    // factors of the MLP's gate, and of its output
}

// Ref points at another layer; the zero value points nowhere.
type Ref int

// To returns a reference to layer i (0-based).
func To(i int) Ref { return Ref(i + 1) }

// Layer returns the 0-based layer and whether there is one.
func (r Ref) Layer() (int, bool) { return int(r) - 1, r > 0 }

// Role says what a weight is for, which decides its format and how it is counted.
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
