package plan

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/ceil"
)

// tables holds the times of a base under a load of mean lengths. Any number of deployments is
// estimated from them. One goroutine at a time may use them.
type tables struct {
	w      offered
	c      *costmodel.Compiled
	s      *costmodel.Speculation
	f      costmodel.Fidelity
	lanes  lanes
	stages []costmodel.Pricer // of one group of devices
	per    float64            // tokens that a step generates for a sequence
	batch  []float64
	step   []float64            // seconds per token of each sequence in a decode step, by batch
	prompt map[int]*promptTable // by the largest number of tokens in a step
}

// promptTable says how much time a prompt adds to the decode steps that it shares, by their
// batch.
type promptTable struct {
	batch, added []float64
	alone        float64 // seconds of a prompt with no other sequence running
	pieces       float64
}

// lanes says how many groups of devices a replica has and how many of them wait for each other.
type lanes struct{ groups, together int }

// prompts returns the share of a replica that a prompt delays, while b sequences generate answers
// of the given number of tokens: one group of all, or, where most steps have no second prompt, all
// groups that wait for the first.
//
//	together/groups · (1/together + (1 − 1/together)·(1 − e^−m)/m)    m = b/generate · together/groups
func (l lanes) prompts(b, generate float64) float64 {
	n, all := float64(max(l.together, 1)), float64(max(l.groups, 1))
	m := math.Max(b/generate*n/all, 1e-9)
	return (1 + (n-1)*-math.Expm1(-m)/m) / all
}

func newTables(c *costmodel.Compiled, s *costmodel.Speculation, f costmodel.Fidelity, w offered) *tables {
	t := &tables{w: w, c: c, s: s, f: f, lanes: lanes{c.DP(), c.Together()}, per: 1, prompt: map[int]*promptTable{}}
	for _, stage := range c.Stages() {
		t.stages = append(t.stages, stage.At(f))
	}
	if s != nil {
		t.per = costmodel.ExpectedTokens(s.Acceptance, s.Tokens)
	}
	context := int(math.Round(w.prompt + w.generate/2))
	for b := 1.0; b <= 8192; b = math.Max(b+1, math.Round(b*1.25)) {
		t.batch = append(t.batch, b)
		t.step = append(t.step, t.decode(int(b), context)/t.per)
	}
	return t
}

// decode returns the seconds of a decode step of a batch. A pipeline cuts the sequences of a group
// into the number of microbatches, up to its stages, that makes the step shortest.
func (t *tables) decode(batch, context int) float64 {
	if len(t.stages) == 1 && t.lanes.groups <= 1 {
		return t.c.StepWith(t.s, t.f, batch, context)
	}
	each := (batch + t.lanes.groups - 1) / t.lanes.groups
	best := math.Inf(1)
	for m := 1; m <= min(len(t.stages), each); m++ {
		sum, slowest := t.through(func(p costmodel.Pricer) float64 { return p.Step((each+m-1)/m, context) })
		best = math.Min(best, math.Max(sum, float64(m)*slowest))
	}
	return best
}

// through adds up the seconds of all stages and finds the slowest one's.
func (t *tables) through(of func(costmodel.Pricer) float64) (sum, slowest float64) {
	for _, p := range t.stages {
		x := of(p)
		sum += x
		slowest = math.Max(slowest, x)
	}
	return sum, slowest
}

// between interpolates linearly. Below the first point it returns the first value; beyond the
// last it continues in proportion to x.
func between(xs, ys []float64, x float64) float64 {
	n := len(xs)
	if x <= xs[0] {
		return ys[0]
	}
	if x >= xs[n-1] {
		return ys[n-1] * x / xs[n-1]
	}
	lo, hi := 0, n-1
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; xs[mid] <= x {
			lo = mid
		} else {
			hi = mid
		}
	}
	f := (x - xs[lo]) / (xs[hi] - xs[lo])
	return ys[lo] + f*(ys[hi]-ys[lo])
}

// prompts prices a mean prompt in pieces of at most budget tokens, while other sequences decode.
// Where there are many pieces, the first, the middle and the last stand for all (trapezoidal
// rule). In a pipeline the pieces follow each other, and others wait for the slowest stage.
func (t *tables) prompts(budget int) *promptTable {
	n := int(math.Round(t.w.prompt))
	budget = min(max(budget, 1), n)
	if p := t.prompt[budget]; p != nil {
		return p
	}
	pieces := ceil.Div(n, budget)
	size := ceil.Div(n, pieces)
	at := []int{0}
	weight := []float64{float64(pieces)}
	switch {
	case pieces == 2:
		at, weight = []int{0, 1}, []float64{1, 1}
	case pieces > 2:
		h := float64(pieces) / 4
		at, weight = []int{0, pieces / 2, pieces - 1}, []float64{h, 2 * h, h}
	}
	p := &promptTable{pieces: float64(pieces)}
	context := t.w.prompt + t.w.generate/2
	drafts := 0
	if t.s != nil {
		drafts = t.s.Tokens
	}
	for _, b := range []int{0, 4, 32, 256} {
		m := t.c.Alike(b, int(math.Round(context)), drafts)
		m.Contexts = float64(b) * context // of half a token too
		bases := make([]float64, len(t.stages))
		if b > 0 {
			for i, stage := range t.stages {
				bases[i] = stage.Run(&m, 1)
			}
		}
		added, first := 0.0, 0.0 // of the slowest stage; of the first piece in the others
		for i, piece := range at {
			m.Chunks = []costmodel.Call{{Batch: 1, New: min(size, n-piece*size), Past: piece * size}}
			sum, slowest := 0.0, 0.0
			for k, stage := range t.stages {
				x := math.Max(stage.Mixed(&m)-bases[k], 0)
				sum += x
				slowest = math.Max(slowest, x)
			}
			if i == 0 {
				first = sum - slowest
			}
			added += weight[i] * (slowest + t.drafted(m.Chunks))
		}
		if b == 0 {
			p.alone = first + added
		}
		p.batch, p.added = append(p.batch, float64(b*t.lanes.groups)), append(p.added, added)
	}
	t.prompt[budget] = p
	return p
}

// drafted returns the time that the model which drafts spends on pieces of prompts, in seconds.
func (t *tables) drafted(chunks []costmodel.Call) float64 {
	if t.s == nil || t.s.Draft.Compiled == nil {
		return 0
	}
	m := t.s.Draft.Compiled.Alike(0, 1, 0)
	m.Chunks = chunks
	return t.s.Draft.Compiled.At(t.f).Mixed(&m)
}
