package costmodel

import (
	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// attention prices softmax attention. Keys and values are made for the rows of b.cacheRows; a
// cross-decoder layer that reads another layer's cache makes none.
//
//	core FLOPs  2·pairs·heads·(head_dim + value_dim)   (differential: fused 6·head_dim, four passes 8)
//	cache read  rows seen·kv_heads·(head_dim + value_dim), × heads/kv_heads where not packed,
//	            × 2 where differential attention runs as four passes
func (b *builder) attention(a arch.Attention) {
	h := b.split("heads", a.Heads)
	k := b.splitKV(a)
	hd, r, kv := a.HeadDim, b.r(), b.cacheRows
	q, inner := h*hd, h*a.Values()
	qRows := q
	if a.OutputGate {
		qRows += inner
	}
	kvElems := k * (hd + a.Values())
	kvRows := kvElems
	if a.KeysAsValues {
		kvRows = k * hd
	}
	w := b.m.Width
	switch {
	case a.Cross():
		b.linear("attn.q", "qkv", w, qRows, r, linearOpts{bias: a.QKVBias})
	case kv != r:
		b.linear("attn.kv", "qkv", w, kvRows, kv, linearOpts{bias: a.QKVBias})
		b.linear("attn.q", "qkv", w, qRows, r, linearOpts{bias: a.QKVBias})
	default:
		b.linear("attn.qkv", "qkv", w, qRows+kvRows, r, linearOpts{bias: a.QKVBias})
	}
	b.heads(a, h, k, r, kv)
	b.outLinear("attn.out", "out", inner, a.OutBias)
}

// heads prices everything between attention's map to queries, keys and values and its map out, for
// h query heads and k key heads: r is the basis of the query rows, kv that of the key rows.
func (b *builder) heads(a arch.Attention, h, k, r, kv int) {
	hd := a.HeadDim
	q, inner := h*hd, h*a.Values()
	b.beforeCore(a, h, k, r, kv)
	b.core(a, h, k)
	if a.Differential {
		weights, flops := 2*float64(hd), 7.0
		if a.DiffNormBare {
			weights, flops = 0, 6
		}
		b.elementwise("attn.combine", Combine, weights, 2*float64(q), float64(q), flops*float64(q), r, "diff_norm")
	}
	if a.OutputGate {
		b.elementwise("attn.gate", Gate, 0, 2*float64(inner), float64(inner), 2*float64(inner), r)
	}
	if a.InnerNorm {
		b.rmsNorm("attn.inner_norm", "inner_norm", inner, inner, r)
	}
}

// beforeCore prices what stands between the map to queries, keys and values and the attention itself:
// norms, rotation, and the keys and values into the cache.
func (b *builder) beforeCore(a arch.Attention, h, k, r, kv int) {
	hd := a.HeadDim
	q, kvElems := h*hd, k*(hd+a.Values())
	ownK := 0.0 // elements of a row's keys that this layer makes itself
	if !a.Cross() {
		ownK = float64(k * hd)
	}
	if a.ValueNorm && !a.Cross() {
		v := float64(k * a.Values())
		b.elementwise("attn.v_norm", InnerNorm, 0, v, v, 3*v, kv)
	}
	if a.QKNorm {
		weights, wk := a.NormWidths()
		if a.QKNormWide || a.QKNormHeads { // each rank norms the heads it has
			weights, wk = q, k*hd
		}
		if !a.Cross() {
			weights += wk
		}
		flops := float64(a.NormFLOPs())
		o := b.elementwise("attn.qk_norm", InnerNorm, float64(weights*a.NormVectors()), float64(q), float64(q), flops*float64(q), r, a.NormNames()...)
		b.act(o, ownK, ownK, kv)
		o.FLOPs[kv] += flops * ownK
	}
	if a.RotaryDim > 0 {
		part := float64(a.RotaryDim) / float64(hd)
		qe, ke := float64(h*a.RotaryDim), ownK*part
		o := b.elementwise("attn.rope", Rotary, 0, qe, qe, 3*qe, r)
		b.act(o, ke, ke, kv)
		o.FLOPs[kv] += 3 * ke
	}
	if !a.Cross() {
		o := b.elementwise("attn.kv_write", CacheStore, 0, float64(kvElems), 0, 0, kv)
		o.KV = b.f.kv
		o.Shape.Window, o.Shape.Chunked = a.Window, a.Chunked
		o.Shape.Out = kvElems
		o.Bytes[CacheWrite][ring] = float64(kvElems) * b.f.kv.Bytes()
	}
}

func (b *builder) core(a arch.Attention, h, k int) {
	hd, vd, r := a.HeadDim, a.Values(), b.r()
	q, inner := float64(h*hd), float64(h*vd)
	reads, flops, out, passes, maps := 1.0, 2*(q+inner), inner, 1, 1.0
	if a.Differential {
		flops, out = 6*q, 2*q
		if b.o.Diff == execution.FourPass {
			reads, flops, passes, maps = 2, 8*q, 4, 2
		}
	}
	o := b.op("attn.core", Attention)
	o.KV = b.f.kv
	o.Shape = Shape{Heads: h, KVHeads: k, HeadDim: (hd + vd + 1) / 2, Window: a.Window, Chunked: a.Chunked, Differential: a.Differential,
		QueryLast: r == seqs, RowsAreSeqs: r == seqs, Passes: passes, Out: int(out), Windowed: a.Window > 0 || a.DeclaredWindow > 0}
	if b.o.KVRead.PerQueryHead(o.Shape.Windowed) {
		reads *= float64(h) / float64(k)
		o.Shape.Again = float64(h) / float64(k)
		o.Shape.Unsplit = b.o.KVRead.KeysUnsplit() && o.Shape.Again > 1
	}
	if a.Sinks {
		b.weights(o, float64(h), "sinks")
	}
	b.act(o, q, out, r)
	o.Bytes[CacheRead][kvRows] = reads * float64(k*(hd+vd)) * b.f.kv.Bytes()
	o.FLOPs[pairs] = flops
	if a.LogitCap > 0 {
		o.FLOPs[pairs] += 3 * maps * float64(h)
	}
	if a.Alibi {
		o.FLOPs[pairs] += 2 * maps * float64(h)
	}
}

// splitKV divides the key-value heads over the ranks; where there are more ranks than heads,
// several ranks hold the same head. Differential attention divides pairs of heads.
func (b *builder) splitKV(a arch.Attention) int {
	if !a.Differential {
		return b.splitOrReplicate("kv_heads", a.KVHeads)
	}
	if a.Heads/2%b.tp != 0 {
		b.fail("tp %d does not divide the %d head pairs of layer %d", b.tp, a.Heads/2, b.layer)
	}
	return 2 * b.splitOrReplicate("kv head pairs", a.KVHeads/2)
}
