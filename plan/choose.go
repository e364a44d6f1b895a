package plan

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Plan estimates every deployment and simulates the finalists. Where the context ends earlier, it
// returns what it has found, with Stopped set, and the context's error.
func (p *Problem) Plan(ctx context.Context) (*Plan, error) {
	all, err := p.Estimates(ctx)
	if err != nil {
		return nil, err
	}
	out := &Plan{Deployments: len(all), Priced: p.priced()}
	possible := all
	for i, c := range all {
		if c.Why != "" {
			out.Impossible = len(all) - i
			possible = all[:i]
			break
		}
	}
	if len(possible) == 0 {
		out.Nearest = slices.MaxFunc(all, func(a, b *Candidate) int { return cmp.Compare(p.memory(a), p.memory(b)) })
		return out, nil
	}
	budget := min(p.finalists(), len(possible))
	seen := map[*Candidate]bool{}
	done := 0
	try := func(c *Candidate) error {
		if p.Progress != nil {
			p.Progress(Simulating, done, budget)
		}
		o, err := p.confirm(ctx, c)
		if err != nil {
			return err
		}
		seen[c] = true
		done++
		out.add(o)
		return nil
	}
	for _, c := range p.order(possible) {
		if done >= budget {
			break
		}
		if math.IsInf(c.Bound, 1) && out.Best != nil {
			continue // this deployment cannot meet the objective
		}
		if out.Best != nil && c.Bound >= out.Best.Cost {
			continue
		}
		if err = try(c); err != nil {
			break
		}
	}
	// Finalists that remain are spent on the deployments that no other's estimate beats. They
	// cost more than the best one, and may be faster.
	if err == nil && out.Best != nil {
		for _, c := range estimatedFront(possible) {
			if done >= budget {
				break
			}
			if !seen[c] && !math.IsInf(c.Bound, 1) {
				if err = try(c); err != nil {
					break
				}
			}
		}
	}
	out.finish(possible, seen)
	if err != nil && ctx.Err() != nil {
		out.Stopped = true
		out.Proven = false
		return out, ctx.Err()
	}
	if p.Progress != nil {
		p.Progress(Simulating, budget, budget)
	}
	return out, err
}

// memory returns the memory of all devices of a candidate's replica, in bytes.
func (p *Problem) memory(c *Candidate) float64 {
	return float64(c.GPUs) * p.Devices[c.at.device].Profile.MemoryCapacity.Value
}

// order returns the order in which candidates are simulated: by the lower bound of their cost,
// and where bounds are equal, first those that meet the objective by their estimate. Where no
// bound is finite, the nearest to the objective come first.
func (p *Problem) order(possible []*Candidate) []*Candidate {
	out := slices.Clone(possible)
	slices.SortStableFunc(out, func(a, b *Candidate) int {
		switch {
		case a.Bound != b.Bound:
			return cmp.Compare(a.Bound, b.Bound)
		case math.IsInf(a.Bound, 1):
			return cmp.Compare(a.Missing, b.Missing)
		case (a.Replicas > 0) != (b.Replicas > 0):
			if a.Replicas > 0 {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Cost, b.Cost)
	})
	return out
}

// better orders two deployments that meet the objective: the cheaper one first, then the one with
// more margin.
func better(a, b *Confirmed) bool {
	if a.Cost != b.Cost {
		return a.Cost < b.Cost
	}
	return a.Binds.Ratio() < b.Binds.Ratio()
}

// finalists returns the largest number of deployments to simulate.
func (p *Problem) finalists() int {
	if p.Finalists == 0 {
		return 10
	}
	return p.Finalists
}

// add adds a simulated finalist to the plan.
func (out *Plan) add(o *Confirmed) {
	out.Finalists = append(out.Finalists, o)
	if o.Meets && (out.Best == nil || better(o, out.Best)) {
		out.Best = o
	}
}

// finish sorts the finalists, and finds out which ones others beat and whether the best is proven
// to be the cheapest.
func (out *Plan) finish(possible []*Candidate, seen map[*Candidate]bool) {
	slices.SortStableFunc(out.Finalists, func(a, b *Confirmed) int {
		switch {
		case a.Meets != b.Meets:
			if a.Meets {
				return -1
			}
			return 1
		case !a.Meets:
			return cmp.Compare(a.Binds.Ratio(), b.Binds.Ratio())
		case better(a, b):
			return -1
		case better(b, a):
			return 1
		}
		return 0
	})
	for _, a := range out.Finalists {
		if a.Meets && !slices.ContainsFunc(out.Finalists, func(b *Confirmed) bool { return b.Meets && beats(b, a) }) {
			out.Front = append(out.Front, a)
		}
	}
	for _, c := range possible {
		if seen[c] || math.IsInf(c.Bound, 1) {
			continue
		}
		if out.Best == nil || c.Bound < out.Best.Cost {
			out.Unseen++
		}
	}
	out.Proven = out.Unseen == 0
}

// beats reports whether a is no worse than b in cost and in every figure of the objective, and
// better in one of them.
func beats(a, b *Confirmed) bool {
	if a.Cost > b.Cost {
		return false
	}
	some := a.Cost < b.Cost
	for i := range a.Measured {
		x, y := a.Measured[i].Ratio(), b.Measured[i].Ratio()
		if x > y {
			return false
		}
		some = some || x < y
	}
	return some
}

// estimatedFront returns the candidates that meet the objective by their estimate and that no
// other candidate beats in cost, time to first token and time per output token, the cheapest
// first.
func estimatedFront(all []*Candidate) []*Candidate {
	var in, out []*Candidate
	for _, c := range all {
		if c.Replicas > 0 {
			in = append(in, c)
		}
	}
	slices.SortStableFunc(in, func(a, b *Candidate) int {
		if a.Cost != b.Cost {
			return cmp.Compare(a.Cost, b.Cost)
		}
		return cmp.Compare(a.TPOT, b.TPOT)
	})
	for _, c := range in {
		if !slices.ContainsFunc(out, func(o *Candidate) bool { return o.TTFT <= c.TTFT && o.TPOT <= c.TPOT }) {
			out = append(out, c)
		}
		if len(out) >= 1000 {
			break
		}
	}
	return out
}
