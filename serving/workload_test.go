package serving

import (
	"math"
	"testing"
)

// A gap that begins in one stage and ends in another passes at the rate of each: of one request's
// gap two seconds at 0.25/s use a half, and the rest takes a quarter of a second at 2/s.
func TestGapsSpanStages(t *testing.T) {
	l := &Load{Prompt: Lengths{Mean: 10}, Generate: Lengths{Mean: 2}, Requests: 4, Burstiness: math.Inf(1), Stages: []Stage{{Rate: 0.25, Seconds: 2}, {Rate: 0, Seconds: 3}, {Rate: 2}}}
	src := l.Source()
	for i, want := range []float64{5.25, 5.75, 6.25, 6.75} {
		at, ok := src.Peek()
		if q := src.Take(); !ok || math.Abs(at-want) > 1e-12 || q.Arrive != at {
			t.Errorf("request %d arrives at %g (%v), want %g", i, at, ok, want)
		}
	}
}

// Arrivals of a trace played at twice the speed come in half the time.
func TestReplayAtASpeed(t *testing.T) {
	r := &Replay{Speed: 2, Requests: []Request{{ID: 0, Arrive: 3}, {ID: 1, Arrive: 10}}}
	for _, want := range []float64{1.5, 5} {
		if at, _ := r.Peek(); at != want {
			t.Errorf("a request comes at %g, want %g", at, want)
		}
		if q := r.Take(); q.Arrive != want {
			t.Errorf("a request arrived at %g, want %g", q.Arrive, want)
		}
	}
}

// Cached blocks that nobody holds are free and are not free twice: of ten blocks one request runs
// in four, five hold the beginning of the next prompt, and that prompt needs three more where one
// is left. It is scheduled when the other ends, and not before.
func TestCachedBlocksAreFreeOnce(t *testing.T) {
	beginning := []Segment{{ID: 7, Tokens: 80}}
	for _, policy := range []string{"budget", "prefill-first-whole", "prefill-first-chunked", "max-utilization"} {
		l := dense(10)
		l.Policy, l.Chunked = policy, policy == "budget" || policy == "prefill-first-chunked"
		src := &Replay{Requests: []Request{
			{ID: 0, Prompt: 81, Generate: 1, Shared: beginning},
			{ID: 1, Arrive: 1, Prompt: 60, Generate: 5},
			{ID: 2, Arrive: 1.001, Prompt: 128, Generate: 1, Shared: beginning},
		}}
		r := audited(t, l, plain, src, Options{})
		other, q := &r.Requests[1], &r.Requests[2]
		if q.Cached != 80 || q.Scheduled < other.End-1e-9 || q.Status != Done {
			t.Errorf("%s: %d tokens found, scheduled at %g where the other ended at %g", policy, q.Cached, q.Scheduled, other.End)
		}
	}
}

// Blocks of a prompt's segments add up to its whole blocks: the block that a boundary cuts belongs
// to the segment it ends in. Two of 24 tokens have one and two blocks of 16.
func TestBlocksOfSegments(t *testing.T) {
	p := newPool(dense(10).Layout, 10, true)
	if a, b := p.span(0, 24), p.span(24, 48); a != 1 || b != 2 {
		t.Errorf("two segments of 24 tokens have %d and %d blocks, want 1 and 2", a, b)
	}
	l := dense(20)
	src := &Replay{Requests: []Request{
		{ID: 0, Prompt: 60, Generate: 1, Shared: []Segment{{ID: 1, Tokens: 24}, {ID: 2, Tokens: 24}}},
		{ID: 1, Arrive: 1, Prompt: 60, Generate: 1, Shared: []Segment{{ID: 1, Tokens: 24}, {ID: 2, Tokens: 24}}},
	}}
	if r := audited(t, l, plain, src, Options{}); r.Requests[1].Cached != 48 {
		t.Errorf("%d tokens of 48 found", r.Requests[1].Cached)
	}
}

// Lognormal lengths have the mean they are given.
func TestLognormalMean(t *testing.T) {
	l := Lengths{Mean: 1000, Shape: Lognormal, Spread: 0.8}
	sum, n := 0.0, 20_000
	for i := range n {
		sum += float64(l.draw((float64(i) + 0.5) / float64(n)))
	}
	near(t, "mean", sum/float64(n), 1000, 5e-3)
}
