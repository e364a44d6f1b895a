package crosscheck

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/kernels"
	"github.com/OWNER/ridgeline/kernels/internal/layouts"
	"github.com/OWNER/ridgeline/precision"
)

// CountsResult says how many random layouts were executed and in how many a count was
// not what the cost model predicts.
type CountsResult struct {
	Cases         int    `json:"cases"`
	Mismatches    int    `json:"mismatches"`
	FirstMismatch string `json:"first_mismatch,omitempty"`
	Calls         int    `json:"calls"`      // prefills and steps compared
	Operations    int    `json:"operations"` // (layer, operation) pairs compared
}

// OK reports whether every count agreed, on enough layouts.
func (r CountsResult) OK() bool { return r.Mismatches == 0 && r.Cases > 0 }

// Progress is told how much of a part is done; it may be nil.
type Progress func(done, total int)

func (p Progress) report(done, total int) {
	if p != nil {
		p(done, total)
	}
}

// Counts executes random layouts (all mixers and FFNs, all families) and compares
// every byte and FLOP counted with the cost model's. What is done when ctx ends is
// returned with its error.
func Counts(ctx context.Context, cases int, seed uint64, progress Progress) (CountsResult, error) {
	var r CountsResult
	rng := rand.New(rand.NewPCG(seed, 1))
	draw := func(_ string, lo, hi int) int { return lo + rng.IntN(hi-lo+1) }
	small, err := smallFamilies()
	if err != nil {
		return r, err
	}
	for i := range cases {
		m := layouts.Random(draw)
		m.Name = fmt.Sprintf("random %d", i)
		if i%3 == 0 && len(small) > 0 {
			m = small[i/3%len(small)]
		}
		c := drawCase(m, draw)
		c.seed = uint64(i)
		mismatch, err := c.run(ctx, &r)
		if err != nil {
			return r, err
		}
		r.Cases++
		if mismatch != "" {
			r.Mismatches++
			if r.FirstMismatch == "" {
				r.FirstMismatch = mismatch
			}
		}
		progress.report(i+1, cases)
	}
	return r, nil
}

// countCase is one layout, how it is run, and the calls it makes.
type countCase struct {
	model   *arch.Model
	kernels kernels.Options
	cost    costmodel.Options
	batch   int
	calls   []int // positions of each: the first prefills, later ones of 1 are steps
	seed    uint64
}

func drawCase(m *arch.Model, n layouts.Draw) countCase {
	c := countCase{model: m, batch: n("batch", 1, 4)}
	c.kernels = kernels.Options{
		KVRead:     execution.KVRead(n("kv read", 0, len(execution.KVReads())-1)),
		DiffKernel: execution.DiffKernel(n("diff kernel", 0, 1)),
		Prefill:    execution.PrefillMode(n("prefill", 0, 1)),
	}
	c.cost = costOptions(c.kernels)
	c.calls = []int{n("prompt", 1, 24)}
	for range n("more", 1, 4) {
		if n("chunk", 0, 3) == 0 {
			c.calls = append(c.calls, n("chunk of", 2, 12))
		} else {
			c.calls = append(c.calls, 1)
		}
	}
	return c
}

// costOptions are the cost model's options for what kernels run: everything fp32.
func costOptions(o kernels.Options) costmodel.Options {
	return costmodel.Options{
		Weights: formats.Plain(precision.FP32), KV: precision.FP32, State: precision.FP32, Activations: precision.FP32, Compute: precision.FP32,
		Prefill: o.Prefill,
		KVRead:  o.KVRead,
		Diff:    o.DiffKernel,
	}
}

func (c *countCase) run(ctx context.Context, r *CountsResult) (mismatch string, err error) {
	c.kernels.Seed = c.seed
	total := 0
	for _, t := range c.calls {
		total += t
	}
	model, err := kernels.New(c.model, c.kernels)
	if err != nil {
		return "", err
	}
	s, err := model.Start(c.batch, total)
	if err != nil {
		return "", err
	}
	rng := rand.New(rand.NewPCG(c.seed, 2))
	for i, t := range c.calls {
		tokens := make([][]int, c.batch)
		for b := range tokens {
			for range t {
				tokens[b] = append(tokens[b], rng.IntN(c.model.Vocab))
			}
		}
		call := costmodel.Call{Batch: c.batch, New: t, Past: s.Positions()}
		s.Meter = &kernels.Meter{}
		prefill := i == 0 || t > 1
		if prefill {
			_, err = s.Prefill(ctx, tokens)
		} else {
			one := make([]int, c.batch)
			for b := range one {
				one[b] = tokens[b][0]
			}
			_, err = s.Step(ctx, one)
		}
		if err != nil {
			return "", err
		}
		ops, err := costmodel.Ops(c.model, c.cost, prefill)
		if err != nil {
			return "", err
		}
		n, diff := compare(ops, call, s.Meter)
		r.Calls++
		r.Operations += n
		if diff != "" {
			what := "step"
			if prefill {
				what = "prefill"
			}
			return fmt.Sprintf("%s, %s batch %d new %d past %d, %s %s %s: %s", c.model.Name, what, call.Batch, call.New, call.Past,
				c.kernels.KVRead, c.kernels.DiffKernel, c.kernels.Prefill, diff), nil
		}
	}
	return "", nil
}

type opKey struct {
	layer int
	name  string
}

func (k opKey) String() string {
	if k.layer == kernels.Outside {
		return k.name
	}
	return fmt.Sprintf("layer %d %s", k.layer, k.name)
}

// compare returns how many operations it compared and the first difference.
func compare(ops []costmodel.Op, call costmodel.Call, m *kernels.Meter) (n int, diff string) {
	predicted := map[opKey]*costmodel.Work{}
	var order []opKey
	for i := range ops {
		o := &ops[i]
		hits, picks := m.Routed(o.Layer, o.Name)
		w := o.WorkWithHits(call, hits, picks)
		k := opKey{o.Layer, o.Name}
		if p, ok := predicted[k]; ok { // parallel mixers of one kind
			p.FLOPs += w.FLOPs
			for j := range w.Bytes {
				p.Bytes[j] += w.Bytes[j]
			}
			continue
		}
		predicted[k] = &w
		order = append(order, k)
	}
	counted := map[opKey]kernels.Record{}
	for _, rec := range m.Records() {
		k := opKey{rec.Layer, rec.Op}
		counted[k] = rec
		if _, ok := predicted[k]; !ok {
			return n, fmt.Sprintf("%s ran but is not predicted", k)
		}
	}
	for _, k := range order {
		rec, ok := counted[k]
		if !ok {
			return n, fmt.Sprintf("%s is predicted but did not run", k)
		}
		n++
		p := predicted[k]
		for _, f := range [...]struct {
			what string
			p    float64
			c    int64
		}{
			{"flops", p.FLOPs, rec.FLOPs},
			{"weights", p.Bytes[costmodel.Weights], rec.Read[kernels.Weights]},
			{"cache_read", p.Bytes[costmodel.CacheRead], rec.Read[kernels.Cache]},
			{"cache_write", p.Bytes[costmodel.CacheWrite], rec.Written[kernels.Cache]},
			{"state_read", p.Bytes[costmodel.StateRead], rec.Read[kernels.State]},
			{"state_write", p.Bytes[costmodel.StateWrite], rec.Written[kernels.State]},
			{"activation_read", p.Bytes[costmodel.ActRead], rec.Read[kernels.Activations]},
			{"activation_write", p.Bytes[costmodel.ActWrite], rec.Written[kernels.Activations]},
			{"weights written", 0, rec.Written[kernels.Weights]},
		} {
			if f.p != float64(f.c) {
				return n, fmt.Sprintf("%s %s: predicted %.10g, counted %d", k, f.what, f.p, f.c)
			}
		}
	}
	return n, ""
}
