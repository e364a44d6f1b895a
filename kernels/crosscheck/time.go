package crosscheck

import (
	"context"
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/kernels"
)

// TimeRow is one kernel at one shape. Ratio is measured over predicted.
type TimeRow struct {
	Kernel    string  `json:"kernel"`
	Shape     string  `json:"shape"`
	Predicted float64 `json:"predicted_seconds"`
	Measured  float64 `json:"measured_seconds"`
	Ratio     float64 `json:"ratio"`
	PastCache bool    `json:"past_cache"` // it streams more than the last-level cache holds
}

// Tolerance is how far, in the median, measured may lie from predicted: of kernel
// times and of speedups.
const Tolerance = 0.15

// TimeOK reports whether the median kernel of those that stream past the last-level cache
// is within Tolerance. Where no kernel does, nothing was judged and nothing failed.
func TimeOK(rows []TimeRow) bool {
	var e []float64
	for _, r := range rows {
		if r.PastCache {
			e = append(e, math.Abs(r.Ratio-1))
		}
	}
	return len(e) == 0 || median(e) <= Tolerance
}

// pastCache reports whether so many bytes are more than the last-level cache can keep from
// one run to the next.
func pastCache(p *hardware.Profile, bytes float64) bool {
	cache := p.Cache.Value
	if cache == 0 {
		cache = 64 << 20
	}
	return bytes > cache
}

// timeBenches stream from memory, at shapes other than those the reach is measured at.
func timeBenches() []bench {
	attention := func(heads, kv, dim, window int) arch.Layer {
		return arch.Layer{Mixer: arch.Attention{Heads: heads, KVHeads: kv, HeadDim: dim, Window: window}}
	}
	swiglu := func(inner int) arch.Layer { return arch.Layer{FFN: arch.MLP{Inner: inner, Gated: true}} }
	return []bench{
		{op: "mlp.up", layer: swiglu(8192), width: 2048, batch: 1, context: 1},
		{op: "mlp.down", layer: swiglu(24576), width: 1024, batch: 1, context: 1},
		{op: "mlp.up", layer: swiglu(8192), width: 2048, batch: 4, context: 1},
		{op: "lm_head", layer: swiglu(8), width: 1536, vocab: 20000, batch: 1, context: 1},
		{op: "moe.up", layer: arch.Layer{FFN: arch.MoE{Experts: 8, TopK: 8, Inner: 2048, Gated: true}}, width: 1024, batch: 1, context: 1},
		{op: "attn.core", layer: attention(8, 8, 128, 0), width: 16, batch: 1, context: 16384},
		{op: "attn.core", layer: attention(16, 4, 64, 0), width: 16, batch: 1, context: 65536},
		{op: "attn.core", layer: attention(16, 4, 128, 0), width: 16, batch: 4, context: 8192},
		{op: "attn.core", layer: attention(16, 4, 64, 2048), width: 16, batch: 32, context: 4096},
		{op: "attn.core", layer: arch.Layer{Mixer: arch.Attention{Heads: 8, KVHeads: 4, HeadDim: 64, Differential: true}}, width: 16, batch: 1, context: 65536},
		{op: "mamba1.scan", layer: arch.Layer{Mixer: arch.Mamba1{DInner: 2048, DState: 16, DConv: 4, DtRank: 8}}, width: 16, batch: 512, context: 1},
		{op: "mamba2.ssd", layer: arch.Layer{Mixer: arch.Mamba2{Heads: 32, HeadDim: 64, DState: 64, Groups: 1, DConv: 4}}, width: 16, batch: 256, context: 1},
		{op: "gdn.delta", layer: arch.Layer{Mixer: arch.GatedDeltaNet{KHeads: 4, VHeads: 8, KDim: 128, VDim: 256, DConv: 4}}, width: 16, batch: 128, context: 1},
		{op: "ffn_norm", layer: swiglu(8), width: 4096, batch: 1, context: 4096, prompt: 4096},
	}
}

func (b bench) shape() string {
	s := fmt.Sprintf("batch %d", b.batch)
	if b.prompt > 1 {
		s += fmt.Sprintf(", %d positions", b.prompt)
	}
	switch {
	case b.op == "lm_head":
		return fmt.Sprintf("[%d,%d], %s", b.vocab, b.width, s)
	case b.layer.FFN != nil:
		return fmt.Sprintf("width %d, %s, %s", b.width, b.layer.FFN.Shape(), s)
	}
	if b.layer.Mixer.Stores().CacheElements > 0 {
		s = fmt.Sprintf("context %d, %s", b.context, s)
	}
	return fmt.Sprintf("%s, %s", b.layer.Mixer.Shape(), s)
}

// operation is the cost model's operation of a bench, and its work.
func (b bench) operation() (*costmodel.Op, costmodel.Work, error) {
	ops, err := costmodel.Ops(b.model(), costOptions(kernels.Options{Prefill: execution.Full}), false)
	if err != nil {
		return nil, costmodel.Work{}, err
	}
	n := b.positions()
	for i := range ops {
		if o := &ops[i]; o.Name == b.op {
			return o, o.Work(costmodel.Call{Batch: b.batch, New: n, Past: b.context - n}), nil
		}
	}
	return nil, costmodel.Work{}, fmt.Errorf("crosscheck: the cost model has no %s", b.op)
}

// Time compares predicted with measured seconds, kernel by kernel, on the host whose
// reach the profile holds. Kernels run in turns with a plain read loop, and are
// predicted at the bandwidth that it has meanwhile: machines are shared. What is done
// when ctx ends is returned.
func Time(ctx context.Context, p *hardware.Profile, quick bool, progress Progress) ([]TimeRow, error) {
	benches, e := timeBenches(), effortOf(quick)
	reading := newSampler(newReader(p, quick).rate)
	rows := make([]TimeRow, 0, len(benches))
	for i, b := range benches {
		op, work, err := b.operation()
		if err != nil {
			return rows, err
		}
		r, err := b.prepare()
		if err != nil {
			return rows, err
		}
		calm, err := e.repeat(reading, func() (float64, error) { return r.once(ctx) })
		r.free()
		if err != nil {
			return rows, err
		}
		predicted, measured := hostSeconds(at(p, calm.baseRate()), op, work), calm.seconds()
		rows = append(rows, TimeRow{Kernel: b.op, Shape: b.shape(), Predicted: predicted, Measured: measured, Ratio: measured / predicted, PastCache: pastCache(p, work.Total())})
		progress.report(i+1, len(benches))
	}
	return rows, nil
}
