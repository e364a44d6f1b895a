package costmodel

import (
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// kernel is an operation as the fitted model prices it: a shape to be filled in with the rows of a
// call, and the number of kernels that a step launches for it.
type kernel struct {
	op       *Op
	facts    *kernelFacts
	price    pricing
	unpacked bool // attention that reads K and V once for each query head
	unsplit  bool // unpacked, by FlashAttention's varlen call over pages, which does not split the keys over the GPU
	latent   bool // absorbed latent attention
	layers   float64
	launches float64 // in each layer
	floor    varyingOp
	perHit   float64 // seconds to read the weights of one expert

	gemm       kerneltime.GEMM
	attention  kerneltime.DecodeAttention
	recurrent  kerneltime.Recurrent
	scan       kerneltime.Scan
	stream     kerneltime.Stream
	collective kerneltime.Collective
	way        float64 // seconds from node to node, of an exchange that leaves one
	perRow     float64 // per row: elements to reduce or gather, or bytes to send or stream
	fixed      float64 // bytes to stream that do not depend on the rows
	also       float64 // bytes per row that the kernel moves and the operation does not count
}

// kernelOf maps an operation to the measured kernel that runs it, or to the one that
// comes nearest:
//
//   - Grouped products of experts are one product with the columns of the experts hit.
//   - Fused differential attention is plain attention over the same heads; as four
//     passes it is four of half the heads.
//   - Attention within chunks is attention over as many positions, of a prompt one call for all its
//     chunks, as vLLM runs it.
//   - Attention that reads the cache per query head was timed as such: by the call that splits
//     its keys over the GPU (fwd_kvcache, as vLLM's V0 engine decodes) and, where execution.Unsplit
//     asks for it, by the varlen call of V1, which does not and takes several times as long at few
//     long sequences.
//   - Scans of Mamba-2 work chunks of 256 tokens, as vLLM's do where a model says nothing else.
//   - Lightning attention is Mamba-2's recurrence with a fixed decay: its kernels stand in.
//   - Latent attention of a step was timed absorbed, in rows of 512 + 64 elements. The gather of the
//     rows that an indexer picks was not: as many in a row stand in. Of a prompt, attention whose
//     heads are as wide as key and value in the mean stands in; its products for each head are
//     one of the same size. An indexer is attention with one KV head.
//   - Gates, norms, rotary and embedding stream. The norm in front of a mixer or a feed-forward
//     network also adds to the residual stream: two tensors in, two out.
func (c *Compiled) kernelOf(g *OpGroup) kernel {
	o, s := &g.Op, &g.Op.Shape
	facts := c.factsOf(o)
	k := kernel{op: o, facts: facts, price: facts.price, layers: float64(g.Count), launches: 1, floor: c.varying(o), perHit: o.Bytes[Weights][hit] / c.bw}
	k.recurrent.Kernel = facts.step
	switch {
	case facts.price == asScan && (o.Kernel == ScanDelta || o.Kernel == ScanKDA):
		k.scan = kerneltime.Scan{Heads: float64(s.Heads), HeadDim: float64(s.HeadDim), State: float64(s.StateDim), Groups: float64(s.KVHeads)}
		return k
	case facts.price == asScan && o.Kernel == ConvDelta:
		k.scan = kerneltime.Scan{Heads: float64(s.Out), HeadDim: 1, State: float64(s.In), Groups: 1}
		return k
	}
	switch o.Kernel {
	case Product, Head, ExpertProduct:
		k.gemm = kerneltime.GEMM{N: float64(s.Out), K: float64(s.In), DType: o.Weight, Compute: o.Compute}
	case Attention:
		heads, kv := float64(s.Heads), float64(s.KVHeads)
		if s.Passes == 4 {
			heads, kv = heads/2, kv/2
			k.launches = 4
		}
		k.unpacked, k.unsplit, k.latent = s.Again > 1, s.Unsplit, s.Rank > 0
		k.attention = kerneltime.DecodeAttention{Heads: heads, KVHeads: kv, HeadDim: float64(s.HeadDim), Window: float64(s.Window), KVDType: o.KV}
		if s.Chunked {
			k.attention.Window = 0
		}
	case ScanMamba1:
		k.scan = kerneltime.Scan{Heads: float64(s.Out), HeadDim: 1, State: float64(s.StateDim), Groups: 1, StateDType: c.f.state}
	case ScanSSD, ScanLightning, ScanMLSTM, ScanWKV5:
		k.scan = kerneltime.Scan{Heads: float64(s.Heads), HeadDim: float64(s.HeadDim), State: float64(s.StateDim), Groups: float64(s.KVHeads),
			Chunk: ssdChunk, StateDType: c.f.state}
	case ScanDelta, ScanKDA:
		k.recurrent.KeyHeads, k.recurrent.KeyDim = float64(s.KVHeads), float64(s.StateDim)
		k.recurrent.ValueHeads, k.recurrent.ValueDim = float64(s.Heads), float64(s.HeadDim)
	case ConvMamba1, ConvMamba2, ConvShort:
		k.scan = kerneltime.Scan{Heads: float64(s.Out), HeadDim: 1, State: float64(s.In), Groups: 1}
	case ConvDelta:
		k.recurrent.ValueHeads, k.recurrent.ValueDim, k.recurrent.Conv = float64(s.Out), 1, float64(s.In)
	case AllReduce:
		k.perRow = float64(s.Out) * c.f.act.Bytes()
	case AllGather, AllToAll, SendRecv:
		k.perRow, k.collective = c.messageBytes(o), c.exchange(o)
		if o.Net != (Coef{}) {
			k.way = c.Hardware.NetworkLatency.Value
		}
	default:
		k.stream = kerneltime.Stream{Kernel: facts.stream, Width: float64(s.Out)}
		for i := range o.Bytes {
			a0, a1, _, _ := decodeCoef(&o.Bytes[i])
			k.fixed += a0
			k.perRow += a1
		}
		switch out := float64(s.Out) * c.f.act.Bytes(); {
		case o.Kernel == BlockNorm:
			k.also = max(0, 4*out-k.perRow)
			k.perRow += k.also
		case o.Kernel == Activation && k.perRow < 2.5*out: // one tensor in, no gate
			k.stream.Kernel = kerneltime.StreamReLU2
		}
	}
	return k
}

// streamed is a kernel that does nothing but move the given number of bytes.
func (k *kernel) streamed(bytes float64) kerneltime.Stream {
	s := k.stream
	s.Bytes = bytes
	return s
}

// step is the estimated time in seconds of one launch in a decode step of b sequences that each
// see n positions.
func (k *kernel) step(p *kerneltime.Profile, e *kerneltime.Engine, tp, b, n float64) kerneltime.Estimate {
	switch k.price {
	case asProduct:
		s := k.gemm
		s.M = b
		return p.GEMM(s)
	case asExperts:
		return k.experts(p, b)
	case asAttention:
		return k.decodeAttention(p, k.decoding(b, n, k.floor.at(n)))
	case asRecurrent:
		s := k.recurrent
		s.Batch, s.Tokens = b, 1
		return p.Recurrent(s)
	case asScan:
		s := k.stepScan(b)
		return p.Scan(s)
	case asReduce:
		return p.AllReduce(kerneltime.AllReduce{GPUs: tp, Bytes: k.perRow * b})
	case asMessage:
		return k.message(p, b)
	}
	return p.Stream(k.streamed(k.fixed+k.perRow*b), e.Stream)
}

// stepSeconds is step without error bounds; attention sees the given number of positions.
func (k *kernel) stepSeconds(p *kerneltime.Profile, e *kerneltime.Engine, tp, b, n, seen float64) float64 {
	switch k.price {
	case asProduct:
		s := k.gemm
		s.M = b
		return p.GEMMSeconds(&s)
	case asAttention:
		s := k.decoding(b, n, seen)
		return k.decodeSeconds(p, &s)
	case asRecurrent:
		s := k.recurrent
		s.Batch, s.Tokens = b, 1
		return p.RecurrentSeconds(&s)
	case asScan:
		s := k.stepScan(b)
		return p.ScanSeconds(&s)
	case asStream:
		s := k.streamed(k.fixed + k.perRow*b)
		return p.StreamSeconds(&s, e.Stream)
	}
	return k.step(p, e, tp, b, n).Seconds
}

// stepScan is the scan of one token of each of b sequences.
func (k *kernel) stepScan(b float64) kerneltime.Scan {
	s := k.scan
	s.Kernel, s.Batch, s.Tokens, s.Chunk = k.facts.scanStep, b, 1, 0
	return s
}

// decoding is attention of b sequences that decode at a context of n positions and see the given
// number of them. Attention in chunks is priced as if the sequence's own chunk were its whole
// context.
func (k *kernel) decoding(b, n, seen float64) kerneltime.DecodeAttention {
	s := k.attention
	s.Batch, s.Context, s.Seen = b, n, seen
	if k.floor.chunked {
		s.Context = seen
	}
	return s
}

// asUnpacked is the call that reads a cache once for each query head.
func (k *kernel) asUnpacked(s *kerneltime.DecodeAttention) kerneltime.UnpackedAttention {
	return kerneltime.UnpackedAttention{DecodeAttention: *s, Contiguous: !k.unsplit}
}

// asLatent is the call over latents, each of which all heads share.
func (k *kernel) asLatent(s *kerneltime.DecodeAttention) kerneltime.MLADecode {
	return kerneltime.MLADecode{Batch: s.Batch, Heads: s.Heads, Rank: float64(k.op.Shape.Rank), Rope: float64(k.op.Shape.Rope),
		Context: s.Context, Seen: s.Seen, KVDType: s.KVDType}
}

// decodeAttention is attention of sequences that decode, packed or not, or over latents.
func (k *kernel) decodeAttention(p *kerneltime.Profile, s kerneltime.DecodeAttention) kerneltime.Estimate {
	if k.latent {
		return p.MLADecode(k.asLatent(&s))
	}
	if k.unpacked {
		return p.UnpackedAttention(k.asUnpacked(&s))
	}
	return p.DecodeAttention(s)
}

// decodeSeconds is decodeAttention without bounds.
func (k *kernel) decodeSeconds(p *kerneltime.Profile, s *kerneltime.DecodeAttention) float64 {
	if k.latent {
		u := k.asLatent(s)
		return p.MLASeconds(&u)
	}
	if k.unpacked {
		u := k.asUnpacked(s)
		return p.UnpackedSeconds(&u)
	}
	return p.DecodeSeconds(s)
}

// ssdChunk is how many tokens of a prompt Mamba-2's scan works on at once.
const ssdChunk = 256

// experts is the grouped product of r rows.
func (k *kernel) experts(p *kerneltime.Profile, r float64) kerneltime.Estimate {
	s := &k.op.Shape
	hits, picks := s.hits(r), r*float64(s.TopK*s.Experts)/float64(s.Experts+s.Zero)
	g := k.gemm
	if s.Ranks > 0 { // this device's share of the experts hit and of the rows routed to them
		picks *= float64(s.Groups) * s.Skew
		g.N /= float64(s.Ranks)
	}
	g.M = max(1, picks/hits)
	g.N *= hits
	return p.GEMM(g)
}

// prompt is the estimated time in seconds of one launch in a prefill.
func (k *kernel) prompt(p *kerneltime.Profile, e *kerneltime.Engine, tp float64, c Call, w *Work) kerneltime.Estimate {
	rows := float64(c.Batch * c.New)
	if k.op.Shape.RowsAreSeqs {
		rows = float64(c.Batch)
	}
	switch k.price {
	case asProduct:
		s := k.gemm
		s.M = rows
		return p.GEMM(s)
	case asExperts:
		return k.experts(p, rows)
	case asAttention:
		if k.op.Shape.QueryLast {
			n := float64(c.Context())
			return k.decodeAttention(p, k.decoding(float64(c.Batch), n, k.floor.at(n)))
		}
		var sum kerneltime.Sum
		for _, a := range k.prefillAttention(c) {
			if a.times > 0 {
				sum.Add(p.PrefillAttention(a.PrefillAttention).Times(a.times))
			}
		}
		return sum.Estimate()
	case asRecurrent:
		s := k.recurrent
		s.Batch, s.Tokens = float64(c.Batch), float64(c.New)
		s.Kernel = k.facts.prompt
		return p.Recurrent(s)
	case asScan:
		s := k.scan
		s.Kernel, s.Batch, s.Tokens = k.facts.scanPrompt, float64(c.Batch), float64(c.New)
		return p.Scan(s)
	case asReduce:
		return p.AllReduce(kerneltime.AllReduce{GPUs: tp, Bytes: k.perRow * rows})
	case asMessage:
		return k.message(p, rows)
	}
	return p.Stream(k.streamed(w.Total()+k.also*rows), e.Stream)
}

// promptAttention is attention over a prompt, run the given number of times.
type promptAttention struct {
	kerneltime.PrefillAttention
	times float64
}

// prefillAttention is attention over a piece of a prompt. Without chunks it is one call. In chunks
// it is up to three: the rest of a chunk begun earlier, the whole chunks, and the beginning of the
// last.
func (k *kernel) prefillAttention(c Call) (calls [3]promptAttention) {
	a := &k.attention
	one := kerneltime.PrefillAttention{Batch: float64(c.Batch), Heads: a.Heads, KVHeads: a.KVHeads, HeadDim: a.HeadDim,
		Window: a.Window, Prompt: float64(c.New), Past: float64(c.Past)}
	if !k.floor.chunked {
		calls[0] = promptAttention{one, 1}
		return calls
	}
	i := 0
	k.floor.teeth(float64(c.Past+1), float64(c.Past+c.New), func(first, last, times float64) {
		calls[i] = promptAttention{one, times}
		calls[i].Past, calls[i].Prompt = first-1, last-first+1
		i++
	})
	return calls
}
