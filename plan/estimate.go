package plan

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/OWNER/ridgeline/serving"
)

// offered holds the means of a load.
type offered struct {
	prompt, generate float64 // tokens
	rate             float64 // requests a second; 0 where clients send requests after answers
	users            float64
	think            float64 // seconds between an answer and the client's next request
}

func (p *Problem) mean() offered {
	w := offered{prompt: p.Load.Prompt.MeanTokens() + float64(p.Load.Prefix), generate: p.Load.Generate.MeanTokens(), rate: p.Rate, users: float64(p.Users), think: p.Load.Think}
	if t := p.Trace; t != nil {
		w.prompt, w.generate = 0, 0
		last := 0.0
		for _, q := range t.Requests {
			w.prompt += float64(q.Prompt)
			w.generate += float64(q.Generate)
			last = max(last, q.Arrive)
		}
		n := max(float64(len(t.Requests)), 1)
		w.prompt, w.generate = w.prompt/n, w.generate/n
		w.rate = n / max(last, 1e-9)
		if p.Speed > 0 {
			w.rate *= p.Speed
		}
	}
	w.prompt, w.generate = max(w.prompt, 1), max(w.generate, 1)
	return w
}

// slack is by how much a bound is more optimistic than an estimate: it takes steps and prompts to
// be a fifth shorter. That covers short runs (whose mean rate is off by 1/√requests), queues
// whose cost a run of finite length never sees, and batches that cost less than the sum of their
// parts.
const slack = 0.8

// server is one replica of a deployment as a formula.
//
//	T(B)  time of a decode step of B sequences, the engine's host included
//	S(B)  time that a prompt adds to the steps that it shares
//	λ(B) = B / (G·T(B) + B·S(B))        requests a second while B are running
//	TPOT  = T(B) / (1 − λ·S(B))         by Little's law: B = λ·G·TPOT
//
// With drafts, T(B) is the time of a step divided by the tokens that it generates for a sequence.
// Where prompts have replicas of their own, the server is a group of both kinds and λ is the rate
// of the slower kind: see underApart.
type server struct {
	t       *tables
	prompt  *promptTable
	l       *serving.Limits
	most    float64 // number of sequences that can run at once
	shorter float64 // factor on T and S
	ratio   Ratio
	way     float64 // seconds to send a prompt's caches to another replica
}

// newServer makes a replica under an engine's limits. A sequence occupies the cache that it needs
// half-way through its answer, or at its end where the engine reserves all of that on admission.
func newServer(t *tables, l *serving.Limits, ratio Ratio, apart *serving.Apart) *server {
	budget := l.Budget
	if !l.Chunked {
		budget = int(t.w.prompt)
	}
	s := &server{t: t, prompt: t.prompts(budget), l: l, most: float64(l.Seqs), shorter: 1, ratio: ratio}
	if apart != nil {
		s.way = apart.Seconds(int(t.w.prompt))
	}
	length := t.w.prompt + t.w.generate/2
	if l.Policy == "no-evict" {
		length = t.w.prompt + t.w.generate
	}
	if held := l.Layout.Need(int(length)); held > 0 {
		s.most = math.Min(s.most, math.Max(float64(l.Blocks-l.Watermark)/float64(held), 1))
	}
	s.most *= float64(max(ratio.Decode, 1) * l.Schedulers())
	return s
}

func (s *server) step(b float64) float64 {
	h := &s.l.Host
	b /= float64(max(s.ratio.Decode, 1))
	each := b / float64(max(s.t.lanes.groups, 1)) // sequences that a host schedules at once
	return s.shorter * (between(s.t.batch, s.t.step, b) + (h.Step+h.Kernel*s.l.Kernels+h.Sequence*each)/s.t.per)
}

func (s *server) added(b float64) float64 {
	if s.ratio.Apart() {
		return 0
	}
	x := s.prompt.added[len(s.prompt.added)-1]
	if b < s.prompt.batch[len(s.prompt.batch)-1] {
		x = between(s.prompt.batch, s.prompt.added, b)
	}
	t := s.shorter * (x + s.l.Host.Token*s.t.w.prompt)
	if s.t.lanes.groups > 1 {
		of := s.t.lanes
		if s.shorter < 1 { // a bound: prompts come to all groups at once
			of.together = 1
		}
		t *= of.prompts(b, s.t.w.generate)
	}
	return t
}

// rate returns λ(B), in requests a second.
func (s *server) rate(b float64) float64 {
	r := b / (s.t.w.generate*s.step(b) + b*s.added(b))
	if s.ratio.Apart() {
		r = min(r, s.prefills()/(s.shorter*s.prompt.added[0]))
	}
	return r
}

// batchAt returns the number of sequences that run at once at a given rate of requests; ok is
// false where the replica cannot keep up with the rate.
func (s *server) batchAt(rate float64) (b float64, ok bool) {
	if rate > s.rate(s.most) {
		return s.most, false
	}
	lo, hi := 0.0, s.most
	for range 40 {
		mid := (lo + hi) / 2
		if s.rate(mid) < rate {
			lo = mid
		} else {
			hi = mid
		}
		if hi-lo < 1e-3*hi {
			break
		}
	}
	return hi, true
}

// quick holds the estimated figures of a replica under its share of the load.
type quick struct {
	ok         bool // whether the replica keeps up with its load
	batch      float64
	rate       float64
	ttft, tpot float64 // means, in seconds
	use        float64
	wait       func(q float64) float64
	s          *server
}

// under estimates a replica that gets one n-th of the load.
func (s *server) under(n int) quick {
	w := &s.t.w
	q := quick{s: s, ok: true}
	extra := 0.0 // seconds that the clients of a closed loop wait until they can run
	if w.users > 0 {
		clients := math.Ceil(w.users / float64(n))
		q.batch = math.Min(clients, s.most)
		for range 8 { // clients that think between requests do not run
			if w.think <= 0 {
				break
			}
			r := s.rate(q.batch)
			q.batch = math.Min(math.Max(clients-r*w.think, 1), s.most)
		}
		q.rate = s.rate(q.batch)
		extra = math.Max(clients-q.rate*w.think-s.most, 0) / q.rate
	} else {
		q.rate = w.rate / float64(n)
		q.batch, q.ok = s.batchAt(q.rate)
	}
	if s.ratio.Apart() {
		return s.underApart(q)
	}
	add := s.added(q.batch)
	load := math.Min(q.rate*add, 0.999)
	if w.users > 0 { // at most as many prompts wait as there are clients
		load = math.Min(load, q.batch/(q.batch+1))
	}
	t := s.step(q.batch)
	q.tpot = t / (1 - load)
	h := &s.l.Host
	step := t * s.t.per
	own := s.prompt.alone*s.shorter + s.prompt.pieces*step + h.Request + h.Reply + h.Tokenise*w.prompt + extra
	mean := load * add / (2 * (1 - load)) // mean wait of a queue with one server and equal service times (M/D/1)
	q.ttft = own + mean + step/2
	q.wait = func(p float64) float64 {
		tail := 0.0
		if load > 1-p {
			tail = mean / load * math.Log(load/(1-p))
		}
		return own + tail + p*step
	}
	q.use = math.Min(1, q.rate*(add+w.generate*t/math.Max(q.batch, 1)))
	return q
}

// measured estimates the figures of an objective. The number of sequences that a request finds
// running is taken to be Poisson distributed.
func (q *quick) measured(o *Objective) []Measured {
	var out []Measured
	w := &q.s.t.w
	tpot := func(p float64) float64 {
		if p == 0 || w.users > 0 {
			return q.tpot
		}
		z := distuv.UnitNormal.Quantile(p)
		b := math.Min(math.Max(q.batch+z*math.Sqrt(q.batch), 1), q.s.most)
		return q.tpot * q.s.step(b) / q.s.step(q.batch)
	}
	ttft := func(p float64) float64 {
		if p == 0 {
			return q.ttft
		}
		return q.wait(p)
	}
	for _, l := range o.Limits {
		m := Measured{Limit: l}
		switch l.Figure {
		case "ttft":
			m.Value = ttft(l.Percentile)
		case "tpot":
			m.Value = tpot(l.Percentile)
		default:
			m.Value = ttft(l.Percentile) + (w.generate-1)*tpot(l.Percentile)
		}
		m.Low, m.High = m.Value, m.Value
		out = append(out, m)
	}
	return out
}

func meets(ms []Measured) bool {
	_, r := worst(ms)
	return r <= 1
}

// candidate estimates one deployment.
func (p *Problem) candidate(b *base, e *serving.Profile, batch, chunk int, ratio Ratio) *Candidate {
	c := &Candidate{Model: p.Models[b.model].Model.Name, Device: p.Devices[b.device].Profile.Name, TP: b.tp, PP: b.pp, EP: b.ep, DP: b.dp, GPUs: b.gpus * ratio.Group(),
		Draft: b.draft, Ratio: ratio,
		Weights: b.weight, KV: b.kv, Engine: e.Name, MaxBatch: batch, Chunk: chunk, at: b, settings: p.Settings, profile: e, Bound: math.Inf(1)}
	if batch > 0 {
		c.settings.MaxNumSeqs = &c.MaxBatch
	}
	if chunk > 0 {
		c.settings.MaxNumBatchedTokens = &c.Chunk
	}
	c.settings.Speculation = b.s
	if c.most = p.Devices[b.device].Count / c.GPUs; c.most == 0 {
		c.Why = fmt.Sprintf("a group of %d replicas needs %d devices, and there are %d", ratio.Group(), c.GPUs, p.Devices[b.device].Count)
		return c
	}
	d, err := serving.Deploy(e, b.c, p.Fidelity, c.settings)
	if err != nil {
		c.Why = err.Error()
		return c
	}
	l := d.Limits
	c.Seqs, c.Budget = l.Seqs, l.Budget
	w := &b.t.w
	full := l.Layout.Need(int(w.prompt + w.generate))
	if full > l.Blocks-l.Watermark {
		c.Why = fmt.Sprintf("a request of %.0f tokens needs %d blocks of the cache, and there are %d", w.prompt+w.generate, full, l.Blocks)
		return c
	}
	if l.MaxLen > 0 && int(w.prompt+w.generate) > l.MaxLen {
		c.Why = fmt.Sprintf("a request of %.0f tokens is longer than max_model_len %d", w.prompt+w.generate, l.MaxLen)
		return c
	}
	if !l.Chunked && int(w.prompt) > l.Budget {
		c.Why = fmt.Sprintf("a prompt of %.0f tokens is longer than max_num_batched_tokens %d, without chunked prefill", w.prompt, l.Budget)
		return c
	}
	apart, err := ratio.apart(d, 1)
	if err != nil {
		c.Why = err.Error()
		return c
	}
	s := newServer(b.t, l, ratio, apart)
	hour := p.hour(b.device)
	c.least = p.bound(s)
	if c.least > 0 {
		c.Bound = float64(c.least*c.GPUs) * hour
	}
	n := p.fewest(s, c.most)
	c.Replicas = n
	if n == 0 {
		n = c.most
	}
	q := s.under(n)
	c.TTFT, c.TPOT, c.Batch, c.Use = q.ttft, q.tpot, q.batch, q.use
	c.Measured = q.measured(&p.Objective)
	c.Cost = float64(n*c.GPUs) * hour
	if c.least > c.most {
		c.Bound = math.Inf(1)
	}
	_, c.Missing = worst(c.Measured)
	if !q.ok {
		c.Missing = math.Max(c.Missing, q.rate/s.rate(s.most))
	}
	return c
}

// fewest returns the smallest number of replicas whose estimate meets the objective, 0 where no
// number up to most does.
func (p *Problem) fewest(s *server, most int) int {
	good := func(n int) bool {
		q := s.under(n)
		return q.ok && meets(q.measured(&p.Objective))
	}
	if !good(most) {
		return 0
	}
	lo, hi := 0, most
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; good(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// bound returns a number of replicas below which the objective cannot be met, 0 where no number
// is enough. For the bound, steps and prompts are as much shorter as slack says, no request
// waits, and the time per token is that of the mean batch.
func (p *Problem) bound(s *server) int {
	x := *s
	x.shorter = slack
	w := &s.t.w
	most := x.most
	h := &s.l.Host
	for _, l := range p.Objective.Limits {
		if l.Percentile > 0 && l.Percentile < 0.5 {
			continue // such a limit says nothing about the mean
		}
		switch l.Figure {
		case "ttft":
			if slack*(s.prompt.alone+h.Request+h.Reply) > l.Seconds {
				return 0
			}
		case "tpot", "e2e":
			limit := l.Seconds
			if l.Figure == "e2e" {
				limit /= math.Max(w.generate-1, 1)
			}
			if w.generate < 2 {
				continue
			}
			if x.step(1) > limit {
				return 0
			}
			lo, hi := 1.0, most
			if x.step(hi) <= limit {
				continue
			}
			for range 40 {
				if mid := (lo + hi) / 2; x.step(mid) <= limit {
					lo = mid
				} else {
					hi = mid
				}
			}
			most = math.Min(most, lo)
		}
	}
	if w.users > 0 {
		// Clients that are not decoding wait for their first token. The mean of that wait is at
		// most twice the limit.
		wait := math.Inf(1)
		for _, l := range p.Objective.Limits {
			if l.Figure != "tpot" && (l.Percentile == 0 || l.Percentile >= 0.5) {
				wait = math.Min(wait, 2*l.Seconds)
			}
		}
		if math.IsInf(wait, 1) {
			return 1
		}
		return max(int(math.Ceil(slack*w.users/(most+x.rate(most)*(wait+w.think)))), 1)
	}
	return max(int(math.Ceil(w.rate/x.rate(most))), 1)
}
