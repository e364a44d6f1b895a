package costmodel

import (
	"strconv"

	"github.com/OWNER/ridgeline/arch"
)

// sharedBlock prices a Transformer block whose weights several layers use: every such layer reads
// them, and the first one stores them. Ranks of a tensor-parallel group divide heads and inner
// width; each rank holds all norms, low-rank down projections and the last map.
func (b *builder) sharedBlock(s arch.SharedBlock) {
	a, own, shared := s.Attention(), b.storage, b.storage
	if l, ok := s.WeightsOf.Layer(); ok {
		owner, part := arch.WeightOwner(b.m.Layers[l].Mixer)
		scope := "mixer."
		if len(arch.Parts(b.m.Layers[l].Mixer)) > 1 {
			scope += strconv.Itoa(part) + "."
		}
		shared = b.storageOf(b.m.Layers[l], scope, owner.Weights)
	}
	from := func(st storage, o func() *Op) {
		b.storage = st
		o().Reused = s.WeightsOf > 0
		b.storage = own
	}
	h, k, in := b.split("heads", s.Heads), b.splitKV(a), b.split("inner", s.Inner)
	w, r, n := b.m.Width, b.r(), (h+2*k)*s.HeadDim
	from(shared, func() *Op { return b.rmsNorm("shared.norm", "norm", 2*w, 2*w, r) })
	from(shared, func() *Op { return b.linear("shared.qkv", "qkv", 2*w, n, r, linearOpts{}) })
	if low := s.AttentionAdapter; low > 0 {
		b.linear("shared.qkv_low", "qkv_low", 2*w, 3*low, r, linearOpts{})
		b.adds3("shared.qkv_high", "qkv_high", low, n, r)
	}
	b.heads(a, h, k, r, r)
	from(shared, func() *Op { return b.linear("shared.attn_out", "attn_out", h*s.HeadDim, w, r, linearOpts{}) })
	b.allReduce("shared.attn_out.allreduce", w, r)
	from(shared, func() *Op { return b.rmsNorm("shared.ffn_norm", "ffn_norm", w, w, r) })
	from(shared, func() *Op { return b.linear("shared.up", "up", w, 2*in, r, linearOpts{}) })
	if low := s.Adapter; low > 0 {
		b.linear("shared.up_low", "up_low", w, low, r, linearOpts{})
		b.linear("shared.up_high", "up_high", low, 2*in, r, linearOpts{residual: true})
	}
	b.activation("mlp.act", in, 1, true, s.Act, r)
	from(shared, func() *Op { return b.linear("shared.down", "down", in, w, r, linearOpts{}) })
	b.allReduce("shared.down.allreduce", w, r)
	b.linear("shared.out", "out", w, w, r, linearOpts{residual: b.adds(), keep: b.mixFd[b.layer]})
}

// adds3 prices adding to queries, keys and values what each gets from a low-rank vector of its
// own.
func (b *builder) adds3(name, of string, low, out, r int) {
	o := b.op(name, Product)
	o.Shape = Shape{In: low, Out: out, RowsAreSeqs: r == seqs}
	b.reads(o, of, out, low, one, layerMap)
	b.act(o, float64(3*low+out), float64(out), r)
	o.FLOPs[r] = float64(out) * float64(2*low+1)
}
