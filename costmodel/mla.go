package costmodel

import "github.com/OWNER/ridgeline/arch"

// latentAttention prices multi-head latent attention. The ranks divide the heads; each rank holds
// all latents and everything that makes them.
//
//	absorbed   scores and sums over the latents, which all heads read once a sequence:
//	           FLOPs pairs·heads·2·(2·kv_rank + rope_dim), and 2·kv_rank·(nope_dim + value_dim)
//	           a head and row around it
//	expanded   K and V of every position are made again from the latents: FLOPs
//	           pairs·heads·2·(nope_dim + rope_dim + value_dim), and
//	           2·kv_rank·(nope_dim + value_dim) a head and cached position before it
//
// A decode step is absorbed, a prefill expanded. With an indexer both are absorbed: each
// query gathers the latents it picked.
func (b *builder) latentAttention(a arch.MLA) {
	h := b.split("heads", a.Heads)
	r, kv, w := b.r(), b.cacheRows, b.m.Width
	rope, latent := float64(a.RopeDim), a.LatentElements()
	if a.QRank > 0 {
		b.linear("mla.q_down", "q_down", w, a.QRank, r, linearOpts{bias: a.Bias})
		b.rmsNorm("mla.q_norm", "q_norm", a.QRank, a.QRank, r)
		b.linear("mla.q_up", "q_up", a.QRank, h*a.QueryDim(), r, linearOpts{})
	} else {
		b.linear("mla.q", "q", w, h*a.QueryDim(), r, linearOpts{})
	}
	b.linear("mla.kv_down", "kv_down", w, latent, kv, linearOpts{bias: a.Bias})
	b.rmsNorm("mla.kv_norm", "kv_norm", a.KVRank, a.KVRank, kv)
	if !a.Unrotated {
		b.rotated("mla.rope", float64(h)*rope, rope, r, kv)
	}
	b.cacheWrite("mla.kv_write", latent, kv)
	if a.Indexed() {
		b.indexer(a, r, kv)
	}
	from := len(b.ops)
	phase := EveryPhase
	switch {
	case a.IndexTopK > 0:
		b.absorbed(a, h, r)
	case b.step:
		b.absorbed(a, h, r)
		phase = StepOnly
	default:
		b.expanded(a, h, r)
		phase = PromptOnly
	}
	b.phased = b.phased || phase != EveryPhase
	for i := from; i < len(b.ops); i++ {
		b.ops[i].Only = phase
	}
	b.outLinear("mla.out", "out", h*a.ValueDim, a.Bias)
}

// rotated prices rotary position embedding of q elements of each query row and k of each key row.
func (b *builder) rotated(name string, q, k float64, r, kv int) {
	o := b.elementwise(name, Rotary, 0, q, q, 3*q, r)
	b.act(o, k, k, kv)
	o.FLOPs[kv] += 3 * k
}

// cacheWrite stores n elements of each new position.
func (b *builder) cacheWrite(name string, n, kv int) {
	o := b.elementwise(name, CacheStore, 0, float64(n), 0, 0, kv)
	o.KV = b.f.kv
	o.Shape.Out = n
	o.Bytes[CacheWrite][ring] = float64(n) * b.f.kv.Bytes()
}

// absorbed multiplies each query head by its keys' map, attends to the latents themselves,
// and multiplies what comes out by the values' map.
func (b *builder) absorbed(a arch.MLA, h, r int) {
	latent := a.LatentElements()
	b.perHead("mla.absorb_q", a, h, a.NopeDim, a.KVRank, r)
	o := b.op("mla.core", Attention)
	o.KV = b.f.kv
	// Of a prompt, the nearest measured kernel has one KV head that reads as many elements a position.
	o.Shape = Shape{Heads: h, KVHeads: 1, HeadDim: (latent + 1) / 2, Window: a.IndexTopK, QueryLast: r == seqs, RowsAreSeqs: r == seqs,
		Passes: 1, Latent: true, Rank: a.KVRank, Rope: a.RopeDim, Out: h * a.KVRank}
	b.act(o, float64(h*latent), float64(h*a.KVRank), r)
	o.FLOPs[pairs] = float64(2 * h * (latent + a.KVRank))
	if a.IndexTopK > 0 {
		b.act(o, float64(a.IndexTopK), 0, r) // the numbers of the positions picked
		o.Bytes[CacheRead][pairs] = float64(latent) * b.f.kv.Bytes()
	} else {
		o.Bytes[CacheRead][kvRows] = float64(latent) * b.f.kv.Bytes()
	}
	b.perHead("mla.absorb_v", a, h, a.KVRank, a.ValueDim, r)
}

// perHead prices a product of each head with a map of its own, which is a part of kv_up.
func (b *builder) perHead(name string, a arch.MLA, h, in, out, r int) {
	i, n := float64(in), float64(h*out)
	o := b.op(name, Product)
	o.Shape = Shape{In: in, Out: h * out, RowsAreSeqs: r == seqs}
	made := h * (a.NopeDim + a.ValueDim)
	b.reads(o, "kv_up", made, a.KVRank, one, layerMap)
	o.Bytes[Weights][one] = o.Bytes[Weights][one] / float64(made*a.KVRank) * i * n
	b.act(o, float64(h)*i, n, r)
	o.FLOPs[r] = 2 * i * n
}

// expanded makes keys and values of all cached positions for every head, and attends to
// them; the rotated part of the keys is read from the cache.
func (b *builder) expanded(a arch.MLA, h, r int) {
	made := h * (a.NopeDim + a.ValueDim)
	up := b.op("mla.kv_up", Product)
	up.KV = b.f.kv
	up.Shape = Shape{In: a.KVRank, Out: made, QueryLast: r == seqs}
	b.reads(up, "kv_up", made, a.KVRank, one, layerMap)
	b.act(up, 0, float64(made), kvRows)
	up.Bytes[CacheRead][kvRows] = float64(a.KVRank) * b.f.kv.Bytes()
	up.FLOPs[kvRows] = float64(2 * a.KVRank * made)
	o := b.op("mla.core", Attention)
	o.KV = b.f.act
	// The measured kernels have values as wide as keys, so each is given the mean width, which
	// moves as many bytes.
	o.Shape = Shape{Heads: h, KVHeads: h, HeadDim: (a.QueryDim() + a.ValueDim + 1) / 2, QueryLast: r == seqs, RowsAreSeqs: r == seqs,
		Passes: 1, Latent: true, Out: h * a.ValueDim}
	b.act(o, float64(h*a.QueryDim()), float64(h*a.ValueDim), r)
	b.act(o, float64(made), 0, kvRows)
	o.Bytes[CacheRead][kvRows] = float64(a.RopeDim) * b.f.kv.Bytes()
	o.FLOPs[pairs] = float64(2 * h * (a.QueryDim() + a.ValueDim))
}

// indexer scores every position for each query and picks the best. Each rank does all of
// it.
func (b *builder) indexer(a arch.MLA, r, kv int) {
	d, n, all := a.IndexDim, a.IndexHeads, float64(a.IndexHeads*a.IndexDim)
	rope := float64(a.RopeDim)
	b.linear("mla.index_q", "index_q", a.QRank, n*d, r, linearOpts{})
	b.linear("mla.index_k", "index_k", b.m.Width, d, kv, linearOpts{})
	b.elementwise("mla.index_norm", InnerNorm, float64(2*d), float64(d), float64(d), 8*float64(d), kv, "index_norm", "index_norm_bias")
	b.rotated("mla.index_rope", float64(n)*rope, rope, r, kv)
	b.linear("mla.index_weights", "index_weights", b.m.Width, n, r, linearOpts{})
	b.cacheWrite("mla.index_write", d, kv)
	o := b.op("mla.index", Attention)
	o.KV = b.f.kv
	o.Shape = Shape{Heads: n, KVHeads: 1, HeadDim: (d + 1) / 2, QueryLast: r == seqs, RowsAreSeqs: r == seqs, Passes: 1, Latent: true, Out: n}
	b.act(o, all+float64(n), 0, r)
	o.Bytes[CacheRead][kvRows] = float64(d) * b.f.kv.Bytes()
	o.FLOPs[pairs] = float64(n * (2*d + 3))
	b.act(o, 0, 1, pairs)
	s := b.elementwise("mla.select", Routing, 0, 0, float64(a.IndexTopK), 0, r)
	s.Shape.QueryLast = r == seqs
	b.act(s, 1, 0, pairs)
}
