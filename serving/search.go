package serving

import (
	"context"
	"fmt"
	"math"
)

// Search looks for the heaviest load that a deployment serves within an SLO: a number of requests
// a second (open loop) or of clients (closed loop).
type Search struct {
	Deployment *Deployment
	Load       Load // its lengths, seed and so on; the rate or the number of clients is searched for
	Options    Options
	SLO        SLO
	Users      bool    // whether to search for a number of clients, not for a rate
	Share      float64 // share of the requests that must meet the SLO; 0 stands for 0.99
	Seeds      int     // with how many seeds the last step of the search is repeated; 0 stands for 5
	Progress   func(probes int, load float64)
}

// Capacity is the result of a search.
type Capacity struct {
	Load    float64 // requests a second, or number of clients
	Low     float64 // lowest and highest result of a single seed
	High    float64
	Binds   string // the limit that a little more load would break
	Probes  int
	At      *Result // a run with this load
	Metrics Metrics // of that run
	Beyond  Metrics // of a run with a little more load
	Limit   bool    // whether the search ended at the largest load that it tries
}

const (
	searchTo       = 0.01 // relative width at which halving the interval of a rate ends
	mostRate       = 1e5
	mostUsers      = 1 << 16
	probesAtMost   = 64
	warmupShare    = 10 // the first tenth of the requests does not count
	keepsUpAtLeast = 0.95
)

// Do searches: it doubles a load that meets the SLO until one does not, and then halves the
// interval between them. All runs draw the same lengths and, in units of the mean gap, the same
// arrivals, so that the results hardly ever fall where the load grows.
func (s *Search) Do(ctx context.Context) (*Capacity, error) {
	share := s.Share
	if share == 0 {
		share = 0.99
	}
	if !s.SLO.Set() {
		return nil, fmt.Errorf("the search needs an SLO, as ttft=500ms,tpot=50ms is")
	}
	c := &Capacity{}
	type probe struct {
		ok bool
		m  Metrics
		r  *Result
		by string
	}
	try := func(x float64, seed uint64, quick bool) (*probe, error) {
		c.Probes++
		if c.Probes > probesAtMost*max(s.Seeds, 5) {
			return nil, fmt.Errorf("the search did not settle in %d runs", c.Probes)
		}
		if s.Progress != nil {
			s.Progress(c.Probes, x)
		}
		l := s.Load
		l.Seed = seed
		if s.Users {
			l.Concurrency, l.Stages = int(x), nil
			l.Requests = max(l.Requests, 4*int(x))
		} else {
			l.Concurrency, l.Stages = 0, []Stage{{Rate: x}}
		}
		o := s.Options
		o.Quick, o.Progress, o.Seed = true, nil, seed
		skip := l.Requests / warmupShare
		// A run is given up once more requests have missed the SLO than are allowed to.
		missed, most := 0, int((1-share)*float64(l.Requests-skip))
		if quick {
			o.Stop = func(r *Record) bool {
				if r.ID >= skip && !s.SLO.Met(r) {
					missed++
				}
				return missed > most
			}
		}
		r, err := Run(ctx, s.Deployment.Limits, s.Deployment.Price, l.Source(), o)
		if err != nil {
			return nil, err
		}
		p := &probe{r: r, m: r.Metrics(s.SLO, skip)}
		good, n := 0, 0
		var ttft, tpot, e2e int
		var span, last float64
		for i := range r.Requests {
			q := &r.Requests[i]
			last = max(last, q.Arrive)
			if i < skip || q.Status == Done && q.End == 0 {
				continue
			}
			n++
			if s.SLO.Met(q) {
				good++
				continue
			}
			t, ok := q.TPOT()
			switch {
			case q.Status != Done:
			case s.SLO.TTFT > 0 && q.TTFT() > s.SLO.TTFT:
				ttft++
			case ok && s.SLO.TPOT > 0 && t > s.SLO.TPOT:
				tpot++
			default:
				e2e++
			}
		}
		span = r.Duration
		p.ok = n > 0 && float64(good) >= share*float64(n)
		// A queue that grows without end can meet an SLO while the run is short. So requests must
		// be answered as fast as they come.
		growing := false
		if !s.Users && p.ok && last > 0 {
			tail, service := span-last, p.m.E2E.Mean-p.m.Queue.Mean
			growing = last/(last+max(tail-4*service, 0)) < keepsUpAtLeast
			p.ok = !growing
		}
		switch {
		case growing:
			p.by = "the queue: requests come faster than they are served"
		case ttft >= tpot && ttft >= e2e && ttft > 0:
			p.by = "time to first token"
			if b := r.Stats.Binding(); b != "" {
				p.by += ", for want of " + map[string]string{"the limit of sequences at once": "seats (max_num_seqs)", "room in the cache": "cache blocks", "the tokens a step may have": "tokens in a step (max_num_batched_tokens)"}[b]
			}
		case tpot >= e2e && tpot > 0:
			p.by = "time per output token"
		case e2e > 0:
			p.by = "end-to-end time"
		case n == 0:
			p.by = "requests that cannot be served"
		}
		return p, nil
	}
	// bracket halves the interval [lo, hi], where lo meets the SLO and hi does not.
	bracket := func(lo, hi float64, seed uint64, best, worst *probe) (float64, *probe, *probe, error) {
		for {
			mid := math.Sqrt(lo * hi)
			if s.Users {
				mid = math.Floor((lo + hi) / 2)
				if mid <= lo {
					return lo, best, worst, nil
				}
			} else if hi/lo < 1+searchTo {
				return lo, best, worst, nil
			}
			p, err := try(mid, seed, true)
			if err != nil {
				return 0, nil, nil, err
			}
			if p.ok {
				lo, best = mid, p
			} else {
				hi, worst = mid, p
			}
		}
	}
	seek := func(seed uint64, from float64) (float64, *probe, *probe, error) {
		most, least := float64(mostRate), 1e-4
		if s.Users {
			most, least = mostUsers, 1
		}
		x := from
		p, err := try(x, seed, true)
		if err != nil {
			return 0, nil, nil, err
		}
		if p.ok {
			for {
				if x >= most {
					c.Limit = true
					return x, p, p, nil
				}
				next, err := try(min(2*x, most), seed, true)
				if err != nil {
					return 0, nil, nil, err
				}
				if !next.ok {
					return bracket(x, min(2*x, most), seed, p, next)
				}
				x, p = min(2*x, most), next
			}
		}
		for {
			if x <= least {
				return 0, nil, p, nil
			}
			lower := max(x/2, least)
			if s.Users {
				lower = math.Floor(lower)
			}
			next, err := try(lower, seed, true)
			if err != nil {
				return 0, nil, nil, err
			}
			if next.ok {
				return bracket(lower, x, seed, next, p)
			}
			x, p = lower, next
		}
	}
	at, best, worst, err := seek(s.Load.Seed, 1)
	if err != nil {
		return nil, err
	}
	c.Binds, c.Load, c.Low, c.High = worst.by, at, at, at
	c.Beyond = worst.m
	if best == nil {
		return c, nil
	}
	sum, n := at, 1
	seeds := s.Seeds
	if seeds == 0 {
		seeds = 5
	}
	for i := 1; i < seeds && !c.Limit; i++ {
		x, _, _, err := seek(s.Load.Seed+uint64(i), at)
		if err != nil {
			return nil, err
		}
		sum, n = sum+x, n+1
		c.Low, c.High = min(c.Low, x), max(c.High, x)
	}
	c.Load = sum / float64(n)
	if s.Users {
		c.Load = math.Floor(c.Load)
	}
	final, err := try(c.Load, s.Load.Seed, false)
	if err != nil {
		return nil, err
	}
	c.At, c.Metrics = final.r, final.m
	return c, nil
}
