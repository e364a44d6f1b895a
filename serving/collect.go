package serving

import (
	"math"
	"slices"
)

// Stats holds counts of one replica, or of all replicas together.
type Stats struct {
	Steps          int
	EagerSteps     int
	Preemptions    int
	PromptTokens   int     // prompt tokens of the requests that were scheduled
	CachedTokens   int     // how many of those were found in the prefix cache
	ComputedTokens int     // prompt tokens that were computed, counted again where a preemption made that necessary
	Transfers      int     // requests handed over from a replica that worked their prompts
	TransferTime   float64 // seconds that sending these took, without the wait for room and for the link
	VerifySteps    int     // one for each sequence in each step that verified its drafted tokens
	VerifiedTokens int     // tokens that those generated
	PeakCache      float64 // the largest share of the blocks that was in use at one time

	// How many seconds the replicas spent on what. Weights is the part of decode steps that does
	// not grow with the context, Cache the part that does, and Prefill what prompts add.
	Weights, Cache, Prefill, HostTime float64

	// ITL holds the times between two tokens of a request.
	ITL *Histogram

	// waited holds, for each reason that kept the head of the queue from running, the number of
	// waiting requests multiplied by the seconds they waited.
	waited [numReasons]float64

	batch       float64 // sum over steps of the sequences that decode
	decodeSteps int
	parts       [4]float64 // the four times above, each multiplied by the number of sequences running
}

// Busy returns the seconds that the replicas spent computing.
func (s *Stats) Busy() float64 { return s.Weights + s.Cache + s.Prefill + s.HostTime }

// Batch returns the mean number of sequences in the steps that decode.
func (s *Stats) Batch() float64 {
	if s.decodeSteps == 0 {
		return 0
	}
	return s.batch / float64(s.decodeSteps)
}

// reason says what keeps the head of a queue from running.
type reason uint8

const (
	bySteps  reason = iota // a step is being computed, or it is other prompts' turn
	bySeats                // as many sequences run as are allowed to
	byBlocks               // the cache is full, or its blocks are reserved
	byBudget               // the tokens that a step may have are used up
	numReasons
)

// Binding names what kept requests waiting longest, apart from steps being computed.
func (s *Stats) Binding() string {
	best := bySteps
	for r := bySeats; r < numReasons; r++ {
		if s.waited[r] > s.waited[best] || best == bySteps && s.waited[r] > 0 {
			best = r
		}
	}
	return [numReasons]string{"", "the limit of sequences at once", "room in the cache", "the tokens a step may have"}[best]
}

func (s *Stats) add(o *Stats) {
	for i := range s.waited {
		s.waited[i] += o.waited[i]
	}
	s.Steps += o.Steps
	s.EagerSteps += o.EagerSteps
	s.Preemptions += o.Preemptions
	s.PromptTokens += o.PromptTokens
	s.CachedTokens += o.CachedTokens
	s.ComputedTokens += o.ComputedTokens
	s.Transfers += o.Transfers
	s.TransferTime += o.TransferTime
	s.VerifySteps += o.VerifySteps
	s.VerifiedTokens += o.VerifiedTokens
	s.Weights += o.Weights
	s.Cache += o.Cache
	s.Prefill += o.Prefill
	s.HostTime += o.HostTime
	s.ITL.merge(o.ITL)
	s.batch += o.batch
	s.decodeSteps += o.decodeSteps
	for i := range s.parts {
		s.parts[i] += o.parts[i]
	}
}

// account adds the plan that ends to the counts.
func (r *Replica) account() {
	p := r.plan
	if p.idle() {
		return // this replica only waited for the others in its gang
	}
	s := &r.stats
	k := float64(p.steps)
	s.Steps += p.steps
	if p.step.Eager {
		s.EagerSteps += p.steps
	}
	s.ComputedTokens += r.newTokens()
	if n := r.waiting.len(); n > 0 {
		s.waited[p.why] += p.seconds * float64(n)
	}
	if b := len(p.decodes); b > 0 {
		s.batch += k * float64(b)
		s.decodeSteps += p.steps
		mean := p.seconds / k
		old := 0
		first := p.start + mean
		for _, q := range p.decodes {
			if q.apart {
				s.ITL.add(first-q.last, 1)
				q.apart = false
			} else {
				old++
			}
		}
		if old > 0 {
			s.ITL.add(first-r.lastTick, float64(old))
		}
		if p.steps > 1 {
			r.spread(mean, k-1, float64(b))
		}
	}
	if r.quick {
		return
	}
	// A step of a pipeline is computed for the sum of its stages' times, each time on one device
	// of several, and waits between stages.
	seconds, share, n := p.seconds, 1.0, float64(len(r.running))
	if r.gang.pipe != nil {
		seconds, share, n = p.work, 1/float64(r.limits.Stages), float64(len(p.decodes)+len(p.chunks))
	}
	host := k * r.overhead(&p.step)
	decode, steady := 0.0, 0.0
	if len(p.decodes) > 0 {
		steady = k * r.floor()
		decode = seconds - host
		if p.prompts {
			alone := p.step
			alone.Chunks = nil
			decode = r.price.Mixed(&alone)
		}
		steady = min(steady, decode)
	}
	parts := [4]float64{steady, decode - steady, seconds - host - decode, host}
	s.Weights += share * parts[0]
	s.Cache += share * parts[1]
	s.Prefill += share * parts[2]
	s.HostTime += share * parts[3]
	if r.gang.pipe != nil {
		n *= p.seconds / seconds
	}
	for i, x := range parts {
		s.parts[i] += n * x
	}
}

// spread records the times between tokens of n steps whose times grow evenly around their mean.
func (r *Replica) spread(mean, n, each float64) {
	p := r.plan
	grow := 0.0 // by how much each step takes longer than the one before
	if h := p.steps / 2; h >= 32 {
		half := r.run(h)
		grow = (p.seconds/float64(p.steps) - half/float64(h)) / (float64(p.steps-h) / 2)
	}
	if math.Abs(grow)*n < 0.01*mean {
		r.stats.ITL.add(mean, n*each)
		return
	}
	const pieces = 16
	for i := range pieces {
		at := (float64(i)+0.5)/pieces - 0.5
		r.stats.ITL.add(mean+at*n*grow, n*each/pieces)
	}
}

// floor returns the time, in seconds, that the planned step's decodes would take with no context
// at all.
func (r *Replica) floor() float64 {
	p := r.plan
	key := 4*p.step.Decodes + 0
	if p.step.Eager {
		key++
	}
	if p.step.Padded > 0 && len(p.chunks) > 0 {
		key += 2
	}
	if t, ok := r.base[key]; ok {
		return t
	}
	s := Step{Decodes: p.step.Decodes, Drafts: p.step.Drafts, Contexts: float64(p.step.Decodes), Padded: p.step.Padded, Eager: p.step.Eager,
		Seen: slices.Repeat([]float64{float64(p.step.Decodes)}, len(r.windows)), Growing: make([]float64, len(r.windows))}
	t := r.price.Mixed(&s)
	r.base[key] = t
	return t
}

// Result holds the requests and counts of a run.
type Result struct {
	Requests []Record // ordered by ID
	Stats    Stats
	Duration float64 // seconds from the start to the end of the last request
	Area     float64 // the integral over time of the number of requests inside the engines

	ended int
}

// Histogram counts times in logarithmic bins that are 1 % wide.
type Histogram struct {
	counts     []float64
	n, sum, sq float64
	most       float64
}

const (
	histogramLeast = 1e-6
	histogramGrow  = 1.01
)

var histogramLog = math.Log(histogramGrow)

func newHistogram() *Histogram { return &Histogram{} }

func (h *Histogram) add(t, n float64) {
	i := 0
	if t > histogramLeast {
		i = 1 + int(math.Log(t/histogramLeast)/histogramLog)
	}
	for len(h.counts) <= i {
		h.counts = append(h.counts, make([]float64, i+1-len(h.counts))...)
	}
	h.counts[i] += n
	h.n += n
	h.sum += t * n
	h.sq += t * t * n
	h.most = max(h.most, t)
}

func (h *Histogram) merge(o *Histogram) {
	if len(o.counts) > len(h.counts) {
		h.counts = append(h.counts, make([]float64, len(o.counts)-len(h.counts))...)
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.sum += o.sum
	h.sq += o.sq
	h.most = max(h.most, o.most)
}

// Mean returns the mean time, NaN where there are no times.
func (h *Histogram) Mean() float64 { return h.sum / h.n }

// Std returns the standard deviation.
func (h *Histogram) Std() float64 {
	m := h.Mean()
	return math.Sqrt(max(h.sq/h.n-m*m, 0))
}

// Quantile returns the time below which a share p of the times lies, within 1 %.
func (h *Histogram) Quantile(p float64) float64 {
	if h.n == 0 {
		return math.NaN()
	}
	left := p * h.n
	for i, n := range h.counts {
		if left -= n; left <= 0 && n > 0 {
			if i == 0 {
				return histogramLeast
			}
			return min(histogramLeast*math.Exp((float64(i)-0.5)*histogramLog), h.most)
		}
	}
	return h.most
}
