package costmodel

import "github.com/OWNER/ridgeline/arch"

// blockSparse prices attention to the blocks that an indexer picks. Up to top_blocks·block
// positions a query sees all of them; past that it works whole blocks, the masked part of its own
// among them, for each kv head blocks of its own:
//
//	index FLOPs  pairs·kv_heads·(2·index_dim + 1)          of all positions; 1 for the maximum of a block
//	core FLOPs   pairs·heads·4·head_dim                    of min(position + 1, top_blocks·block)
//
// The scores of blocks stay on the chip, and each query gathers the keys and values it picked.
func (b *builder) blockSparse(a arch.BlockSparse) {
	at := a.Attention()
	h, k, w, r := b.split("heads", a.Heads), b.splitKV(at), b.m.Width, b.r()
	hd, d := a.HeadDim, a.IndexDim
	b.linear("attn.qkv", "qkv", w, (h+2*k)*hd, r, linearOpts{})
	b.beforeCore(at, h, k, r, r)
	b.linear("bsa.index_q", "index_q", w, k*d, r, linearOpts{})
	b.linear("bsa.index_k", "index_k", w, d, r, linearOpts{})
	made := float64((k + 1) * d)
	b.elementwise("bsa.index_norm", InnerNorm, float64(2*d), made, made, 4*made, r, "index_q_norm", "index_k_norm")
	if a.RotaryDim > 0 {
		b.rotated("bsa.index_rope", float64(k*a.RotaryDim), float64(a.RotaryDim), r, r)
	}
	b.cacheWrite("bsa.index_write", d, r)
	picks := float64(k * a.TopBlocks)
	o := b.op("bsa.index", Attention)
	o.KV = b.f.kv
	o.Shape = Shape{Heads: k, KVHeads: 1, HeadDim: (d + 1) / 2, QueryLast: r == seqs, RowsAreSeqs: r == seqs, Passes: 1, Latent: true, Out: k}
	b.act(o, float64(k*d), picks, r)
	o.Bytes[CacheRead][kvRows] = float64(d) * b.f.kv.Bytes()
	o.FLOPs[pairs] = float64(k * (2*d + 1))
	o = b.op("bsa.core", Attention)
	o.KV = b.f.kv
	o.Shape = Shape{Heads: h, KVHeads: k, HeadDim: hd, Window: a.Picked(), QueryLast: r == seqs, RowsAreSeqs: r == seqs, Passes: 1, Out: h * hd}
	b.act(o, float64(h*hd)+picks, float64(h*hd), r)
	o.Bytes[CacheRead][pairs] = float64(2*k*hd) * b.f.kv.Bytes()
	o.FLOPs[pairs] = float64(4 * h * hd)
	b.outLinear("attn.out", "out", h*hd, false)
}
