package arch

import "fmt"

// MoA is a mixture of attention heads (Zhang et al., arXiv:2210.05144; JetMoE, arXiv:2404.07413):
// a router picks top_k of the experts for each token, each a map to kv_heads queries and a map
// back. Keys and values are made once for all experts. Query head h of an expert attends to kv
// head h, and what the experts map back is added up by their shares.
//
//	y = Σ_e share_e · out_e·attention(q_e·x, K, V) + out_bias
//
// Weights: router [experts, width]; q [kv_heads·head_dim, width] and out [width,
// kv_heads·head_dim] of each expert; kv [2·kv_heads·head_dim, width]; out_bias [width].
type MoA struct {
	Experts, TopK    int
	KVHeads, HeadDim int
	RotaryDim        int // head dims that are rotated; 0 is no positional encoding
	RotaryBase       float64
	Bias             bool // on the sum of what the experts map back

	Numerics MoANumerics
}

// MoANumerics change what the mixer computes and nothing of what it costs.
type MoANumerics struct {
	Rope RopeScaling // how the rotary frequencies are stretched
}

// Kind returns "moa".
func (a MoA) Kind() string { return "moa" }

// Name returns "moa".
func (a MoA) Name() string { return "moa" }

// Shape implements Mixer.
func (a MoA) Shape() string {
	return fmt.Sprintf("%d of %d × %d q, %d kv × %d", a.TopK, a.Experts, a.KVHeads, a.KVHeads, a.HeadDim)
}

// Inner is the width of one expert's queries, kv_heads·head_dim.
func (a MoA) Inner() int { return a.KVHeads * a.HeadDim }

// Attention is the attention of the heads picked. Those that share a kv head are neighbours.
func (a MoA) Attention() Attention {
	return Attention{Heads: a.TopK * a.KVHeads, KVHeads: a.KVHeads, HeadDim: a.HeadDim, RotaryDim: a.RotaryDim, RotaryBase: a.RotaryBase,
		Numerics: AttentionNumerics{Rope: a.Numerics.Rope}}
}

// Router is the choice of experts, as that of a mixture without any.
func (a MoA) Router() MoE { return MoE{Experts: a.Experts, TopK: a.TopK, Inner: a.Inner()} }

// Weights implements Mixer.
func (a MoA) Weights(width int) []Weight {
	n := a.Inner()
	w := []Weight{
		{Name: "router", Shape: []int{a.Experts, width}},
		{Name: "q", Shape: []int{n, width}, Role: Expert, Copies: a.Experts, Active: a.TopK},
		{Name: "kv", Shape: []int{2 * n, width}},
		{Name: "out", Shape: []int{width, n}, Role: Expert, Copies: a.Experts, Active: a.TopK},
	}
	if a.Bias {
		w = append(w, Weight{Name: "out_bias", Shape: []int{width}, Role: Vector})
	}
	return w
}

func (a *MoA) fields() []Field {
	return []Field{
		{Key: "experts", Value: &a.Experts, Doc: "number of experts"},
		{Key: "top_k", Value: &a.TopK, Doc: "experts of one token"},
		{Key: "kv_heads", Value: &a.KVHeads, Doc: "key and value heads, and query heads of an expert"},
		{Key: "head_dim", Value: &a.HeadDim, Doc: "elements of a head"},
		flag("bias", &a.Bias, "bias on the sum of what the experts map back"),
		{Key: "rotary_dim", Value: &a.RotaryDim, AllowZero: true, Default: always(0), Doc: "rotated elements of a head"},
		{Key: "rotary_base", Value: &a.RotaryBase, Default: always(0.0), Doc: "base of the rotary embedding"},
	}
}

func (a MoA) edit(change func([]Field)) Mixer {
	change(a.fields())
	return a
}

func (a MoA) detached() Mixer { return a }

// Stores implements Mixer: keys and values, which the experts share.
func (a MoA) Stores() Storage { return a.Attention().Stores() }

// Reads implements Mixer.
func (a MoA) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: as attention's, of all heads picked.
func (a MoA) HandsOn(kind MemoryKind) int { return a.Attention().HandsOn(kind) }

// Check implements Mixer.
func (a MoA) Check(width int) error {
	if err := a.Router().Check(width); err != nil {
		return err
	}
	return a.Attention().Check(width)
}

// whole implements wholeLayer: the router chooses for queries where keys are made.
func (a MoA) whole() {}
