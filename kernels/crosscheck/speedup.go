package crosscheck

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/kernels"
)

// SpeedupRow is how much faster a model decodes than a baseline of equal width and
// depth, at one context.
type SpeedupRow struct {
	Baseline          string  `json:"baseline"`
	Model             string  `json:"model"`
	Context           int     `json:"context"`
	BaselineTokens    float64 `json:"baseline_tokens_per_second"`
	ModelTokens       float64 `json:"model_tokens_per_second"`
	BaselinePredicted float64 `json:"baseline_predicted_tokens_per_second"`
	ModelPredicted    float64 `json:"model_predicted_tokens_per_second"`
	Measured          float64 `json:"measured"`
	Predicted         float64 `json:"predicted"`
	PastCache         bool    `json:"past_cache"` // both stream more than the last-level cache holds
}

// Error is |measured/predicted − 1|.
func (r SpeedupRow) Error() float64 { return math.Abs(r.Measured/r.Predicted - 1) }

// Crossing is the context at which a pair passes a speedup, by prediction.
type Crossing struct {
	Baseline string  `json:"baseline"`
	Model    string  `json:"model"`
	Passes   float64 `json:"passes"`
	Context  int     `json:"context,omitempty"` // 0: never
	Limit    float64 `json:"limit"`             // what the speedup tends to as the context grows
}

// SpeedupResult is the speedup part. The errors are over the rows past the last-level
// cache.
type SpeedupResult struct {
	Rows        []SpeedupRow `json:"speedup"`
	Crossings   []Crossing   `json:"crossings"`
	WorstError  float64      `json:"worst_error"`
	MedianError float64      `json:"median_error"`
	// LeftOut are contexts whose caches would take more memory than may be used.
	LeftOut []int `json:"contexts_left_out,omitempty"`
}

// OK reports whether the median error is within Tolerance. Where no step streams past the
// last-level cache, nothing was judged and nothing failed.
func (r SpeedupResult) OK() bool { return !r.Judged() || r.MedianError <= Tolerance }

// Judged reports whether any row says something of memory: whether one is past the cache.
func (r SpeedupResult) Judged() bool {
	return slices.ContainsFunc(r.Rows, func(row SpeedupRow) bool { return row.PastCache })
}

func (r *SpeedupResult) sum() {
	var e []float64
	for _, row := range r.Rows {
		if row.PastCache {
			e = append(e, row.Error())
			r.WorstError = max(r.WorstError, row.Error())
		}
	}
	if len(e) > 0 {
		r.MedianError = median(e)
	}
}

// racer is a model that decodes.
type racer struct {
	name    string
	model   *arch.Model
	ops     []costmodel.Op // of a step
	session *kernels.Session
	all     samples
	calm    samples
}

// speedupModels are five decoders of equal width and depth.
func speedupModels(quick bool) (baselines, models []*racer, err error) {
	o := family.Options{Depth: 12, Width: 512, Heads: 8, KVHeads: 2, HeadDim: 64, Vocab: 4096}
	if quick {
		o.Depth, o.Width, o.Heads = 8, 384, 6 // five of them are in memory at once
	}
	add := func(to *[]*racer, name, fam string, o family.Options) {
		m, e := family.Build(fam, o)
		if e != nil {
			if err == nil {
				err = e
			}
			return
		}
		ops, e := costmodel.Ops(m, costOptions(kernels.Options{}), false)
		if e != nil && err == nil {
			err = e
		}
		*to = append(*to, &racer{name: name, model: m, ops: ops})
	}
	mha := o
	mha.KVHeads = o.Heads
	add(&baselines, "transformer++ MHA", "transformer++", mha)
	add(&baselines, "transformer++ GQA", "transformer++", o)
	add(&baselines, "samba+yoco", "samba+yoco", o)
	half, all := 0.5, 1.0
	o.GMURatio = &half
	add(&models, "sambay gmu_ratio 0.5", "sambay", o)
	o.GMURatio = &all
	add(&models, "sambay gmu_ratio 1", "sambay", o)
	return baselines, models, err
}

// contexts that the pairs are run at.
func contexts(quick bool) []int {
	if quick {
		return []int{1 << 10, 1 << 11, 1 << 12}
	}
	return []int{1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15}
}

// Speedup decodes with every baseline and model at growing contexts, their caches
// filled to it, in turns so that what else the machine does hits all alike, and sets
// the measured speedups beside the predicted ones. What is done when ctx ends is
// returned.
func Speedup(ctx context.Context, p *hardware.Profile, quick bool, progress Progress) (SpeedupResult, error) {
	var r SpeedupResult
	baselines, models, err := speedupModels(quick)
	if err != nil {
		return r, err
	}
	all := append(append([]*racer(nil), baselines...), models...)
	ns := contexts(quick)
	e := effortOf(quick)
	var ready []*kernels.Model
	for _, x := range all {
		m, err := kernels.New(x.model, kernels.Options{})
		if err != nil {
			return r, err
		}
		ready = append(ready, m)
	}
	ns, r.LeftOut = within(ready, ns, float64(bound(quick)))
	for i, x := range all {
		if len(ns) == 0 {
			break
		}
		if x.session, err = ready[i].Start(1, ns[len(ns)-1]); err != nil {
			return r, err
		}
		defer x.session.Free()
	}
	reading := newSampler(newReader(p, quick).rate)
	for i, n := range ns {
		bw, err := race(ctx, e, reading, all, n)
		if err != nil {
			r.finish(p, baselines, models)
			return r, err
		}
		for _, b := range baselines {
			for _, m := range models {
				r.Rows = append(r.Rows, compareRacers(at(p, bw), b, m, n, p))
			}
		}
		progress.report(i+1, len(ns))
	}
	r.finish(p, baselines, models)
	return r, nil
}

// within parts the contexts, which ascend, into those at which the caches of all models
// together take at most most bytes, and those at which they take more.
func within(models []*kernels.Model, contexts []int, most float64) (fit, over []int) {
	for i, n := range contexts {
		total := 0.0
		for _, m := range models {
			total += m.SessionBytes(1, n)
		}
		if total > most {
			return contexts[:i], contexts[i:]
		}
	}
	return contexts, nil
}

// race times steps at context n, all racers in turns, until each has enough quiet
// samples, and returns the bandwidth that a plain read loop has meanwhile.
func race(ctx context.Context, e effort, reading *sampler, all []*racer, n int) (float64, error) {
	for _, x := range all {
		x.all = nil
	}
	enough := func() bool {
		for _, x := range all {
			if len(x.all.quiet(reading.best)) < e.enough {
				return false
			}
		}
		return true
	}
	start := time.Now()
	for round := 0; round <= 3 || !enough() && time.Since(start) < 5*e.most; round++ {
		for _, x := range all {
			if err := x.session.Fill(ctx, n-1); err != nil {
				return 0, err
			}
			s, err := reading.turn(func() (float64, error) {
				t := time.Now()
				_, err := x.session.Step(ctx, []int{round % x.model.Vocab})
				return time.Since(t).Seconds(), err
			})
			if err != nil {
				return 0, err
			}
			if round > 0 { // the first warms up
				x.all = append(x.all, s)
			}
		}
	}
	var both samples
	for _, x := range all {
		x.calm = x.all.calm(reading.best)
		both = append(both, x.calm...)
	}
	return both.baseRate(), nil
}

func compareRacers(p *hardware.Profile, b, m *racer, n int, host *hardware.Profile) SpeedupRow {
	pb, pm := priceStep(p, b.ops, n), priceStep(p, m.ops, n)
	row := SpeedupRow{
		Baseline: b.name, Model: m.name, Context: n,
		BaselineTokens: 1 / b.calm.seconds(), ModelTokens: 1 / m.calm.seconds(),
		BaselinePredicted: 1 / pb.seconds, ModelPredicted: 1 / pm.seconds,
		PastCache: pastCache(host, min(pb.bytes, pm.bytes)/2),
	}
	row.Measured = row.ModelTokens / row.BaselineTokens
	row.Predicted = row.ModelPredicted / row.BaselinePredicted
	return row
}

// finish adds the errors and where each pair passes 2, 5 and 10.
func (r *SpeedupResult) finish(p *hardware.Profile, baselines, models []*racer) {
	r.sum()
	for _, b := range baselines {
		for _, m := range models {
			for _, pass := range []float64{2, 5, 10} {
				r.Crossings = append(r.Crossings, crossing(p, b, m, pass))
			}
		}
	}
}

// crossing finds the first context at which the predicted speedup passes x: it grows
// with the context once the windows are full, so bisection finds it.
func crossing(p *hardware.Profile, b, m *racer, x float64) Crossing {
	at := func(n int) float64 { return priceStep(p, b.ops, n).seconds / priceStep(p, m.ops, n).seconds }
	const far = 1 << 34
	c := Crossing{Baseline: b.name, Model: m.name, Passes: x, Limit: at(far)}
	if c.Limit <= x {
		return c
	}
	lo, hi := 0, far
	for lo+1 < hi {
		if mid := lo + (hi-lo)/2; at(mid) > x {
			hi = mid
		} else {
			lo = mid
		}
	}
	c.Context = hi
	return c
}

// String is a line for people.
func (c Crossing) String() string {
	if c.Context == 0 {
		return fmt.Sprintf("%s over %s never passes %g×: it tends to %.2f×", c.Model, c.Baseline, c.Passes, c.Limit)
	}
	return fmt.Sprintf("%s over %s passes %g× at a context of %d (tends to %.2f×)", c.Model, c.Baseline, c.Passes, c.Context, c.Limit)
}
