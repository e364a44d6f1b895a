package serving

import (
	"context"
	"fmt"
	"math"
)

// Ask is a load in the few words that a table of models has room for. Exactly one of
// Clients and Rate is positive.
type Ask struct {
	Clients          int     // closed loop, clients 2 ms apart
	Rate             float64 // open loop, requests a second, Poisson
	Prefix           int     // tokens that all prompts begin with alike, before those of Prompt
	Prompt, Generate Lengths
	Requests         int // 0: 20 a client, at least 100; 1,000 in an open loop
	Seed             uint64
	// SLO, if set, also asks how many clients can be served so that 99 % of their requests
	// meet it, over so many Seeds (0 is 1).
	SLO   SLO
	Seeds int
}

// Served is what became of an Ask. Times are seconds; NaN where there are none, as the time
// per output token of answers of one token.
type Served struct {
	Metrics
	Preemptions int
	PeakCache   float64 // share of the blocks held at once, at most
	Users       int     // clients that meet the SLO; -1 where none was asked for
	Binds       string  // what a client more breaks
	Why         string  // what a request's time goes to, in a sentence
}

// Served simulates an Ask, once.
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
