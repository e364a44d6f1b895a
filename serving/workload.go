package serving

import (
	"container/heap"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Load describes requests to make up.
type Load struct {
	Prompt, Generate Lengths
	Requests         int
	Seed             uint64
	Timeout          float64 // seconds that a client waits; 0 for any time

	// Concurrency, for a closed loop, is a number of clients, each of which sends its next
	// request when it has its answer.
	Concurrency int
	// Stagger is the number of seconds between the first requests of two clients; with 0, all are
	// sent at once, and requests of equal length then stay in step for ever.
	Stagger float64
	Think   float64 // seconds between an answer and the client's next request

	// Stages, for an open loop, are times with a rate of requests each. Gaps between requests are
	// gamma distributed.
	Stages     []Stage
	Burstiness float64 // shape of the gaps' distribution: 1 (or 0) gives Poisson arrivals, larger values more even ones, smaller ones bursts

	// Prefix is with how many tokens all prompts of a group begin alike; there are Groups groups.
	Prefix, Groups int
}

// Stage is a time with one rate of requests.
type Stage struct {
	Rate    float64 // requests a second
	Seconds float64 // 0 stands for as long as there are requests
}

// Source returns a source of the load's requests.
func (l *Load) Source() Source {
	if l.Concurrency > 0 {
		return newClosed(l)
	}
	return &open{load: l}
}

// request returns the i-th request of the load, without its arrival. Its prompt and answer depend
// on the seed and on i alone.
func (l *Load) request(i int) Request {
	q := Request{ID: i, Prompt: l.Prompt.draw(uniform(l.Seed, forPrompt, i)), Timeout: l.Timeout}
	if l.Generate.Shape == Empirical && l.Prompt.Shape == Empirical && len(l.Prompt.Of) == len(l.Generate.Of) {
		// Prompt and answer lengths from a data set stay together.
		q.Generate = l.Generate.draw(uniform(l.Seed, forPrompt, i))
	} else {
		q.Generate = l.Generate.draw(uniform(l.Seed, forGenerate, i))
	}
	if l.Prefix > 0 {
		g := int(uniform(l.Seed, forPick, i) * float64(max(l.Groups, 1)))
		q.Shared = []Segment{{ID: mix(l.Seed ^ uint64(g+1)), Tokens: l.Prefix}}
		q.Prompt += l.Prefix
	}
	return q
}

// open sends requests at given times, whatever happens to them.
type open struct {
	load  *Load
	next  int
	at    float64
	ready bool
	over  bool
	stage int
	since float64 // time at which the stage began
}

func (o *open) Peek() (float64, bool) {
	if o.ready {
		return o.at, true
	}
	if o.over || o.next >= o.load.Requests {
		return 0, false
	}
	gap := 1.0
	if b := o.load.Burstiness; b <= 0 || b == 1 {
		gap = -math.Log(uniform(o.load.Seed, forArrival, o.next))
	} else if !math.IsInf(b, 1) {
		gap = distuv.Gamma{Alpha: b, Beta: b}.Quantile(uniform(o.load.Seed, forArrival, o.next))
	}
	// The gap is in units of the mean gap. It may extend over several stages.
	for {
		if o.stage >= len(o.load.Stages) {
			o.over = true
			return 0, false
		}
		s := o.load.Stages[o.stage]
		left := math.Inf(1)
		if s.Seconds > 0 {
			left = o.since + s.Seconds - o.at
		}
		if s.Rate > 0 && gap/s.Rate <= left {
			o.at += gap / s.Rate
			o.ready = true
			return o.at, true
		}
		if s.Rate > 0 {
			gap -= left * s.Rate
		}
		if math.IsInf(left, 1) {
			o.over = true
			return 0, false
		}
		o.at += left
		o.since = o.at
		o.stage++
	}
}

func (o *open) Take() Request {
	q := o.load.request(o.next)
	q.Arrive = o.at
	o.next++
	o.ready = false
	return q
}

func (o *open) Ended(*Record) {}

// closed sends the next request of a client when its last one has ended.
type closed struct {
	load *Load
	next int
	free times // times at which clients send their next requests
}

func newClosed(l *Load) *closed {
	c := &closed{load: l}
	for i := range l.Concurrency {
		heap.Push(&c.free, float64(i)*l.Stagger)
	}
	return c
}

func (c *closed) Peek() (float64, bool) {
	if c.next >= c.load.Requests || len(c.free) == 0 {
		return 0, false
	}
	return c.free[0], true
}

func (c *closed) Take() Request {
	q := c.load.request(c.next)
	q.Arrive = heap.Pop(&c.free).(float64)
	c.next++
	return q
}

func (c *closed) Ended(r *Record) { heap.Push(&c.free, r.End+c.load.Think) }

type times []float64

func (h times) Len() int           { return len(h) }
func (h times) Less(i, j int) bool { return h[i] < h[j] }
func (h times) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *times) Push(x any)        { *h = append(*h, x.(float64)) }
func (h *times) Pop() any {
	x := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return x
}

// Replay is a source of requests that are known in advance, in the order of their arrival.
type Replay struct {
	Requests []Request
	// Speed is what arrival times are divided by; 0 stands for 1.
	Speed float64
	next  int
}

// Peek implements Source.
func (r *Replay) Peek() (float64, bool) {
	if r.next >= len(r.Requests) {
		return 0, false
	}
	return r.at(r.next), true
}

func (r *Replay) at(i int) float64 {
	if r.Speed > 0 {
		return r.Requests[i].Arrive / r.Speed
	}
	return r.Requests[i].Arrive
}

// Take implements Source.
func (r *Replay) Take() Request {
	q := r.Requests[r.next]
	q.Arrive = r.at(r.next)
	r.next++
	return q
}

// Ended implements Source.
func (r *Replay) Ended(*Record) {}
