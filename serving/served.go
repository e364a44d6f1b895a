package serving

import (
	"context"
	"fmt"
	"math"
)

// Ask describes a load by the few values for which a table of models has room. Exactly one of
// Clients and Rate is positive.
type Ask struct {
	Clients          int     // closed loop with clients that begin 2 ms after one another
	Rate             float64 // open loop, in requests a second with Poisson arrivals
	Prefix           int     // number of tokens with which all prompts begin alike; they come before those of Prompt
	Prompt, Generate Lengths
	Requests         int // 0 stands for 20 requests for each client, at least 100, and for 1,000 in an open loop
	Seed             uint64
	// SLO, if set, also asks for the largest number of clients with which 99 % of requests meet
	// it, found with so many Seeds (0 stands for 1).
	SLO   SLO
	Seeds int
}

// Served is the result of an Ask. Times are in seconds, and NaN where there are none, such as the
// time per output token of answers with one token.
type Served struct {
	Metrics
	Preemptions int
	PeakCache   float64 // the largest share of the blocks in use at one time
	Users       int     // number of clients that meets the SLO; -1 where it was not asked for
	Binds       string  // the limit that one more client would break
	Why         string  // what takes the time of a request, in a sentence
}

// Served simulates the load of an Ask once.
func (d *Deployment) Served(ctx context.Context, a Ask) (*Served, error) {
	if (a.Clients > 0) == (a.Rate > 0) {
		return nil, fmt.Errorf("a served load has clients or a rate, not %d clients and %g requests a second", a.Clients, a.Rate)
	}
	load := Load{Prefix: a.Prefix, Prompt: a.Prompt, Generate: a.Generate, Requests: a.Requests, Seed: a.Seed, Stagger: 2e-3}
	if a.Clients > 0 {
		load.Concurrency = a.Clients
		if load.Requests == 0 {
			load.Requests = max(20*a.Clients, 100)
		}
	} else {
		load.Stages = []Stage{{Rate: a.Rate}}
		if load.Requests == 0 {
			load.Requests = 1000
		}
	}
	o, err := (&Study{Deployment: d, Source: func(seed uint64) Source {
		l := load
		l.Seed = seed
		return l.Source()
	}, Seed: a.Seed, SLO: a.SLO}).Do(ctx)
	if err != nil {
		return nil, err
	}
	out := &Served{Metrics: o.Metrics, Preemptions: o.Stats.Preemptions, PeakCache: o.Stats.PeakCache, Users: -1, Why: o.Why()}
	if !a.SLO.Set() {
		return out, nil
	}
	load.Requests = max(a.Requests, 400)
	c, err := (&Search{Deployment: d, Load: load, SLO: a.SLO, Users: true, Seeds: max(a.Seeds, 1)}).Do(ctx)
	if err != nil {
		return nil, err
	}
	out.Users, out.Binds = int(math.Floor(c.Load)), c.Binds
	return out, nil
}
