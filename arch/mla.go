package arch

import "fmt"

// MLA is multi-head latent attention (DeepSeek-V2, arXiv:2405.04434 §2.1): keys and values
// of all heads are made from one latent vector a position, which alone is cached, beside a
// rotated key that all heads share.
//
//	c = norm(kv_down·x)         [kv_rank], and k_rope [rope_dim]: the cache of a position
//	k_h, v_h = kv_up_h·c        [nope_dim], [value_dim] of head h
//	q_h                         [nope_dim + rope_dim], from x or from a latent of its own
//
// Weights: q [heads·(nope_dim+rope_dim), width], or with q_rank q_down [q_rank, width],
// q_norm [q_rank] and q_up [heads·(nope_dim+rope_dim), q_rank]; kv_down [kv_rank+rope_dim,
// width], kv_norm [kv_rank], kv_up [heads·(nope_dim+value_dim), kv_rank] (by head: keys,
// values), out [width, heads·value_dim].
//
// With IndexTopK an indexer picks the positions a query sees (DeepSeek Sparse Attention,
// DeepSeek-V3.2): it scores all of them with small heads of its own against one key a
// position, which is cached too, and attention reads the latents of the best alone.
//
//	score(p) = Σ_h w_h·relu(q_h·k_p)    for index_heads heads of index_dim
//
// A layer may see the positions that the indexer of an earlier layer picked (GLM-5.2): it then
// has index_top_k, and no indexer of its own.
//
// Its weights: index_q [index_heads·index_dim, q_rank], index_k [index_dim, width],
// index_norm (weight and bias, [index_dim]), index_weights [index_heads, width].
type MLA struct {
	Heads    int
	QRank    int // 0: queries are made from the input directly
	KVRank   int
	NopeDim  int // elements of a query and key head that are not rotated
	RopeDim  int // rotated ones
	ValueDim int
	Bias     bool // on the maps down and out

	IndexTopK            int // positions a query sees; 0 is all, without an indexer
	IndexHeads, IndexDim int // 0 where an earlier layer's indexer picks
	RotaryBase           float64

	// PicksOf is the layer whose picks are taken over; unset means an indexer of its own.
	PicksOf Ref

	// Unrotated leaves queries and keys as they are: no positional encoding (Kimi Linear).
	Unrotated bool

	Numerics MLANumerics
}

// MLANumerics change what latent attention computes and nothing of what it costs.
type MLANumerics struct {
	Scale         float64     // factor of the scores; 0 is 1/√(nope_dim + rope_dim)
	NormEps       float64     // ε of the norms of the latents; 0 is the model's
	Rope          RopeScaling // how the rotary frequencies are stretched
	IndexAdjacent bool        // the indexer rotates pairs of neighbours

	// Queries at position p, from 0, are scaled by 1 + Temperature·ln(1 + ⌊p/TemperatureFloor⌋)
	// (Mistral 4); 0 is none.
	Temperature, TemperatureFloor float64
}

// Kind returns "mla".
func (a MLA) Kind() string { return "mla" }

// Name returns "mla", "dsa" where an indexer picks positions, or "dsa_shared" where the indexer
// is an earlier layer's.
func (a MLA) Name() string {
	switch {
	case a.Indexed():
		return "dsa"
	case a.IndexTopK > 0:
		return "dsa_shared"
	}
	return "mla"
}

// Indexed reports whether there is an indexer in the layer.
func (a MLA) Indexed() bool { return a.IndexTopK > 0 && a.IndexHeads > 0 }

// Shape implements Mixer.
func (a MLA) Shape() string {
	s := fmt.Sprintf("%d q × %d, latent %d+%d", a.Heads, a.QueryDim(), a.KVRank, a.RopeDim)
	switch {
	case a.Indexed():
		s += fmt.Sprintf(", picks %d by %d × %d", a.IndexTopK, a.IndexHeads, a.IndexDim)
	case a.IndexTopK > 0:
		s += fmt.Sprintf(", %d picked earlier", a.IndexTopK)
	}
	return s
}

// QueryDim is the elements of a query head, nope_dim + rope_dim.
func (a MLA) QueryDim() int { return a.NopeDim + a.RopeDim }

// LatentElements is what a position leaves in the cache of latents: kv_rank + rope_dim.
func (a MLA) LatentElements() int { return a.KVRank + a.RopeDim }

// Inner is the width of the inner output, heads·value_dim.
func (a MLA) Inner() int { return a.Heads * a.ValueDim }

// Weights implements Mixer.
func (a MLA) Weights(width int) []Weight {
	var w []Weight
	bias := func(name string, n int) {
		if a.Bias {
			w = append(w, Weight{Name: name, Shape: []int{n}, Role: Vector})
		}
	}
	if a.QRank > 0 {
		w = append(w, Weight{Name: "q_down", Shape: []int{a.QRank, width}})
		bias("q_down_bias", a.QRank)
		w = append(w, Weight{Name: "q_norm", Shape: []int{a.QRank}, Role: Vector},
			Weight{Name: "q_up", Shape: []int{a.Heads * a.QueryDim(), a.QRank}})
	} else {
		w = append(w, Weight{Name: "q", Shape: []int{a.Heads * a.QueryDim(), width}})
	}
	w = append(w, Weight{Name: "kv_down", Shape: []int{a.LatentElements(), width}})
	bias("kv_down_bias", a.LatentElements())
	w = append(w, Weight{Name: "kv_norm", Shape: []int{a.KVRank}, Role: Vector},
		Weight{Name: "kv_up", Shape: []int{a.Heads * (a.NopeDim + a.ValueDim), a.KVRank}},
		Weight{Name: "out", Shape: []int{width, a.Inner()}})
	bias("out_bias", width)
	if a.Indexed() {
		w = append(w, Weight{Name: "index_q", Shape: []int{a.IndexHeads * a.IndexDim, a.QRank}},
			Weight{Name: "index_k", Shape: []int{a.IndexDim, width}},
			Weight{Name: "index_norm", Shape: []int{a.IndexDim}, Role: Vector},
			Weight{Name: "index_norm_bias", Shape: []int{a.IndexDim}, Role: Vector},
			Weight{Name: "index_weights", Shape: []int{a.IndexHeads, width}})
	}
	return w
}

func (a *MLA) fields() []Field {
	return []Field{
		{Key: "heads", Value: &a.Heads, Doc: "query heads"},
		{Key: "q_rank", Value: &a.QRank, AllowZero: true, Shown: true, Default: always(0), Doc: "elements of the latent that queries are made from; 0: from the input"},
		{Key: "kv_rank", Value: &a.KVRank, Vary: func(n int) { a.KVRank = n }, Doc: "elements of the latent that keys and values are made from"},
		{Key: "nope_dim", Value: &a.NopeDim, Doc: "elements of a query and key head that are not rotated"},
		{Key: "rope_dim", Value: &a.RopeDim, Doc: "rotated elements of a query head, and of the key that all heads share"},
		{Key: "value_dim", Value: &a.ValueDim, Shown: true, Default: func(int) any { return a.NopeDim }, Doc: "elements of a value head"},
		flag("bias", &a.Bias, "bias on the maps down and out"),
		flag("unrotated", &a.Unrotated, "no positional encoding: rope_dim elements are shared by all heads' keys, but not rotated"),
		{Key: "rotary_base", Value: &a.RotaryBase, Default: always(0.0), Doc: "base of the rotary embedding"},
		{Key: "index_top_k", Value: &a.IndexTopK, AllowZero: true, Default: always(0), Doc: "positions that an indexer picks for a query; 0: no indexer"},
		{Key: "index_heads", Value: &a.IndexHeads, AllowZero: true, Default: always(0), Doc: "heads of the indexer"},
		{Key: "index_dim", Value: &a.IndexDim, AllowZero: true, Default: always(0), Doc: "elements of a head of the indexer"},
	}
}

func (a MLA) edit(change func([]Field)) Mixer {
	change(a.fields())
	return a
}

func (a MLA) detached() Mixer {
	a.PicksOf = 0
	return a
}

// Stores implements Mixer: the latent and the rotated key, and the indexer's key where there is one.
func (a MLA) Stores() Storage {
	if a.IndexTopK == 0 {
		return Storage{CacheElements: a.LatentElements()}
	}
	return Storage{CacheElements: a.LatentElements() + a.IndexDim, PickedElements: a.LatentElements(), Picked: a.IndexTopK}
}

// takingPicks implements PickReader.
func (a MLA) takingPicks(layer Ref) Mixer {
	a.PicksOf, a.IndexHeads, a.IndexDim = layer, 0, 0
	return a
}

// fitsPicks implements PickReader.
func (a MLA) fitsPicks(owner Mixer) error {
	if n := owner.Stores().Picked; n != a.IndexTopK {
		return fmt.Errorf("sees %d positions, but %d were picked", a.IndexTopK, n)
	}
	return nil
}

// ExpandedCacheElements is what Transformers caches of a position: the latents, but where an
// indexer picks positions the keys and values of all heads, which engines do not keep.
func (a MLA) ExpandedCacheElements() int {
	if a.IndexTopK == 0 {
		return a.LatentElements()
	}
	return a.Heads * (a.QueryDim() + a.ValueDim)
}

// Reads implements Mixer.
func (a MLA) Reads() Reads { return Reads{Picks: a.PicksOf} }

// HandsOn implements Mixer: as attention's, its memory is its inner output.
func (a MLA) HandsOn(kind MemoryKind) int {
	if kind == AttentionMemory {
		return a.Inner()
	}
	return 0
}

// Check implements Mixer.
func (a MLA) Check(int) error {
	if err := positive("heads", a.Heads, "kv_rank", a.KVRank, "nope_dim", a.NopeDim, "rope_dim", a.RopeDim, "value_dim", a.ValueDim); err != nil {
		return err
	}
	if a.QRank < 0 || a.QRank > MaxDimension {
		return fmt.Errorf("q_rank %d is not from 0 to %d", a.QRank, MaxDimension)
	}
	if a.RopeDim%2 != 0 {
		return fmt.Errorf("rope_dim %d is odd: rotated elements are pairs", a.RopeDim)
	}
	if a.IndexTopK == 0 {
		if a.IndexHeads != 0 || a.IndexDim != 0 || a.PicksOf != 0 {
			return fmt.Errorf("index_heads, index_dim and picks need an index_top_k")
		}
		return nil
	}
	if err := positive("index_top_k", a.IndexTopK); err != nil {
		return err
	}
	if a.PicksOf > 0 {
		if a.IndexHeads != 0 || a.IndexDim != 0 {
			return fmt.Errorf("the picks of another layer are taken over: index_heads and index_dim must be 0")
		}
		return nil
	}
	if err := positive("index_heads", a.IndexHeads, "index_dim", a.IndexDim); err != nil {
		return err
	}
	if a.QRank == 0 {
		return fmt.Errorf("an indexer makes its queries from the queries' latent: q_rank must be positive")
	}
	if a.Unrotated {
		return fmt.Errorf("an indexer rotates what it compares: not with unrotated")
	}
	if a.IndexDim < a.RopeDim {
		return fmt.Errorf("index_dim %d is less than rope_dim %d, which of it is rotated", a.IndexDim, a.RopeDim)
	}
	return nil
}
