package crosscheck

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"ridgeline/arch"
	"ridgeline/costmodel"
	"ridgeline/hardware"
	"ridgeline/kernels"
	"ridgeline/precision"
)

// Kinds of kernels whose reach is measured. KIND is the fraction of the memory
// bandwidth that the kernel streams at, KIND.flops the fraction of the GEMM peak at
// which it computes on data in cache.
const (
	kindLinear      = "linear"
	kindAttention   = "attention"
	kindMamba1      = "mamba1"
	kindMamba2      = "mamba2"
	kindDelta       = "deltanet"
	kindElementwise = "elementwise"
	flopsOf         = ".flops"
)

func kindOf(o *costmodel.Op) string {
	switch o.Class {
	case costmodel.GEMM, costmodel.ExpertGEMM:
		return kindLinear
	case costmodel.Attn:
		return kindAttention
	case costmodel.Scan:
		switch o.Name {
		case "mamba1.scan":
			return kindMamba1
		case "mamba2.ssd":
			return kindMamba2
		}
		return kindDelta
	}
	return kindElementwise
}

// hostSeconds is the time of an operation on the host: one call, and the longer of
// moving its bytes and doing its arithmetic at the rates its kind of kernel reaches.
//
//	t = call + max(bytes/(bandwidth·reach), FLOPs/(peak·reach.flops))
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
	return p.CallSeconds.Value + max(move, compute)
}

// stepSeconds is the time of a decode step on the host.
func stepSeconds(p *hardware.Profile, m *arch.Model, o kernels.Options, batch, context int) (float64, error) {
	ops, err := costmodel.Ops(m, costOptions(o), false)
	if err != nil {
		return 0, err
	}
	var t float64
	for i := range ops {
		t += hostSeconds(p, &ops[i], ops[i].Work(costmodel.Call{Batch: batch, New: 1, Past: context - 1}))
	}
	return t, nil
}

// bench is a model that runs one kind of kernel at a shape, and the operation looked at.
type bench struct {
	op             string
	layer          arch.Layer
	width          int
	vocab          int
	batch, context int
	prompt         int // positions of the timed call; 1 is a step
}

func (b bench) model() *arch.Model {
	vocab := b.vocab
	if vocab == 0 {
		vocab = 16
	}
	return &arch.Model{Name: b.op, Width: b.width, Vocab: vocab, Tied: true, Layers: []arch.Layer{b.layer}}
}

// timed is what repeats of a bench gave: the median time of its operation, and what it
// counted.
type timed struct {
	seconds float64
	bytes   float64
	flops   float64
}

// run times an operation: at least repeats calls, and half a second of them where they
// are short.
func (b bench) run(ctx context.Context, repeats int) (timed, error) {
	model, err := kernels.New(b.model(), kernels.Options{Prefill: kernels.Full})
	if err != nil {
		return timed{}, err
	}
	const most = 1000
	s, err := model.Start(b.batch, b.context+1)
	if err != nil {
		return timed{}, err
	}
	defer s.Free()
	tokens := make([][]int, b.batch)
	for i := range tokens {
		tokens[i] = make([]int, max(1, b.prompt))
	}
	var times []float64
	var t timed
	start := time.Now()
	for i := 0; i <= repeats || i < most && time.Since(start) < 300*time.Millisecond; i++ {
		if err := s.Fill(ctx, b.context+1-max(1, b.prompt)); err != nil {
			return timed{}, err
		}
		s.Meter = &kernels.Meter{Clock: true}
		if _, err := s.Prefill(ctx, tokens); err != nil {
			return timed{}, err
		}
		for _, r := range s.Meter.Records() {
			if r.Op != b.op {
				continue
			}
			t.bytes, t.flops = 0, float64(r.FLOPs)
			for k := range r.Read {
				t.bytes += float64(r.Read[k] + r.Written[k])
			}
			if i > 0 { // the first warms up
				times = append(times, r.Seconds)
			}
		}
	}
	if len(times) == 0 {
		return timed{}, fmt.Errorf("crosscheck: %s did not run", b.op)
	}
	t.seconds = median(times)
	return t, nil
}

func median(x []float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// calibration are the shapes that the reach of each kind is measured at; the time
// part looks at others.
func calibration() map[string]bench {
	mlp := func(inner int) arch.Layer { return arch.Layer{FFN: &arch.MLP{Inner: inner, Gated: true}} }
	attention := func(heads, kv int) arch.Layer {
		return arch.Layer{Mixer: &arch.Attention{Heads: heads, KVHeads: kv, HeadDim: 64}}
	}
	mamba := func(inner int) arch.Layer {
		return arch.Layer{Mixer: &arch.Mamba1{DInner: inner, DState: 16, DConv: 4, DtRank: 8}}
	}
	mamba2 := func(heads int) arch.Layer {
		return arch.Layer{Mixer: &arch.Mamba2{Heads: heads, HeadDim: 64, DState: 128, Groups: 1, DConv: 4}}
	}
	delta := func(heads int) arch.Layer {
		return arch.Layer{Mixer: &arch.GatedDeltaNet{KHeads: heads, VHeads: heads, KDim: 128, VDim: 128, DConv: 4}}
	}
	return map[string]bench{
		kindLinear:              {op: "mlp.up", layer: mlp(12288), width: 1024, batch: 1, context: 1},
		kindLinear + flopsOf:    {op: "mlp.up", layer: mlp(1024), width: 512, batch: 1, context: 256, prompt: 256},
		kindAttention:           {op: "attn.core", layer: attention(2, 2), width: 16, batch: 1, context: 100_000},
		kindAttention + flopsOf: {op: "attn.core", layer: attention(16, 2), width: 16, batch: 1, context: 512},
		kindMamba1:              {op: "mamba1.scan", layer: mamba(1024), width: 16, batch: 768, context: 1},
		kindMamba1 + flopsOf:    {op: "mamba1.scan", layer: mamba(1024), width: 16, batch: 1, context: 128, prompt: 128},
		kindMamba2:              {op: "mamba2.ssd", layer: mamba2(16), width: 16, batch: 96, context: 1},
		kindMamba2 + flopsOf:    {op: "mamba2.ssd", layer: mamba2(4), width: 16, batch: 1, context: 128, prompt: 128},
		kindDelta:               {op: "gdn.delta", layer: delta(8), width: 16, batch: 96, context: 1},
		kindDelta + flopsOf:     {op: "gdn.delta", layer: delta(2), width: 16, batch: 1, context: 128, prompt: 128},
		kindElementwise:         {op: "mlp.act", layer: mlp(4096), width: 16, batch: 1, context: 2048, prompt: 2048},
	}
}

// MeasureReach measures what fraction of the profile's bandwidth and peak each kind of
// kernel reaches here, and the cost of a call, and returns the profile with them.
func MeasureReach(ctx context.Context, p *hardware.Profile, quick bool, progress Progress) (*hardware.Profile, error) {
	out := *p
	out.Reach = map[string]hardware.Figure{}
	repeats := 9
	if quick {
		repeats = 3
	}
	peak := p.Peak[precision.FP32].Value
	source := "measured"
	benches := calibration()
	call, err := callSeconds(ctx, repeats)
	if err != nil {
		return nil, err
	}
	out.CallSeconds = hardware.Figure{Value: call, Source: source}
	keys := make([]string, 0, len(benches))
	for k := range benches {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		t, err := benches[k].run(ctx, repeats)
		if err != nil {
			return nil, err
		}
		net := max(t.seconds-call, t.seconds/2)
		v := t.bytes / net / p.MemoryBandwidth.Value
		if len(k) > len(flopsOf) && k[len(k)-len(flopsOf):] == flopsOf {
			v = t.flops / net / peak
		}
		out.Reach[k] = hardware.Figure{Value: v, Source: source}
		progress.report(i+1, len(keys))
	}
	return &out, nil
}

// callSeconds is the time of one operation that has next to nothing to do, averaged
// over those of a step of a tiny model.
func callSeconds(ctx context.Context, repeats int) (float64, error) {
	m, err := arch.BuildFamily("sambay", arch.FamilyOptions{Depth: 8, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16, Vocab: 64})
	if err != nil {
		return 0, err
	}
	model, err := kernels.New(m, kernels.Options{})
	if err != nil {
		return 0, err
	}
	s, err := model.Start(1, 4096)
	if err != nil {
		return 0, err
	}
	s.Meter = &kernels.Meter{}
	var times []float64
	ops := 0
	for range 20 * repeats {
		t := time.Now()
		if _, err := s.Step(ctx, []int{1}); err != nil {
			return 0, err
		}
		times = append(times, time.Since(t).Seconds())
		ops = len(s.Meter.Records())
	}
	return median(times) / float64(ops), nil
}

// MeasureHost measures this machine's read bandwidth past the last-level cache and its
// arithmetic peak with the plain loops of the kernels, for want of a profile.
func MeasureHost(ctx context.Context, repeats int) (*hardware.Profile, error) {
	cores := runtime.GOMAXPROCS(0)
	bw, err := readBandwidth(ctx, cores, repeats)
	if err != nil {
		return nil, err
	}
	peak, err := gemmPeak(ctx, repeats)
	if err != nil {
		return nil, err
	}
	f := func(v float64) hardware.Figure { return hardware.Figure{Value: v, Source: "measured"} }
	return &hardware.Profile{
		Name: "host", Title: fmt.Sprintf("this machine, %d cores", cores), Vendor: "host", Arch: runtime.GOARCH,
		Peak:            map[precision.DType]hardware.Figure{precision.FP32: f(peak)},
		MemoryBandwidth: f(bw), Units: f(float64(cores)),
		Sources: map[string]string{"measured": "measured on this machine"},
	}, nil
}

func gemmPeak(ctx context.Context, repeats int) (float64, error) {
	best := 0.0
	for range 3 {
		t, err := bench{op: "mlp.up", layer: arch.Layer{FFN: &arch.MLP{Inner: 256, Gated: true}}, width: 256, batch: 1, context: 192, prompt: 192}.run(ctx, repeats)
		if err != nil {
			return 0, err
		}
		best = math.Max(best, t.flops/t.seconds)
	}
	return best, nil
}

// stepBytes is what a decode step moves.
func stepBytes(m *arch.Model, context int) (float64, error) {
	ops, err := costmodel.Ops(m, costOptions(kernels.Options{}), false)
	if err != nil {
		return 0, err
	}
	var sum float64
	for i := range ops {
		w := ops[i].Work(costmodel.Call{Batch: 1, New: 1, Past: context - 1})
		sum += w.Total()
	}
	return sum, nil
}
