package serving

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Study is one load on one deployment, simulated with several seeds.
type Study struct {
	Deployment *Deployment
	Source     func(seed uint64) Source
	Seed       uint64 // seed of the first run; the other runs have the seeds that follow
	Seeds      int    // number of runs; 0 stands for 1
	Options    Options
	SLO        SLO
	// Fast and Slow are factors by which steps may take less or more time than the pricer says; 0
	// where it gives no bounds.
	Fast, Slow float64
}

// Outcome is the result of a study: means over its runs.
type Outcome struct {
	Metrics
	Stats  Stats   // of the first run
	First  *Result // the first run
	Series *Series // of the first run
	Seeds  int

	// Seed holds, for each figure, half the width of the 90 % interval of its mean over seeds;
	// NaN with one seed. Low and High are those of the first run when it is priced at the bounds
	// of the calibration.
	Seed      Metrics
	Low, High *Metrics
}

// Do makes the runs of the study in parallel.
func (s *Study) Do(ctx context.Context) (*Outcome, error) {
	n := max(s.Seeds, 1)
	out := &Outcome{Seeds: n, Series: &Series{}}
	runs := make([]Metrics, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			o := s.Options
			o.Seed = s.Seed + uint64(i)
			if i == 0 {
				o.Watch = out.Series.Add
			} else {
				o.Quick, o.Progress = true, nil
			}
			r, err := Run(ctx, s.Deployment.Limits, s.Deployment.Price, s.Source(s.Seed+uint64(i)), o)
			if err != nil {
				return err
			}
			runs[i] = r.Metrics(s.SLO, 0)
			if i == 0 {
				out.First, out.Stats = r, r.Stats
			}
			return nil
		})
	}
	for _, b := range []struct {
		factor float64
		to     **Metrics
	}{{s.Fast, &out.Low}, {s.Slow, &out.High}} {
		if b.factor <= 0 {
			continue
		}
		g.Go(func() error {
			o := s.Options
			o.Quick, o.Progress, o.Seed = true, nil, s.Seed
			r, err := Run(ctx, s.Deployment.Limits, Scaled(s.Deployment.Price, b.factor), s.Source(s.Seed), o)
			if err != nil {
				return err
			}
			m := r.Metrics(s.SLO, 0)
			*b.to = &m
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out.Metrics = runs[0]
	for i, f := range figures(&out.Metrics) {
		vs := make([]float64, n)
		for j := range runs {
			vs[j] = *figures(&runs[j])[i]
		}
		*f, *figures(&out.Seed)[i] = MeanOver(vs)
	}
	return out, nil
}

// MeanOver returns the mean of a figure over runs with different seeds, and half the width of its
// 90 % interval by Student's t: NaN for one run.
func MeanOver(runs []float64) (mean, half float64) {
	n := float64(len(runs))
	mean, sd := stat.MeanStdDev(runs, nil)
	if n < 2 {
		return mean, math.NaN()
	}
	return mean, distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.95) * sd / math.Sqrt(n)
}

// figures lists the figures of a run that are averaged over seeds.
func figures(m *Metrics) []*float64 {
	out := []*float64{&m.Duration, &m.RequestThroughput, &m.Goodput, &m.GoodShare, &m.OutputThroughput, &m.TotalThroughput}
	for _, s := range []*Summary{&m.TTFT, &m.TPOT, &m.ITL, &m.E2E, &m.Queue, &m.Handover} {
		out = append(out, &s.Mean, &s.Median, &s.Std, &s.P90, &s.P99)
	}
	return out
}

// Scaled makes pricers whose steps take the given factor of the time.
func Scaled(price func() Pricer, by float64) func() Pricer {
	return func() Pricer { return scaled{price(), by} }
}

// scaled is such a pricer.
type scaled struct {
	Pricer
	by float64
}

func (s scaled) Mixed(x *Step) float64      { return s.by * s.Pricer.Mixed(x) }
func (s scaled) Run(x *Step, k int) float64 { return s.by * s.Pricer.Run(x, k) }

// Stages and Stage are those of a pipeline, where the pricer prices one.
func (s scaled) Stages() int {
	if p, ok := s.Pricer.(Staged); ok {
		return p.Stages()
	}
	return 1
}

func (s scaled) Stage(i int, x *Step, k int) float64 { return s.by * s.Pricer.(Staged).Stage(i, x, k) }

// Series holds a replica's load over time, thinned out evenly to a few thousand points at most.
type Series struct {
	Points []Event
	every  int
	n      int
}

const maxPoints = 4096

// Add appends the state of a replica.
func (s *Series) Add(e Event) {
	if s.every == 0 {
		s.every = 1
	}
	if s.n%s.every == 0 {
		s.Points = append(s.Points, e)
		if len(s.Points) >= maxPoints {
			half := s.Points[:0]
			for i := 0; i < len(s.Points); i += 2 {
				half = append(half, s.Points[i])
			}
			s.Points = half
			s.every *= 2
		}
	}
	s.n++
}

// Why says in a sentence what takes most of a request's time, and what keeps others waiting.
func (o *Outcome) Why() string {
	m := &o.Metrics
	if m.Completed == 0 {
		return "No request was served."
	}
	type part struct {
		share float64
		what  string
	}
	parts := []part{
		{m.Weights, "on the part of decode steps that does not grow with the context, mostly reading weights"},
		{m.Cache, "on reading the cache"},
		{m.Prefill, "on prompts, its own and others'"},
		{m.Host, "on the engine's host"},
		{m.Waiting, "waiting to be scheduled"},
	}
	best := parts[0]
	for _, p := range parts {
		if p.share > best.share {
			best = p
		}
	}
	s := fmt.Sprintf("A request spends %.0f %% of its time %s", 100*best.share, best.what)
	if by := o.Stats.Binding(); by != "" && m.Waiting > 0.02 {
		s += "; what keeps it waiting is " + by
	}
	if o.Stats.Preemptions > 0 {
		s += fmt.Sprintf("; %d preemptions made prompts be computed again", o.Stats.Preemptions)
	}
	return s + "."
}
