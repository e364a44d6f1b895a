package serving

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel"
)

// reach is how many decode steps in a row are like the first.
func (r *Replica) reach() int {
	p := r.plan
	k := math.MaxInt
	if r.waiting.len() > 0 {
		if !p.blocked { // the head is only not visible yet
			return 1
		}
		if n := r.policy.patient(r); n > 0 {
			k = n
		}
	}
	// With drafts a step makes up to so many tokens: nothing happens before all are accepted.
	ahead := r.limits.ahead()
	if len(r.incoming) > 0 && !r.full {
		return 1
	}
	for _, q := range p.decodes {
		k = min(k, ceilDiv(q.left(), ahead))
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
	// Blocks: the last step sees k−1 positions more than the first. Σ need is monotone in k.
	fits := func(k int) bool {
		more := 0
		for _, q := range p.decodes {
			if d := r.limits.Layout.Need(q.computed+k*ahead) - q.held.shared*r.pool.weight() - q.held.private; d > 0 {
				more += d
			}
		}
		return more <= r.pool.free
	}
	if !fits(k) {
		lo, hi := 1, k // lo fits: its blocks were given by schedule
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

// overhead is what the engine's host adds to a step.
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

// stepsUntil is the fewest steps of the plan that end at t or later. Steps are of nearly
// one length, so that a secant finds it in a few evaluations.
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
			if lo+1 < hi { // the next one is the likely answer
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
