package serving

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/ceil"
)

// reach returns how many decode steps in a row are like the first one.
func (r *Replica) reach() int {
	p := r.plan
	k := math.MaxInt
	if r.waiting.len() > 0 {
		if !p.blocked { // only requests that the scheduler has not seen yet wait
			return 1
		}
		if n := r.policy.patient(r); n > 0 {
			k = n
		}
	}
	// With drafts, a step generates up to this many tokens. The plan is so short that nothing
	// happens even if all of them are accepted.
	ahead := r.limits.ahead()
	if len(r.incoming) > 0 && !r.full {
		return 1
	}
	for _, q := range p.decodes {
		k = min(k, ceil.Div(q.left(), ahead))
		n := q.computed + 1
		for _, w := range r.windows {
			if more, ok := costmodel.Grows(w, n); ok {
				k = min(k, (more-1)/ahead+1)
			}
		}
	}
	if m := r.limits.Graphs.MaxContext; m > 0 && p.maxReach <= m {
		k = min(k, (m-p.maxReach)/ahead+1)
	}
	if k <= 1 {
		return 1
	}
	// The last step needs blocks for k−1 positions more than the first. The number of blocks
	// grows with k.
	fits := func(k int) bool {
		more := 0
		for _, q := range p.decodes {
			if d := r.limits.Layout.Need(q.computed+k*ahead) - q.held.shared*r.pool.weight() - q.held.private; d > 0 {
				more += d
			}
		}
		return more <= r.pool.free && r.sideFits(k*ahead)
	}
	if !fits(k) {
		lo, hi := 1, k // lo steps fit, because the scheduler gave them their blocks
		for hi-lo > 1 {
			mid := int(uint(lo+hi) / 2)
			if fits(mid) {
				lo = mid
			} else {
				hi = mid
			}
		}
		k = lo
	}
	return k
}

// overhead returns what the engine's host adds to a step, in seconds.
func (r *Replica) overhead(s *Step) float64 {
	h := &r.limits.Host
	t := h.Step + h.Kernel*r.limits.Kernels + h.Sequence*float64(s.Decodes+len(s.Chunks))
	for _, c := range s.Chunks {
		t += h.Token * float64(c.New)
	}
	return t
}

func (r *Replica) run(k int) float64 {
	s := &r.plan.step
	if k == 0 {
		return 0
	}
	s.Advance = r.advance(k)
	return r.price.Run(s, k) + float64(k)*r.overhead(s)
}

// stepsUntil returns the smallest number of steps of the plan after which the time is t or later.
// Steps take nearly the same time each, so that the secant method finds it in a few evaluations.
func (r *Replica) stepsUntil(t float64) int {
	p := r.plan
	want := t - p.start
	lo, tLo, hi, tHi := 0, 0.0, p.steps, p.seconds // T(lo) < want ≤ T(hi)
	if want <= 0 {
		return 1
	}
	for hi-lo > 1 {
		k := lo + int(float64(hi-lo)*(want-tLo)/(tHi-tLo))
		k = min(max(k, lo+1), hi-1)
		if v := r.run(k); v >= want {
			hi, tHi = k, v
		} else {
			lo, tLo = k, v
			if lo+1 < hi { // the next number is the likely answer
				if v := r.run(lo + 1); v >= want {
					return lo + 1
				} else {
					lo, tLo = lo+1, v
				}
			}
		}
	}
	return hi
}
