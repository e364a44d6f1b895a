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
