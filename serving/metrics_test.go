package serving

import (
	"math"
	"testing"
)

// Percentiles are interpolated between ranks as numpy does: of 1, 2, 3, 10 the median is
// half way between the second and the third.
func TestPercentile(t *testing.T) {
	for p, want := range map[float64]float64{0: 1, 0.5: 2.5, 0.9: 3 + 0.7*7, 1: 10} {
		near(t, "percentile", Percentile([]float64{1, 2, 3, 10}, p), want, 1e-12)
	}
	if v := Percentile(nil, 0.5); !math.IsNaN(v) {
		t.Errorf("a percentile of nothing is %g", v)
	}
	s := summarise([]float64{10, 1, 3, 2})
	for what, got := range map[string][2]float64{"mean": {s.Mean, 4}, "median": {s.Median, 2.5}, "standard deviation": {s.Std, math.Sqrt((9 + 4 + 1 + 36) / 4.0)}, "90th": {s.P90, 7.9}, "99th": {s.P99, 9.79}} {
		near(t, what, got[0], got[1], 1e-12)
	}
}

// An objective is met by a request that is done within each of its figures.
func TestSLOMet(t *testing.T) {
	r := Record{Request: Request{Arrive: 1, Prompt: 10, Generate: 11}, First: 2, End: 4}
	for _, c := range []struct {
		slo  SLO
		want bool
	}{{SLO{}, true}, {SLO{TTFT: 1}, true}, {SLO{TTFT: 0.99}, false}, {SLO{TPOT: 0.2}, true}, {SLO{TPOT: 0.19}, false}, {SLO{E2E: 3}, true}, {SLO{E2E: 2.9}, false}, {SLO{TTFT: 1, TPOT: 0.1}, false}} {
		if got := c.slo.Met(&r); got != c.want {
			t.Errorf("first token after 1 s, 10 more in 2 s: %+v is met: %v", c.slo, got)
		}
	}
	r.Status = TimedOut
	if (SLO{}).Met(&r) {
		t.Error("a request that timed out is good")
	}
}

// Of all requests, not of those that were served, a share is good.
func TestGoodShare(t *testing.T) {
	l := dense(100)
	src := &Replay{Requests: []Request{{ID: 0, Prompt: 5000, Generate: 10}, {ID: 1, Prompt: 10, Generate: 4}}}
	m := simulate(t, l, plain, src, Options{}).Metrics(SLO{TTFT: 10}, 0)
	if m.Completed != 1 || m.Unservable != 1 || m.GoodShare != 0.5 {
		t.Errorf("%d done, %d refused, %g good; want one of two", m.Completed, m.Unservable, m.GoodShare)
	}
}

// A long prompt takes at most its threshold of each step, so that others' tokens come
// between: 100 tokens in steps of 30 are four.
func TestLongPromptThreshold(t *testing.T) {
	l := dense(1000)
	l.Threshold, l.PrefixCache = 30, false
	src := &Replay{Requests: []Request{{ID: 0, Prompt: 100, Generate: 1}}}
	near(t, "first token", simulate(t, l, linear{step: 0.01}, src, Options{}).Requests[0].First, 0.04, 1e-9)
}

// A preempted sequence finds what nobody has taken of its own blocks: it computes less again
// than one whose engine has no prefix cache.
func TestPreemptedFindItsBlocks(t *testing.T) {
	computed := map[bool]int{}
	for _, cache := range []bool{false, true} {
		l := dense(30)
		l.PrefixCache = cache
		src := &Replay{Requests: []Request{{ID: 0, Prompt: 16, Generate: 300}, {ID: 1, Arrive: 0.001, Prompt: 16, Generate: 300}}}
		r := simulate(t, l, linear{step: 0.01}, src, Options{})
		if r.Requests[1].Preemptions == 0 {
			t.Fatal("nobody was preempted")
		}
		computed[cache] = r.Stats.ComputedTokens
	}
	if computed[true] >= computed[false] {
		t.Errorf("%d tokens are computed with a prefix cache, %d without", computed[true], computed[false])
	}
}

// The figures of a run of two requests one after the other, by hand: steps of 10 ms, four
// tokens each, the second waits in the only seat's queue.
func TestMetricsByHand(t *testing.T) {
	l := dense(100)
	l.Seqs, l.PrefixCache = 1, false
	src := &Replay{Requests: []Request{{ID: 0, Prompt: 16, Generate: 4}, {ID: 1, Arrive: 0.01, Prompt: 16, Generate: 4}}}
	m := simulate(t, l, linear{step: 0.01}, src, Options{}).Metrics(SLO{}, 0)
	for what, got := range map[string][2]float64{
		"seconds":           {m.Duration, 0.08},
		"requests a second": {m.RequestThroughput, 2 / 0.08},
		"tokens a second":   {m.OutputThroughput, 8 / 0.08},
		"all tokens":        {m.TotalThroughput, 40 / 0.08},
		"end to end":        {m.E2E.Mean, (0.04 + 0.07) / 2},
		"queue":             {m.Queue.Mean, 0.03 / 2},
		"share of waiting":  {m.Waiting, 0.03 / 0.11},
	} {
		near(t, what, got[0], got[1], 1e-9)
	}
	if m.MaxConcurrent != 2 || m.Completed != 2 {
		t.Errorf("%d at once and %d done, want 2 and 2", m.MaxConcurrent, m.Completed)
	}
}

// A prompt as long as the budget fits a step of whole prompts; one longer waits for ever
// and is refused.
func TestBudgetIsInclusive(t *testing.T) {
	l := dense(1000)
	l.Policy, l.Chunked, l.PrefixCache, l.Budget = "prefill-first-whole", false, false, 100
	src := &Replay{Requests: []Request{{ID: 0, Prompt: 60, Generate: 2}, {ID: 1, Prompt: 40, Generate: 2}, {ID: 2, Prompt: 1, Generate: 2}}}
	r := simulate(t, l, linear{step: 0.01}, src, Options{})
	for i, want := range []float64{0, 0, 0.01} { // the first two fill a step
		near(t, "scheduled", r.Requests[i].Scheduled+1, want+1, 1e-9)
	}
}

// SGLang's share of answers still to come falls evenly from its first value to its least.
func TestDecayedRatio(t *testing.T) {
	r := &Replica{limits: &Limits{Ratio: Ratio{Initial: 0.7, Least: 0.1, Steps: 100}}, ratio: 0.7}
	for steps, want := range map[int]float64{0: 0.7, 50: 0.4, 100: 0.1, 1000: 0.1} {
		near(t, "ratio", r.decayed(steps), want, 1e-12)
	}
}

// Where a position of the cache is two blocks, taking three of its blocks evicts two
// positions; the fourth block is free without content.
func TestTakingPartOfANode(t *testing.T) {
	p := newPool(&Layout{block: 16, full: 2}, 8, true)
	p.take(8)
	n := &node{id: 7, named: true, refs: 1, have: 4}
	p.index[7] = n
	p.drop(n)
	p.take(3)
	free := 0
	for x := p.queue.next; x != &p.queue; x = x.next {
		free += p.ids(x)
	}
	if n.have != 2 || p.free != 5 || free != 5 {
		t.Errorf("%d positions are left, %d blocks are counted free and %d in the queue; want 2, 5 and 5", n.have, p.free, free)
	}
}

// What a request waits for counts both before it is scheduled and between replicas, and one that
// ends when another arrives is not there at the same time.
func TestWaitingAndConcurrencyByHand(t *testing.T) {
	r := &Result{Duration: 18, Stats: Stats{ITL: newHistogram()}, Requests: []Record{
		{Request: Request{ID: 0, Prompt: 5, Generate: 3}, Scheduled: 1, First: 5, Handed: 3, Landed: 5, End: 9},
		{Request: Request{ID: 1, Prompt: 5, Generate: 3, Arrive: 9}, Scheduled: 10, First: 12, Handed: 12, Landed: 12, End: 18},
	}}
	m := r.Metrics(SLO{}, 0)
	if want := (1 + 2 + 1 + 0) / 18.; math.Abs(m.Waiting-want) > 1e-12 {
		t.Errorf("%g of the time is waiting, want %g", m.Waiting, want)
	}
	if m.MaxConcurrent != 1 {
		t.Errorf("%d requests at once, want 1", m.MaxConcurrent)
	}
}

// The time that requests wait is counted for each of them: with one seat and all there from the
// start, it adds up to their times in the queue.
func TestWaitingIsOfEveryRequest(t *testing.T) {
	l := dense(1000)
	l.Seqs = 1
	load := &Load{Prompt: Lengths{Mean: 40}, Generate: Lengths{Mean: 7}, Requests: 6, Concurrency: 6}
	r := audited(t, l, plain, load.Source(), Options{})
	want := 0.0
	for i := range r.Requests {
		want += r.Requests[i].Scheduled - r.Requests[i].Arrive
	}
	sum := 0.0
	for _, x := range r.Stats.waited {
		sum += x
	}
	if math.Abs(sum-want) > 1e-9*want || r.Stats.waited[bySeats] < 0.9*sum {
		t.Errorf("waited %v, want %g in all, for seats", r.Stats.waited, want)
	}
}

// Student's t for three runs is 2.91999 at 95 %: 1, 2 and 3 have the mean 2 and the deviation 1.
func TestIntervalsOverSeeds(t *testing.T) {
	mean, half := MeanOver([]float64{1, 2, 3})
	near(t, "mean", mean, 2, 1e-12)
	near(t, "half an interval", half, 2.919986/math.Sqrt(3), 1e-5)
	if _, half := MeanOver([]float64{5}); !math.IsNaN(half) {
		t.Errorf("one run has an interval of %g", half)
	}
}

// Times between tokens of two replicas are those of both together.
func TestHistogramsTogether(t *testing.T) {
	a, b := newHistogram(), newHistogram()
	a.add(0.01, 3)
	b.add(0.03, 3)
	a.merge(b)
	near(t, "mean", a.Mean(), 0.02, 1e-12)
	near(t, "standard deviation", a.Std(), 0.01, 1e-9)
	near(t, "99th", a.Quantile(0.99), 0.03, 4e-4)
}

// Steps that grow with the context spread the times between tokens around their mean, which stays
// that of the steps.
func TestTimesBetweenTokensGrow(t *testing.T) {
	l := dense(1000)
	l.PrefixCache = false
	const generate = 4000
	src := &Replay{Requests: []Request{{Prompt: 16, Generate: generate}}}
	r := simulate(t, l, linear{step: 1e-3, context: 1e-6}, src, Options{})
	q := r.Requests[0]
	near(t, "mean time between tokens", r.Stats.ITL.Mean(), (q.End-q.First)/(generate-1), 1e-9)
	if low, high := r.Stats.ITL.Quantile(0.05), r.Stats.ITL.Quantile(0.95); high < 2*low {
		t.Errorf("times between tokens from %g to %g s, want them to grow fivefold", low, high)
	}
}
