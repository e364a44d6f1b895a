package arch

import "fmt"

// BlockSparse is attention to blocks of positions that an indexer picks (MiniMax-M3; as in Native
// Sparse Attention, arXiv:2502.11089, the keys of a group of query heads are picked together). The
// indexer has a query head for each kv head and one key a position, which is cached beside keys
// and values:
//
//	score_g(block) = max over its positions p of q_g·k_p      of kv head g
//
// A query sees, for each kv head, the top_blocks best blocks of block positions among those begun;
// the local_blocks nearest, its own among them, are always picked.
//
// Weights: qkv [(heads + 2·kv_heads)·head_dim, width], out [width, heads·head_dim], with qk_norm
// q_norm and k_norm [head_dim]; index_q [kv_heads·index_dim, width], index_k [index_dim, width],
// index_q_norm and index_k_norm [index_dim].
type BlockSparse struct {
	Heads, KVHeads, HeadDim int
	QKNorm                  bool // RMSNorm on each query and key head
	RotaryDim               int  // head dims that are rotated, of the indexer too; 0 is no positional encoding
	RotaryBase              float64

	Block       int // positions of a block
	TopBlocks   int // blocks that a query sees
	LocalBlocks int // of them those nearest, whatever their scores
	IndexDim    int // elements of a head of the indexer

	Numerics BlockSparseNumerics
}

// BlockSparseNumerics change what the mixer computes and nothing of what it costs.
type BlockSparseNumerics struct {
	Rope RopeScaling // how the rotary frequencies are stretched
}

// Kind returns "block_sparse".
func (a BlockSparse) Kind() string { return "block_sparse" }

// Name returns "block_sparse".
func (a BlockSparse) Name() string { return "block_sparse" }

// Shape implements Mixer.
func (a BlockSparse) Shape() string {
	return fmt.Sprintf("%d q, %d kv × %d, picks %d blocks of %d by %d × %d", a.Heads, a.KVHeads, a.HeadDim, a.TopBlocks, a.Block, a.KVHeads, a.IndexDim)
}

// Attention is the attention without the picking.
func (a BlockSparse) Attention() Attention {
	return Attention{Heads: a.Heads, KVHeads: a.KVHeads, HeadDim: a.HeadDim, QKNorm: a.QKNorm, RotaryDim: a.RotaryDim, RotaryBase: a.RotaryBase,
		Numerics: AttentionNumerics{Rope: a.Numerics.Rope}}
}

// Picked is the most positions a query sees, top_blocks·block.
func (a BlockSparse) Picked() int { return a.TopBlocks * a.Block }

// Weights implements Mixer.
func (a BlockSparse) Weights(width int) []Weight {
	w := a.Attention().Weights(width)
	return append(w,
		Weight{Name: "index_q", Shape: []int{a.KVHeads * a.IndexDim, width}}, Weight{Name: "index_k", Shape: []int{a.IndexDim, width}},
		Weight{Name: "index_q_norm", Shape: []int{a.IndexDim}, Role: Vector}, Weight{Name: "index_k_norm", Shape: []int{a.IndexDim}, Role: Vector})
}

func (a *BlockSparse) fields() []Field {
	return []Field{
		{Key: "heads", Value: &a.Heads, Doc: "query heads"},
		{Key: "kv_heads", Value: &a.KVHeads, Shown: true, Default: func(int) any { return a.Heads }, Doc: "key and value heads, and query heads of the indexer"},
		{Key: "head_dim", Value: &a.HeadDim, Doc: "elements of a head"},
		flag("qk_norm", &a.QKNorm, "RMSNorm on each query and key head"),
		{Key: "rotary_dim", Value: &a.RotaryDim, AllowZero: true, Default: always(0), Doc: "rotated elements of a head, of the indexer too"},
		{Key: "rotary_base", Value: &a.RotaryBase, Default: always(0.0), Doc: "base of the rotary embedding"},
		{Key: "block_size", Value: &a.Block, Doc: "positions of a block"},
		{Key: "top_blocks", Value: &a.TopBlocks, Doc: "blocks that a query sees"},
		{Key: "local_blocks", Value: &a.LocalBlocks, Default: always(1), Doc: "of them those nearest, whatever their scores"},
		{Key: "index_dim", Value: &a.IndexDim, Doc: "elements of a head of the indexer"},
	}
}

func (a BlockSparse) edit(change func([]Field)) Mixer {
	change(a.fields())
	return a
}

func (a BlockSparse) detached() Mixer { return a }

// Stores implements Mixer: keys and values, and the indexer's key.
func (a BlockSparse) Stores() Storage {
	kv := a.Attention().Stores().CacheElements
	return Storage{CacheElements: kv + a.IndexDim, PickedElements: kv, Picked: a.Picked()}
}

// Reads implements Mixer.
func (a BlockSparse) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: as attention's.
func (a BlockSparse) HandsOn(kind MemoryKind) int { return a.Attention().HandsOn(kind) }

// Check implements Mixer.
func (a BlockSparse) Check(width int) error {
	if err := positive("block_size", a.Block, "top_blocks", a.TopBlocks, "local_blocks", a.LocalBlocks, "index_dim", a.IndexDim); err != nil {
		return err
	}
	if a.LocalBlocks > a.TopBlocks {
		return fmt.Errorf("local_blocks %d is more than top_blocks %d", a.LocalBlocks, a.TopBlocks)
	}
	if a.RotaryDim > a.IndexDim {
		return fmt.Errorf("rotary_dim %d is more than index_dim %d, of which as many are rotated", a.RotaryDim, a.IndexDim)
	}
	return a.Attention().Check(width)
}

// whole implements wholeLayer: blocks are picked for the rows that keys are made of.
func (a BlockSparse) whole() {}
