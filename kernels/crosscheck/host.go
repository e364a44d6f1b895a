package crosscheck

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/kernels"
	"github.com/OWNER/ridgeline/precision"
)

// Kinds of kernels whose reach is measured. KIND is the fraction of the memory
// bandwidth that the kernel streams at, KIND.flops the fraction of the GEMM peak at
// which it computes on data in cache, KIND.exposed the share of that arithmetic which
// is not hidden behind the streaming (absent: none).
const (
	kindLinear      = "linear"
	kindAttention   = "attention"
	kindMamba1      = "mamba1"
	kindMamba2      = "mamba2"
	kindDelta       = "deltanet"
	kindNorm        = "norm"
	kindElementwise = "elementwise"
	flopsOf         = ".flops"
	exposedOf       = ".exposed"
	denseOf         = ".dense" // bench with much arithmetic for its bytes
)

func kindOf(o *costmodel.Op) string {
	switch o.Kernel {
	case costmodel.Product, costmodel.Head, costmodel.ExpertProduct:
		return kindLinear
	case costmodel.Attention:
		return kindAttention
	case costmodel.ScanMamba1:
		return kindMamba1
	case costmodel.ScanSSD:
		return kindMamba2
	case costmodel.ScanDelta:
		return kindDelta
	case costmodel.BlockNorm, costmodel.InnerNorm:
		return kindNorm
	}
	return kindElementwise
}

// hostSeconds is the time of an operation on the host: one call, and the longer of
// moving its bytes (with the arithmetic that this does not hide) and doing its
// arithmetic, at the rates its kind of kernel reaches.
//
//	move    = bytes/(bandwidth·reach)
//	compute = FLOPs/(peak·reach.flops)
//	t       = call + max(move + exposed·compute, compute)
func hostSeconds(p *hardware.Profile, o *costmodel.Op, w costmodel.Work) float64 {
	kind := kindOf(o)
	reach := func(key string) float64 {
		if f, ok := p.Reach[key]; ok && f.Value > 0 {
			return f.Value
		}
		return 1
	}
	move := w.Total() / (p.MemoryBandwidth.Value * reach(kind))
	compute := w.FLOPs / (p.Peak[precision.FP32].Value * reach(kind+flopsOf))
	return p.CallSeconds.Value + max(move+p.Reach[kind+exposedOf].Value*compute, compute)
}

// step is a decode step of one sequence, priced.
type step struct{ seconds, bytes float64 }

func priceStep(p *hardware.Profile, ops []costmodel.Op, context int) step {
	var s step
	for i := range ops {
		w := ops[i].Work(costmodel.Call{Batch: 1, New: 1, Past: context - 1})
		s.seconds += hostSeconds(p, &ops[i], w)
		s.bytes += w.Total()
	}
	return s
}

// at is the profile with another bandwidth: what the machine gives at the moment.
func at(p *hardware.Profile, bandwidth float64) *hardware.Profile {
	now := *p
	now.MemoryBandwidth.Value = bandwidth
	return &now
}

// calibration are the shapes that the reach of each kind is measured at; the time
// part looks at others.
func calibration() map[string]bench {
	mlp := func(inner int) arch.Layer { return arch.Layer{FFN: arch.MLP{Inner: inner, Gated: true}} }
	attention := func(heads, kv int) arch.Layer {
		return arch.Layer{Mixer: arch.Attention{Heads: heads, KVHeads: kv, HeadDim: 64}}
	}
	mamba := func(inner int) arch.Layer {
		return arch.Layer{Mixer: arch.Mamba1{DInner: inner, DState: 16, DConv: 4, DtRank: 8}}
	}
	mamba2 := func(heads int) arch.Layer {
		return arch.Layer{Mixer: arch.Mamba2{Heads: heads, HeadDim: 64, DState: 128, Groups: 1, DConv: 4}}
	}
	delta := func(heads int) arch.Layer {
		return arch.Layer{Mixer: arch.GatedDeltaNet{KHeads: heads, VHeads: heads, KDim: 128, VDim: 128, DConv: 4}}
	}
	return map[string]bench{
		kindLinear:                {op: "mlp.up", layer: mlp(16384), width: 1024, batch: 1, context: 1},
		kindLinear + denseOf:      {op: "mlp.up", layer: mlp(16384), width: 1024, batch: 8, context: 1},
		kindLinear + flopsOf:      {op: "mlp.up", layer: mlp(1024), width: 512, batch: 1, context: 256, prompt: 256},
		kindAttention:             {op: "attn.core", layer: attention(4, 4), width: 16, batch: 1, context: 65536},
		kindAttention + denseOf:   {op: "attn.core", layer: attention(16, 2), width: 16, batch: 1, context: 131072},
		kindAttention + flopsOf:   {op: "attn.core", layer: attention(16, 2), width: 16, batch: 1, context: 2048},
		kindMamba1:                {op: "mamba1.scan", layer: mamba(1024), width: 16, batch: 1536, context: 1},
		kindMamba1 + flopsOf:      {op: "mamba1.scan", layer: mamba(1024), width: 16, batch: 1, context: 128, prompt: 128},
		kindMamba2:                {op: "mamba2.ssd", layer: mamba2(16), width: 16, batch: 192, context: 1},
		kindMamba2 + flopsOf:      {op: "mamba2.ssd", layer: mamba2(4), width: 16, batch: 1, context: 128, prompt: 128},
		kindDelta:                 {op: "gdn.delta", layer: delta(8), width: 16, batch: 192, context: 1},
		kindDelta + flopsOf:       {op: "gdn.delta", layer: delta(2), width: 16, batch: 1, context: 128, prompt: 128},
		kindNorm:                  {op: "ffn_norm", layer: mlp(8), width: 1024, batch: 1, context: 16384, prompt: 16384},
		kindNorm + flopsOf:        {op: "ffn_norm", layer: mlp(8), width: 1024, batch: 1, context: 64, prompt: 64},
		kindElementwise:           {op: "mlp.act", layer: mlp(4096), width: 16, batch: 1, context: 2048, prompt: 2048},
		kindElementwise + flopsOf: {op: "mlp.act", layer: mlp(1024), width: 16, batch: 1, context: 64, prompt: 64},
	}
}

// gemm is the product whose rate is taken for the arithmetic peak: all of it in cache.
func gemm() bench {
	return bench{op: "mlp.up", layer: arch.Layer{FFN: arch.MLP{Inner: 256, Gated: true}}, width: 256, batch: 1, context: 384, prompt: 384}
}

// MeasureReach measures what fraction of the bandwidth and of the arithmetic peak each
// kind of kernel reaches here, in turns with a plain read loop and a matrix product, and
// what an operation that has next to nothing to do takes. It returns the profile with
// them; its peak becomes that of the kernels' own product where that is higher.
func MeasureReach(ctx context.Context, p *hardware.Profile, quick bool, progress Progress) (*hardware.Profile, error) {
	out := *p
	out.Reach = map[string]hardware.Figure{}
	const source = "measured"
	e := effortOf(quick)
	benches := calibration()
	keys := make([]string, 0, len(benches))
	for k := range benches {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	product, err := gemm().prepare()
	if err != nil {
		return nil, err
	}
	reading := newSampler(newReader(p, quick).rate)
	computing := newSampler(func() (float64, error) {
		s, err := product.once(ctx)
		return product.flops / s, err
	})
	call, err := callSeconds(ctx, e, computing)
	if err != nil {
		return nil, err
	}
	out.CallSeconds = hardware.Figure{Value: call, Source: source}
	took := map[string]share{}
	for i, k := range keys {
		b, err := benches[k].prepare()
		if err != nil {
			return nil, err
		}
		s := reading
		if strings.HasSuffix(k, flopsOf) {
			s = computing
		}
		calm, err := e.repeat(s, func() (float64, error) { return b.once(ctx) })
		b.free()
		if err != nil {
			return nil, err
		}
		took[k] = share{b.bytes, b.flops, calm.median(func(x sample) float64 {
			return max(x.seconds-call, x.seconds/2) * x.rate
		})}
		progress.report(i+1, len(keys))
	}
	peak := max(computing.best, p.Peak[precision.FP32].Value)
	for k, v := range reaches(took, reading.best/computing.best) {
		out.Reach[k] = hardware.Figure{Value: v, Source: source}
	}
	out.Peak = map[precision.DType]hardware.Figure{}
	for d, f := range p.Peak {
		out.Peak[d] = f
	}
	if peak > out.Peak[precision.FP32].Value {
		out.Peak[precision.FP32] = hardware.Figure{Value: peak, Source: source}
	}
	return &out, nil
}

// share is what a bench took: its bytes and FLOPs, and its time in bytes that the read
// loop streams meanwhile (of a .flops bench: in FLOPs of the product).
type share struct{ bytes, flops, time float64 }

// reaches solves for the reach of each kind. Where a kind has a dense bench too, the two
// times give both the streaming rate and the exposed share of the arithmetic:
//
//	time = bytes/reach + exposed·FLOPs·balance/reach.flops, balance = bandwidth/peak
func reaches(took map[string]share, balance float64) map[string]float64 {
	out := map[string]float64{}
	for k, s := range took {
		kind, isFlops := strings.CutSuffix(k, flopsOf)
		switch {
		case isFlops:
			out[k] = s.flops / s.time
			continue
		case strings.HasSuffix(k, denseOf):
			continue
		}
		out[kind] = s.bytes / s.time
		d, ok := took[kind+denseOf]
		f := took[kind+flopsOf]
		if !ok {
			continue
		}
		perFLOP := balance * f.time / f.flops
		// two equations in 1/reach and exposed
		det := s.bytes*d.flops - d.bytes*s.flops
		exposed := (s.bytes*d.time - d.bytes*s.time) / det / perFLOP
		exposed = min(max(exposed, 0), 1)
		out[kind+exposedOf] = exposed
		out[kind] = s.bytes / (s.time - exposed*s.flops*perFLOP)
	}
	return out
}

// callSeconds is the time of one operation that has next to nothing to do, averaged
// over those of a step of a tiny model.
func callSeconds(ctx context.Context, e effort, s *sampler) (float64, error) {
	m, err := family.Build("sambay", family.Options{Depth: 8, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16, Vocab: 64})
	if err != nil {
		return 0, err
	}
	model, err := kernels.New(m, kernels.Options{})
	if err != nil {
		return 0, err
	}
	session, err := model.Start(1, 64)
	if err != nil {
		return 0, err
	}
	ops := 1
	calm, err := e.repeat(s, func() (float64, error) {
		if err := session.Fill(ctx, 32); err != nil {
			return 0, err
		}
		session.Meter = &kernels.Meter{}
		start := time.Now()
		_, err := session.Step(ctx, []int{1})
		t := time.Since(start).Seconds()
		ops = max(1, len(session.Meter.Records()))
		return t, err
	})
	if err != nil {
		return 0, err
	}
	return calm.seconds() / float64(ops), nil
}

func hostOf(p *hardware.Profile) *Host {
	h := &Host{
		Title: p.Title, Bandwidth: p.MemoryBandwidth.Value, Peak: p.Peak[precision.FP32].Value, Cache: p.Cache.Value,
		CallSeconds: p.CallSeconds.Value, Reach: map[string]float64{},
	}
	for k, f := range p.Reach {
		h.Reach[k] = f.Value
	}
	return h
}
