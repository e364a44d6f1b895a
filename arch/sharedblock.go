package arch

import (
	"fmt"
	"math"
)

// SharedBlock is a whole Transformer block, without a residual stream of its own, whose
// weights several layers may use (Zamba, arXiv:2405.16712; Zamba 2, arXiv:2411.15242): they
// are stored once and read by each. It reads the token's embedding e beside its input x,
//
//	z = norm₂(attention(norm₁([x; e])))
//	y = out·(down·(act(gate)⊙up))      gate, up of z
//
// and caches keys and values of its own in every layer. What is not shared are out and the
// adapters: low-rank maps added to the map up, and to queries, keys and values.
//
// Weights, with q = heads·head_dim and n = q + 2·kv_heads·head_dim: norm [2·width], qkv
// [n, 2·width], attn_out [width, q], ffn_norm [width], up [2·inner, width] (gate rows first),
// down [width, inner]; of each use out [width, width], with adapter up_low [adapter, width] and
// up_high [2·inner, adapter], with attention_adapter qkv_low [3·rank, 2·width] and qkv_high
// [n, rank].
type SharedBlock struct {
	Heads, KVHeads, HeadDim int
	RotaryDim               int // head dims that are rotated; 0 is no positional encoding
	RotaryBase              float64
	Inner                   int
	Act                     Activation
	Adapter                 int // rank of what each use adds to the map up; 0 is none
	AttentionAdapter        int // rank of what each use adds to queries, keys and values; 0 is none

	Numerics SharedBlockNumerics

	// WeightsOf is the layer whose weights are used; unset means its own, stored here.
	WeightsOf Ref
}

// SharedBlockNumerics change what the block computes and nothing of what it costs.
type SharedBlockNumerics struct {
	Rope RopeScaling // how the rotary frequencies are stretched
}

// Kind returns "shared_block".
func (s SharedBlock) Kind() string { return "shared_block" }

// Name returns "shared", or "reused" where the weights are those of another layer.
func (s SharedBlock) Name() string {
	if s.WeightsOf > 0 {
		return "reused"
	}
	return "shared"
}

// Shape implements Mixer.
func (s SharedBlock) Shape() string {
	return fmt.Sprintf("%d q, %d kv × %d, swiglu %d", s.Heads, s.KVHeads, s.HeadDim, s.Inner)
}

// Attention is the attention of the block between its maps. Its scores are scaled by the root
// of half a head, for half of its input is the embedding.
func (s SharedBlock) Attention() Attention {
	return Attention{Heads: s.Heads, KVHeads: s.KVHeads, HeadDim: s.HeadDim, RotaryDim: s.RotaryDim, RotaryBase: s.RotaryBase,
		Numerics: AttentionNumerics{Scale: 1 / math.Sqrt(float64(s.HeadDim)/2), Rope: s.Numerics.Rope}}
}

// QKVRows is how many rows the map to queries, keys and values has.
func (s SharedBlock) QKVRows() int { return (s.Heads + 2*s.KVHeads) * s.HeadDim }

// SharedWeights lists the tensors that uses of the block share.
func (s SharedBlock) SharedWeights(width int) []Weight {
	return []Weight{
		{Name: "norm", Shape: []int{2 * width}, Role: Vector},
		{Name: "qkv", Shape: []int{s.QKVRows(), 2 * width}},
		{Name: "attn_out", Shape: []int{width, s.Heads * s.HeadDim}},
		{Name: "ffn_norm", Shape: []int{width}, Role: Vector},
		{Name: "up", Shape: []int{2 * s.Inner, width}},
		{Name: "down", Shape: []int{width, s.Inner}},
	}
}

// Weights implements Mixer.
func (s SharedBlock) Weights(width int) []Weight {
	var w []Weight
	if s.WeightsOf == 0 {
		w = s.SharedWeights(width)
	}
	if r := s.AttentionAdapter; r > 0 {
		w = append(w, Weight{Name: "qkv_low", Shape: []int{3 * r, 2 * width}}, Weight{Name: "qkv_high", Shape: []int{s.QKVRows(), r}})
	}
	if r := s.Adapter; r > 0 {
		w = append(w, Weight{Name: "up_low", Shape: []int{r, width}}, Weight{Name: "up_high", Shape: []int{2 * s.Inner, r}})
	}
	return append(w, Weight{Name: "out", Shape: []int{width, width}})
}

// Check implements Mixer.
func (s SharedBlock) Check(width int) error {
	if err := positive("inner", s.Inner); err != nil {
		return err
	}
	if s.Adapter < 0 || s.AttentionAdapter < 0 || max(s.Adapter, s.AttentionAdapter) > MaxDimension {
		return fmt.Errorf("adapter %d and attention_adapter %d are not from 0 to %d", s.Adapter, s.AttentionAdapter, MaxDimension)
	}
	if err := checkActivation(s.Act, true); err != nil {
		return err
	}
	return s.Attention().Check(width)
}

func (s *SharedBlock) fields() []Field {
	return []Field{
		{Key: "heads", Value: &s.Heads, Doc: "query heads"},
		{Key: "kv_heads", Value: &s.KVHeads, Shown: true, Default: func(int) any { return s.Heads }, Doc: "key and value heads"},
		{Key: "head_dim", Value: &s.HeadDim, Doc: "elements of a head"},
		{Key: "inner", Value: &s.Inner, Doc: "inner width of the gated network"},
		{Key: "activation", Value: &s.Act, Default: always(GELU), Doc: "silu, relu, relu2, gelu, gelu_tanh or clamped_swiglu"},
		{Key: "adapter", Value: &s.Adapter, AllowZero: true, Default: always(0), Doc: "rank of what each use adds to the map up; 0: none"},
		{Key: "attention_adapter", Value: &s.AttentionAdapter, AllowZero: true, Default: always(0),
			Doc: "rank of what each use adds to queries, keys and values; 0: none"},
		{Key: "rotary_dim", Value: &s.RotaryDim, AllowZero: true, Default: always(0), Doc: "rotated elements of a head"},
		{Key: "rotary_base", Value: &s.RotaryBase, Default: always(0.0), Doc: "base of the rotary embedding"},
	}
}

func (s SharedBlock) edit(change func([]Field)) Mixer {
	change(s.fields())
	return s
}

func (s SharedBlock) detached() Mixer {
	s.WeightsOf = 0
	return s
}

// Stores implements Mixer: each use has a cache of its own.
func (s SharedBlock) Stores() Storage { return s.Attention().Stores() }

// Reads implements Mixer.
func (s SharedBlock) Reads() Reads { return Reads{Weights: s.WeightsOf, Embedding: true} }

// HandsOn implements Mixer: its attention's inner output, as attention's.
func (s SharedBlock) HandsOn(kind MemoryKind) int { return s.Attention().HandsOn(kind) }

// usingWeights implements WeightUser.
func (s SharedBlock) usingWeights(layer Ref) Mixer {
	s.WeightsOf = layer
	return s
}

// whole implements wholeLayer: queries are made where keys are.
func (s SharedBlock) whole() {}
