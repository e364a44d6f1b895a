package costmodel

import (
	"math"
	"strings"

	"ridgeline/costmodel/calibrate"
)

// kernel is an operation as the fitted model prices it: a shape to fill in with the
// rows of a call, and how many kernels of it a step launches.
type kernel struct {
	op       *Op
	class    kernelClass
	layers   float64
	launches float64 // in each layer
	floor    varyingOp
	perHit   float64 // seconds to read the weights of one expert

	gemm      calibrate.GEMM
	attention calibrate.DecodeAttention
	recurrent calibrate.Recurrent
	perRow    float64 // elements to reduce or gather, or bytes to stream
	fixed     float64 // bytes to stream whatever the rows
}

type kernelClass uint8

const (
	kernelGEMM kernelClass = iota
	kernelExperts
	kernelAttention
	kernelRecurrent
	kernelStream
	kernelReduce
)

// kernelOf maps an operation to the measured kernel that runs it, or to the one that
// comes nearest:
//
//   - Grouped products of experts are one product with the columns of the experts hit.
//   - Fused differential attention is plain attention over the same heads; as four
//     passes it is four of half the heads.
//   - Attention that reads the cache per query head is attention without groups.
//   - The scans of Mamba-2 were not timed: Gated DeltaNet's kernels stand in for them.
//   - Mamba-1's step is Mamba-2's step kernel (selective_state_update serves both) with
//     heads of 64 channels; its prompt scan streams.
//   - Gates, norms, rotary and embedding stream.
func (c *Compiled) kernelOf(g *OpGroup) kernel {
	o, s := &g.Op, &g.Op.Shape
	k := kernel{op: o, layers: float64(g.Count), launches: 1, floor: c.varying(o), perHit: o.Bytes[Weights][hit] / c.bw}
	switch o.Class {
	case GEMM, ExpertGEMM:
		k.gemm = calibrate.GEMM{N: float64(s.Out), K: float64(s.In), DType: o.Weight, Compute: o.Compute}
		if o.Class == ExpertGEMM {
			k.class = kernelExperts
		}
	case Attn:
		k.class = kernelAttention
		heads, kv := float64(s.Heads), float64(s.KVHeads)
		if s.Passes == 4 {
			heads, kv = heads/2, kv/2
			k.launches = 4
		}
		if c.Options.KVRead.PerQueryHead(s.Windowed) {
			kv = heads
		}
		k.attention = calibrate.DecodeAttention{Heads: heads, KVHeads: kv, HeadDim: float64(s.HeadDim), Window: float64(s.Window), KVDType: o.KV}
	case Scan:
		k.class = kernelRecurrent
		r := &k.recurrent
		switch {
		case strings.HasPrefix(o.Name, "gdn"):
			*r = calibrate.Recurrent{Kernel: calibrate.DeltaStep, KeyHeads: float64(s.KVHeads), KeyDim: float64(s.StateDim), ValueHeads: float64(s.Heads), ValueDim: float64(s.HeadDim)}
		case s.Heads > 0:
			*r = calibrate.Recurrent{Kernel: calibrate.SSDStep, KeyHeads: float64(s.KVHeads), KeyDim: float64(s.StateDim), ValueHeads: float64(s.Heads), ValueDim: float64(s.HeadDim), Chunk: 128}
		default:
			*r = calibrate.Recurrent{Kernel: calibrate.SSDStep, KeyHeads: 1, KeyDim: float64(s.StateDim), ValueHeads: math.Ceil(float64(s.Out) / 64), ValueDim: 64}
		}
	case Conv:
		k.class = kernelRecurrent
		k.recurrent = calibrate.Recurrent{Kernel: calibrate.MambaConvStep, ValueHeads: float64(s.Out), ValueDim: 1, Conv: float64(s.In)}
		if strings.HasPrefix(o.Name, "gdn") {
			k.recurrent.Kernel = calibrate.DeltaConvStep
		}
	case Collective:
		k.class = kernelReduce
		k.perRow = float64(s.Out) * c.f.act.Bytes()
		if strings.HasSuffix(o.Name, "allgather") {
			k.perRow /= 2 // half of what a reduction of as much sends
		}
	default:
		k.class = kernelStream
		for i := range o.Bytes {
			a0, a1, _, _ := decodeCoef(&o.Bytes[i])
			k.fixed += a0
			k.perRow += a1
		}
	}
	return k
}

// step is the estimated time of one launch in a decode step of b sequences that see n
// positions.
func (k *kernel) step(p *calibrate.Profile, e *calibrate.Engine, tp, b, n float64) calibrate.Estimate {
	switch k.class {
	case kernelGEMM:
		s := k.gemm
		s.M = b
		return p.GEMM(s)
	case kernelExperts:
		return k.experts(p, b)
	case kernelAttention:
		s := k.attention
		s.Batch, s.Context = b, n
		return p.DecodeAttention(s)
	case kernelRecurrent:
		s := k.recurrent
		s.Batch, s.Tokens = b, 1
		return p.Recurrent(s)
	case kernelReduce:
		return p.AllReduce(calibrate.AllReduce{GPUs: tp, Bytes: k.perRow * b})
	}
	return p.Stream(k.fixed+k.perRow*b, e.Stream)
}

// stepSeconds is step without bounds, of attention that sees so many positions.
func (k *kernel) stepSeconds(p *calibrate.Profile, e *calibrate.Engine, tp, b, n, seen float64) float64 {
	switch k.class {
	case kernelGEMM:
		s := k.gemm
		s.M = b
		return p.GEMMSeconds(&s)
	case kernelAttention:
		s := k.attention
		s.Batch, s.Context, s.Seen = b, n, seen
		return p.DecodeSeconds(&s)
	case kernelRecurrent:
		s := k.recurrent
		s.Batch, s.Tokens = b, 1
		return p.RecurrentSeconds(&s)
	case kernelStream:
		return p.StreamSeconds(k.fixed+k.perRow*b, e.Stream)
	}
	return k.step(p, e, tp, b, n).Seconds
}

// experts is the grouped product of r rows.
func (k *kernel) experts(p *calibrate.Profile, r float64) calibrate.Estimate {
	s := &k.op.Shape
	hits := ExpectedHits(s.Experts, s.TopK, r)
	g := k.gemm
	g.M = max(1, r*float64(s.TopK)/hits)
	g.N *= hits
	return p.GEMM(g)
}

// prompt is the estimated time of one launch in a prefill.
func (k *kernel) prompt(p *calibrate.Profile, e *calibrate.Engine, tp float64, c Call, w *Work) calibrate.Estimate {
	rows := float64(c.Batch * c.New)
	if k.op.Shape.RowsAreSeqs {
		rows = float64(c.Batch)
	}
	switch k.class {
	case kernelGEMM:
		s := k.gemm
		s.M = rows
		return p.GEMM(s)
	case kernelExperts:
		return k.experts(p, rows)
	case kernelAttention:
		a := k.attention
		if k.op.Shape.QueryLast {
			a.Batch, a.Context = float64(c.Batch), float64(c.Context())
			return p.DecodeAttention(a)
		}
		return p.PrefillAttention(k.prefillAttention(c))
	case kernelRecurrent:
		if strings.HasPrefix(k.op.Name, "mamba1.scan") {
			return p.Stream(w.Total(), e.Stream)
		}
		s := k.recurrent
		s.Batch, s.Tokens = float64(c.Batch), float64(c.New)
		s.Kernel-- // the kernel over a prompt comes before its step
		return p.Recurrent(s)
	case kernelReduce:
		return p.AllReduce(calibrate.AllReduce{GPUs: tp, Bytes: k.perRow * rows})
	}
	return p.Stream(w.Total(), e.Stream)
}

// prefillAttention is attention over a piece of a prompt.
func (k *kernel) prefillAttention(c Call) calibrate.PrefillAttention {
	a := &k.attention
	return calibrate.PrefillAttention{Batch: float64(c.Batch), Heads: a.Heads, KVHeads: a.KVHeads, HeadDim: a.HeadDim,
		Window: a.Window, Prompt: float64(c.New), Past: float64(c.Past)}
}
