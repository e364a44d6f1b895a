package plan

import (
	"context"
	"math"
	"sort"

	"golang.org/x/sync/errgroup"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/ceil"
	"github.com/OWNER/ridgeline/serving"
)

// keepsUp is the smallest share that the time of the arrivals must have of the whole run, without
// the time of the last requests at its end. Below it, a queue has grown that would go on growing
// in a longer run.
const keepsUp = 0.95

// run is the result of one simulated run of a deployment with n replicas.
type run struct {
	limits       []float64 // figures of the objective in its order, then goodput
	ttft, tpot   float64
	rate         float64
	input        float64 // prompt tokens a second
	output       float64
	busy, prompt float64
	keeps        bool
}

// source returns the load of the part of the replicas that is simulated, and how many replicas
// that part has. Where replicas take requests in turn, each of them gets every n-th request, and
// the gaps between those are sums of n gaps of the whole load: gamma distributed with n times the
// shape. So one simulated replica stands exactly for all of them.
//
// A run is long in comparison with a request: it has at least ten times as many requests as the
// estimate has running at once. The first of them do not count: a tenth, and at least half as
// many as run at once.
func (p *Problem) source(n int, seed uint64, batch float64) (src serving.Source, replicas, skip int) {
	if p.Trace != nil {
		return &serving.Replay{Requests: p.Trace.Requests, Speed: p.Speed}, n, 0
	}
	l := p.Load
	l.Seed = seed
	l.Requests = p.Requests
	if l.Requests == 0 {
		l.Requests = 400
	}
	if p.Users > 0 {
		l.Concurrency, l.Stages = ceil.Div(p.Users, n), nil
		l.Requests = max(l.Requests, 5*l.Concurrency)
		return l.Source(), 1, max(l.Requests/10, l.Concurrency)
	}
	l.Requests = max(l.Requests, int(10*batch))
	shape := l.Burstiness
	if shape <= 0 {
		shape = 1
	}
	l.Concurrency, l.Burstiness, l.Stages = 0, shape*float64(n), []serving.Stage{{Rate: p.Rate / float64(n)}}
	return l.Source(), 1, max(l.Requests/10, int(1.5*batch))
}

// simulate makes one run.
func (p *Problem) simulate(ctx context.Context, c *Candidate, d *serving.Deployment, n int, batch float64, seed uint64, by float64) (*run, error) {
	src, replicas, skip := p.source(n, seed, batch)
	price := d.Price
	if by != 1 {
		price = serving.Scaled(d.Price, by)
	}
	apart, err := c.Ratio.apart(d, replicas)
	if err != nil {
		return nil, err
	}
	r, err := serving.Run(ctx, d.Limits, price, src, serving.Options{Replicas: replicas, Apart: apart, Seed: seed})
	if err != nil {
		return nil, err
	}
	slo := p.Objective.slo()
	times := map[string][]float64{}
	sum := map[string]float64{}
	good, all, lost := 0, 0, 0
	var last, input, output float64
	for i := range r.Requests {
		q := &r.Requests[i]
		last = math.Max(last, q.Arrive)
		if q.Status == serving.Done {
			input += float64(q.Prompt)
			output += float64(q.Generate)
		}
		if i < skip {
			continue
		}
		all++
		if q.Status != serving.Done {
			lost++
			continue
		}
		if slo.Met(q) {
			good++
		}
		add := func(figure string, v float64) {
			times[figure] = append(times[figure], v)
			sum[figure] += v
		}
		add("ttft", q.TTFT())
		add("e2e", q.E2E())
		if t, ok := q.TPOT(); ok {
			add("tpot", t)
		}
	}
	mean := func(f string) float64 { return sum[f] / math.Max(float64(len(times[f])), 1) }
	for _, v := range times {
		sort.Float64s(v)
	}
	out := &run{ttft: mean("ttft"), tpot: mean("tpot"), keeps: true}
	for _, l := range p.Objective.Limits {
		v := mean(l.Figure)
		switch {
		case lost > 0: // a request that is never answered is no better than a slow one
			v = math.Inf(1)
		case l.Percentile > 0 && len(times[l.Figure]) > 0:
			v = serving.Percentile(times[l.Figure], l.Percentile)
		}
		out.limits = append(out.limits, v)
	}
	if p.Objective.Goodput > 0 {
		out.limits = append(out.limits, float64(good)/math.Max(float64(all), 1))
	}
	if p.Users == 0 && last > 0 {
		tail := r.Duration - last
		out.keeps = last/(last+math.Max(tail-4*mean("e2e"), 0)) >= keepsUp
	}
	share := float64(n) / float64(replicas)
	span := r.Duration
	if p.Users == 0 && p.Trace == nil { // the load goes on beyond the run, so its beginning and end do not count
		span = float64(len(r.Requests)) / (p.Rate / float64(n))
	}
	out.rate = share * float64(len(r.Requests)-lost) / span
	out.input, out.output = share*input/span, share*output/span
	if b := r.Stats.Busy(); b > 0 {
		out.busy = math.Min(b/(span*float64(replicas*c.Ratio.Group()*max(d.Limits.Groups, 1))), 1)
		out.prompt = r.Stats.Prefill / b
	}
	return out, nil
}

// measure simulates a candidate with n replicas: Seeds runs, and one run in which every kernel
// takes the longest time within its calibration's interval.
func (p *Problem) measure(ctx context.Context, c *Candidate, d *serving.Deployment, n int, slow float64) (*Confirmed, error) {
	seeds := max(p.Seeds, 0)
	if seeds == 0 {
		seeds = 3
	}
	if p.Trace != nil {
		seeds = 1
	}
	batch := newServer(c.at.t, d.Limits, c.Ratio, nil).under(n).batch
	runs := make([]*run, seeds)
	var last *run
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for i := range runs {
		g.Go(func() (err error) {
			runs[i], err = p.simulate(gctx, c, d, n, batch, p.Seed+uint64(i), 1)
			return err
		})
	}
	if slow > 1 {
		g.Go(func() (err error) {
			last, err = p.simulate(gctx, c, d, n, batch, p.Seed, slow)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	o := &Confirmed{Candidate: c, Replicas: n, Meets: true}
	over := func(of func(*run) float64) (mean, half float64) {
		vs := make([]float64, seeds)
		for i, r := range runs {
			vs[i] = of(r)
		}
		return serving.MeanOver(vs)
	}
	limits := append([]Limit(nil), p.Objective.Limits...)
	if p.Objective.Goodput > 0 {
		limits = append(limits, Limit{Figure: goodput, Seconds: p.Objective.Goodput})
	}
	for i, l := range limits {
		v, half := over(func(r *run) float64 { return r.limits[i] })
		if math.IsNaN(half) { // there is one run only, or runs that never end
			half = 0
		}
		o.Measured = append(o.Measured, Measured{l, v, math.Max(v-half, 0), v + half})
		if last != nil {
			o.Slow = append(o.Slow, Measured{l, last.limits[i], last.limits[i], last.limits[i]})
		}
	}
	o.Meets = meets(o.Measured)
	for _, r := range runs {
		o.Meets = o.Meets && r.keeps
	}
	o.Binds, _ = worst(o.Measured)
	o.Rate, _ = over(func(r *run) float64 { return r.rate })
	o.InputTokens, _ = over(func(r *run) float64 { return r.input })
	o.OutputTokens, _ = over(func(r *run) float64 { return r.output })
	o.TTFT, _ = over(func(r *run) float64 { return r.ttft })
	o.TPOT, _ = over(func(r *run) float64 { return r.tpot })
	o.Busy, _ = over(func(r *run) float64 { return r.busy })
	o.PromptShare, _ = over(func(r *run) float64 { return r.prompt })
	o.price(p)
	return o, nil
}

// price works out what a confirmed deployment costs. The time spent on prompts is charged to
// prompt tokens and the rest to generated ones; idle time is divided in the same proportion.
func (o *Confirmed) price(p *Problem) {
	gpus := float64(o.GPUsInAll())
	o.Cost = gpus * p.hour(o.at.device)
	o.InputCost, o.OutputCost = math.NaN(), math.NaN()
	if p.priced() {
		o.InputCost = 1e6 * o.Cost / 3600 * o.PromptShare / o.InputTokens
		o.OutputCost = 1e6 * o.Cost / 3600 * (1 - o.PromptShare) / o.OutputTokens
	}
	o.Watts = gpus * p.Devices[o.at.device].Profile.TDP.Value * o.Busy
	o.Joules = o.Watts / (o.InputTokens + o.OutputTokens)
	o.Command = Command(o.Candidate, p.Models[o.at.model].Name)
}

// confirm finds the smallest number of replicas with which the simulator meets the objective,
// between the lower bound and the number there are devices for. It begins at the estimate. Since
// latencies fall with the number of replicas, it then halves the interval between a number that
// is too small and one that is enough.
func (p *Problem) confirm(ctx context.Context, c *Candidate) (*Confirmed, error) {
	d, err := serving.Deploy(c.profile, c.at.c, p.Fidelity, c.settings)
	if err != nil {
		return nil, err
	}
	slow := 0.0
	w := p.mean()
	at := c.at.c.At(p.Fidelity)
	load := costmodel.Workload{Prompt: int(w.prompt), Generate: max(int(w.generate), 1), Batch: max(int(c.Batch), 1)}
	if _, hi, ok := at.Interval(load); ok && at.Basis() != costmodel.DatasheetOnly {
		slow = hi / (at.Generation(load) / float64(load.Generate))
	}
	n := c.Replicas
	if n == 0 {
		n = c.most
	}
	least := min(max(c.least, 1), c.most)
	n = min(max(n, least), c.most)
	at1 := map[int]*Confirmed{}
	try := func(n int) (*Confirmed, error) {
		if o := at1[n]; o != nil {
			return o, nil
		}
		o, err := p.measure(ctx, c, d, n, slow)
		at1[n] = o
		return o, err
	}
	o, err := try(n)
	if err != nil {
		return nil, err
	}
	lo, hi := least-1, n // lo replicas are too few, hi replicas are enough
	if !o.Meets {
		best := o
		for step := 1; !o.Meets; step *= 2 {
			if n == c.most {
				return best, nil
			}
			lo = n
			n = min(n+step, c.most)
			if o, err = try(n); err != nil {
				return nil, err
			}
			if best = o; o.Meets {
				hi = n
			}
		}
	} else {
		for step := 1; hi > least; step *= 2 {
			m := max(hi-step, least)
			x, err := try(m)
			if err != nil {
				return nil, err
			}
			if !x.Meets {
				lo = m
				break
			}
			hi = m
		}
	}
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		x, err := try(mid)
		if err != nil {
			return nil, err
		}
		if x.Meets {
			hi = mid
		} else {
			lo = mid
		}
	}
	return at1[hi], nil
}
