package serving

import (
	"math"
	"sort"
)

// Summary describes a distribution of times in seconds; its values are NaN where there are no
// times.
type Summary struct{ Mean, Median, Std, P90, P99 float64 }

// summarise describes values. It sorts them.
func summarise(v []float64) Summary {
	n := float64(len(v))
	if n == 0 {
		nan := math.NaN()
		return Summary{nan, nan, nan, nan, nan}
	}
	sort.Float64s(v)
	var sum, sq float64
	for _, x := range v {
		sum += x
	}
	m := sum / n
	for _, x := range v {
		sq += (x - m) * (x - m)
	}
	return Summary{m, Percentile(v, 0.5), math.Sqrt(sq / n), Percentile(v, 0.9), Percentile(v, 0.99)}
}

// Percentile returns the value below which a share p of sorted values lies, interpolated linearly
// between ranks as numpy does.
func Percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	x := p * float64(len(sorted)-1)
	i := int(x)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (x-float64(i))*(sorted[i+1]-sorted[i])
}

// SLO is what a request must meet to count as good, in seconds; a value of 0 asks for nothing.
type SLO struct{ TTFT, TPOT, E2E float64 }

// Met reports whether a request met the SLO.
func (s SLO) Met(r *Record) bool {
	if r.Status != Done {
		return false
	}
	if s.TTFT > 0 && r.TTFT() > s.TTFT || s.E2E > 0 && r.E2E() > s.E2E {
		return false
	}
	t, ok := r.TPOT()
	return s.TPOT <= 0 || !ok || t <= s.TPOT
}

// Set reports whether the SLO asks for anything.
func (s SLO) Set() bool { return s.TTFT > 0 || s.TPOT > 0 || s.E2E > 0 }

// Metrics holds the figures of a run that clients and benchmarks report. Rates are per second of
// the whole run, from its first request to its last answer.
type Metrics struct {
	Completed, Unservable, Timeouts int
	InputTokens, OutputTokens       int
	Duration                        float64
	RequestThroughput               float64
	Goodput                         float64 // requests a second that met the SLO
	GoodShare                       float64 // share of all requests that met the SLO
	OutputThroughput                float64
	TotalThroughput                 float64
	MaxConcurrent                   int

	TTFT, TPOT, ITL, E2E, Queue Summary
	// Handover is the time from the end of a prompt's work to where its first token is decoded:
	// waiting for room and for the link, and sending.
	Handover Summary

	// Shares of the time that a request spends in the system: waiting for a seat or for blocks,
	// and what the replica computes while the request runs.
	Waiting, Weights, Cache, Prefill, Host float64
}

// Metrics sums up the run. The first skip requests, by arrival, do not count in the times.
func (r *Result) Metrics(slo SLO, skip int) Metrics {
	var m Metrics
	var ttft, tpot, e2e, queue, handover []float64
	good := 0
	var inSystem, waited float64
	type edge struct {
		at float64
		d  int
	}
	edges := make([]edge, 0, 2*len(r.Requests))
	for i := range r.Requests {
		q := &r.Requests[i]
		switch q.Status {
		case Unservable:
			m.Unservable++
			continue
		case TimedOut:
			m.Timeouts++
			continue
		}
		if q.First == 0 && q.End == 0 {
			continue // the run was stopped before this request ended
		}
		m.Completed++
		m.InputTokens += q.Prompt
		m.OutputTokens += q.Generate
		edges = append(edges, edge{q.Arrive, 1}, edge{q.End, -1})
		if slo.Met(q) {
			good++
		}
		inSystem += q.E2E()
		waited += q.Scheduled - q.Arrive + q.Landed - q.Handed
		if i < skip {
			continue
		}
		ttft = append(ttft, q.TTFT())
		e2e = append(e2e, q.E2E())
		queue = append(queue, q.Scheduled-q.Arrive)
		if q.Landed > 0 {
			handover = append(handover, q.Landed-q.Handed)
		}
		if t, ok := q.TPOT(); ok {
			tpot = append(tpot, t)
		}
	}
	sort.Slice(edges, func(i, j int) bool {
		return edges[i].at < edges[j].at || edges[i].at == edges[j].at && edges[i].d < edges[j].d
	})
	now := 0
	for _, e := range edges {
		now += e.d
		m.MaxConcurrent = max(m.MaxConcurrent, now)
	}
	m.Duration = r.Duration
	if m.Duration > 0 {
		m.RequestThroughput = float64(m.Completed) / m.Duration
		m.Goodput = float64(good) / m.Duration
		m.OutputThroughput = float64(m.OutputTokens) / m.Duration
		m.TotalThroughput = float64(m.InputTokens+m.OutputTokens) / m.Duration
	}
	if n := len(r.Requests); n > 0 {
		m.GoodShare = float64(good) / float64(n)
	}
	m.TTFT, m.TPOT, m.E2E, m.Queue = summarise(ttft), summarise(tpot), summarise(e2e), summarise(queue)
	m.Handover = summarise(handover)
	h := r.Stats.ITL
	m.ITL = Summary{h.Mean(), h.Quantile(0.5), h.Std(), h.Quantile(0.9), h.Quantile(0.99)}
	if inSystem > 0 {
		m.Waiting = waited / inSystem
		sum := 0.0
		for _, x := range r.Stats.parts {
			sum += x
		}
		if sum > 0 {
			rest := (1 - m.Waiting) / sum
			m.Weights, m.Cache, m.Prefill, m.Host = r.Stats.parts[0]*rest, r.Stats.parts[1]*rest, r.Stats.parts[2]*rest, r.Stats.parts[3]*rest
		}
	}
	return m
}
