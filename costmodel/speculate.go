package costmodel

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// MostDrafts is how many drafted tokens a step may verify.
const MostDrafts = 64

// Draft is the method that proposes tokens ahead of a model, on the same devices.
type Draft struct {
	Name string
	// Compiled is the model that drafts, one token a step; nil where drafting takes no noticeable
	// time, as with looking up n-grams in the text so far.
	Compiled *Compiled
	// Weights is how many bytes of the draft's weights one device holds in addition to the target
	// model's.
	Weights float64
}

// NGram drafts by looking up what followed the last few tokens earlier in the text.
func NGram() Draft { return Draft{Name: "ngram"} }

// DraftModel drafts with a model of its own.
func DraftModel(c *Compiled) Draft {
	return Draft{Name: c.Model.Name, Compiled: c, Weights: c.mem.weights}
}

// Speculation is decoding in which Tokens tokens are drafted a step and the model keeps them
// up to the first that it would not have drawn itself: what it says is unchanged (Leviathan et
// al., arXiv:2211.17192; Chen et al., arXiv:2302.01318). Each drafted token is taken to be
// accepted with probability Acceptance, whatever came of the others.
type Speculation struct {
	Draft      Draft
	Tokens     int
	Acceptance float64
}

// errNotShared is the error for speculative decoding with a model that runs over several stages or
// groups.
func (c *Compiled) errNotShared() error {
	return fmt.Errorf("%s: speculative decoding is not priced over pipeline stages or groups of devices (pp, dp)", c.Ranks())
}

// Check returns an error for the first number that is out of range.
func (s Speculation) Check() error {
	if s.Tokens < 0 || s.Tokens > MostDrafts {
		return fmt.Errorf("draft tokens %d are not from 0 to %d", s.Tokens, MostDrafts)
	}
	if !(s.Acceptance >= 0 && s.Acceptance <= 1) {
		return fmt.Errorf("acceptance %g is not from 0 to 1", s.Acceptance)
	}
	return nil
}

// ExpectedTokens returns how many tokens a step makes in the mean: the accepted ones, and the one
// that the model draws after them (Leviathan et al., eq. 1).
//
//	E = 1 + α + α² + … + α^k = (1 − α^(k+1)) / (1 − α)
func ExpectedTokens(acceptance float64, drafted int) float64 {
	e, p := 1.0, 1.0
	for range drafted {
		p *= acceptance
		e += p
	}
	return e
}

// breakEven is the acceptance at which a step makes the given number of tokens; ok is false where
// even accepting every draft makes fewer.
func breakEven(tokens float64, drafted int) (acceptance float64, ok bool) {
	if tokens <= 1 {
		return 0, true
	}
	if tokens > float64(drafted+1) {
		return 0, false
	}
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; ExpectedTokens(mid, drafted) < tokens {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi, true
}

// Speculative is how speculation changes the time and memory of a workload.
type Speculative struct {
	Draft          string  `json:"draft"`        // a model, "mtp" or "ngram"
	DraftTokens    int     `json:"draft_tokens"` // drafted a step
	Batch          int     `json:"batch"`
	Acceptance     float64 `json:"acceptance"`               // of each drafted token
	ExpectedTokens float64 `json:"expected_tokens_per_step"` // accepted ones and the one behind them
	DraftSeconds   float64 `json:"draft_seconds"`            // of a mean step: all drafted tokens
	VerifySeconds  float64 `json:"verify_seconds"`           // of a mean step: one pass over drafted tokens and the one before
	StepSeconds    float64 `json:"step_seconds"`             // both
	TTFTSeconds    float64 `json:"ttft_seconds"`             // with the draft's own pass over the prompt
	TPOTSeconds    float64 `json:"tpot_seconds"`
	RequestSeconds float64 `json:"request_seconds"`
	Throughput     float64 `json:"tokens_per_second"`
	Speedup        float64 `json:"speedup"` // of decoding, over the same without
	// BreakEven is the acceptance from which speculation makes decoding faster; null where no
	// acceptance does.
	BreakEven *float64 `json:"break_even_acceptance"`
	// GainsFrom is the smallest batch at which speculation is no slower; 0 where it is slower at
	// every batch that fits.
	GainsFrom int `json:"gains_from_batch"`
	// SlowerFrom is the batch from which speculation is slower; 0 where it gains at every batch
	// that fits.
	SlowerFrom int `json:"slower_from_batch"`
	// ByBatch is the speedup at doublings of the batch, up to the largest that fits.
	ByBatch []BatchGained `json:"by_batch"`

	DraftWeightsBytes     float64 `json:"draft_weights_bytes"`           // of one device, beside the model's own
	DraftBytesPerSequence float64 `json:"draft_bytes_per_sequence"`      // its cache and states
	SnapshotBytes         float64 `json:"snapshot_bytes_per_sequence"`   // states kept so that any drafted token can be the last
	MaxBatch              int     `json:"max_batch"`                     // that fits beside all of these
	Without               int     `json:"max_batch_without_speculation"` // the same without
}

// BatchGained is the speedup of speculation at a batch.
type BatchGained struct {
	Batch   int     `json:"batch"`
	Speedup float64 `json:"speedup"`
}

// Verify returns the seconds of a step in which each of batch sequences verifies drafted tokens
// after its next one, which sees context positions.
func (c *Compiled) Verify(f Fidelity, batch, context, drafted int) float64 {
	m := c.Alike(batch, context, drafted)
	return c.At(f).Mixed(&m)
}

// StepWith returns the seconds of a step in which tokens are drafted and verified; without
// speculation (s is nil) it is that of a plain decode step.
func (c *Compiled) StepWith(s *Speculation, f Fidelity, batch, context int) float64 {
	if s == nil || s.Tokens == 0 {
		return c.At(f).Step(batch, context)
	}
	t := c.Verify(f, batch, context, s.Tokens)
	if d := s.Draft.Compiled; d != nil {
		t += float64(s.Tokens) * max(d.At(f).Step(batch, context)-d.hostSeconds(f, batch), 0)
	}
	return t
}

// Alike is a step of sequences that all decode at the same context, and verify as many drafted
// tokens each.
func (c *Compiled) Alike(batch, context, drafted int) Mix {
	m := Mix{Decodes: batch, Contexts: float64(batch) * float64(context), Drafts: drafted,
		Seen: make([]float64, len(c.finite)), Growing: make([]float64, len(c.finite))}
	for i, w := range c.finite {
		m.Seen[i] = float64(batch) * float64(Seen(w, context))
		if _, grows := Grows(w, context); grows {
			m.Growing[i] = float64(batch)
		}
	}
	return m
}

// mostPieces bounds how many pieces between windows and chunks a sum is made of; what is left
// of a generation within chunks of a few tokens is taken to cost what the pieces before did.
const mostPieces = 1 << 14

// verifySum is the seconds of verification steps added up over a workload, one at every context.
func (c *Compiled) verifySum(p Pricer, w Workload, drafted int) float64 {
	t, last := 0.0, w.Prompt+w.Generate
	n := w.Prompt + 1
	for pieces := 0; n <= last && pieces < mostPieces; pieces++ {
		steps := last - n + 1
		for _, f := range c.finite {
			if s, grows := Grows(f, n); grows {
				steps = min(steps, s)
			}
		}
		m := c.Alike(w.Batch, n, drafted)
		t += p.Run(&m, steps)
		n += steps
	}
	if n <= last {
		t *= float64(w.Generate) / float64(n-w.Prompt-1)
	}
	return t
}

// stepSums are Σ over the contexts of a generation: of a decode step, of a verification, and
// of drafting for it.
//
// Steps start at any context as likely as at another, one for every E tokens: a generation takes
//
//	T = Σ_{n = prompt+1 … prompt+generate} (k·draft(n) + verify(n)) / E
func (c *Compiled) stepSums(f Fidelity, w Workload, s *Speculation) (plain, verify, draft float64) {
	p := c.At(f)
	plain = p.Generation(w)
	verify = plain
	if s.Tokens > 0 {
		verify = max(c.verifySum(p, w, s.Tokens), plain) // fits of kernels may fall where rows are added
	}
	if d := s.Draft.Compiled; d != nil && s.Tokens > 0 {
		g := float64(w.Generate)
		draft = float64(s.Tokens) * max(d.At(f).Generation(w)-g*d.hostSeconds(f, w.Batch), 0)
	}
	return plain, verify, draft
}

// hostSeconds is the seconds that the host adds to a step; a draft is made within the target's
// step and adds none of its own.
func (c *Compiled) hostSeconds(f Fidelity, batch int) float64 {
	if k, ok := c.At(f).(*calibrated); ok {
		return k.engine.Host + k.engine.Sequence*float64(batch)
	}
	return 0
}

// Speculate prices a workload with speculative decoding. Drafting and verification follow each
// other; drawing and comparing tokens is not priced. Batch 0 is the largest that fits.
func (c *Compiled) Speculate(f Fidelity, w Workload, s Speculation) (*Speculative, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if c.stages != nil {
		return nil, c.errNotShared()
	}
	f = c.Fidelity(f)
	w = c.withPrefix(w)
	e := &Speculative{Draft: s.Draft.Name, DraftTokens: s.Tokens, Acceptance: s.Acceptance, ExpectedTokens: ExpectedTokens(s.Acceptance, s.Tokens),
		DraftWeightsBytes: s.Draft.Weights, SnapshotBytes: c.Snapshots(s.Tokens), Without: c.MaxBatch(w)}
	if d := s.Draft.Compiled; d != nil {
		seq, _ := d.mem.sequenceBytes(w.length())
		e.DraftBytesPerSequence = seq + d.Snapshots(s.Tokens)
	}
	e.MaxBatch = c.speculativeBatch(w, &s, e)
	if w.Batch == 0 {
		w.Batch = max(e.MaxBatch, 1)
	}
	if err := w.Check(); err != nil {
		return nil, err
	}
	e.Batch = w.Batch
	plain, verify, draft := c.stepSums(f, w, &s)
	g := float64(w.Generate)
	e.VerifySeconds, e.DraftSeconds = verify/g, draft/g
	e.StepSeconds = e.VerifySeconds + e.DraftSeconds
	e.TPOTSeconds = e.StepSeconds / e.ExpectedTokens
	e.Throughput = float64(w.Batch) / e.TPOTSeconds
	e.Speedup = plain / (verify + draft) * e.ExpectedTokens
	e.TTFTSeconds = c.At(f).Prefill(w)
	if d := s.Draft.Compiled; d != nil && w.Prompt > 0 {
		e.TTFTSeconds += max(d.At(f).Prefill(w)-d.hostSeconds(f, 0), 0)
	}
	e.RequestSeconds = e.TTFTSeconds + (verify+draft)/e.ExpectedTokens
	if a, ok := breakEven((verify+draft)/plain, s.Tokens); ok {
		e.BreakEven = &a
	}
	e.byBatch(func(b int) float64 {
		plain, verify, draft := c.stepSums(f, w.WithBatch(b), &s)
		return plain / (verify + draft) * e.ExpectedTokens
	}, max(e.MaxBatch, w.Batch))
	return e, nil
}

// byBatch follows the speedup over doublings of the batch, and finds from where on it gains, and
// from where on no more. Experts can make a few sequences lose what many gain: so many tokens
// more hit other experts, until all are hit anyway.
func (e *Speculative) byBatch(speedup func(batch int) float64, most int) {
	for b := 1; ; b *= 2 {
		b = min(b, most)
		e.ByBatch = append(e.ByBatch, BatchGained{b, speedup(b)})
		if b == most {
			break
		}
	}
	gains := func(b BatchGained) bool { return b.Speedup >= 1 }
	first := slices.IndexFunc(e.ByBatch, gains)
	if first < 0 {
		e.SlowerFrom = 1
		return
	}
	// turn is the first batch of an interval, its end at the latest, at which something holds.
	turn := func(i int, holds func(float64) bool) int {
		from := e.ByBatch[i-1].Batch
		return from + 1 + sort.Search(e.ByBatch[i].Batch-from-1, func(n int) bool { return holds(speedup(from + 1 + n)) })
	}
	if e.GainsFrom = 1; first > 0 {
		e.GainsFrom = turn(first, func(s float64) bool { return s >= 1 })
	}
	last := len(e.ByBatch) - 1
	for !gains(e.ByBatch[last]) {
		last--
	}
	if last+1 < len(e.ByBatch) {
		e.SlowerFrom = turn(last+1, func(s float64) bool { return s < 1 })
	}
}

// Snapshots returns the bytes of recurrent state that drafts add to a sequence: one state behind
// each drafted token, since any of them may be the last one accepted.
func (c *Compiled) Snapshots(drafts int) float64 {
	t := 0.0
	for i := range c.decode {
		g := &c.decode[i]
		t += float64(g.Count) * g.Op.snapshot(drafts)
	}
	return t
}

// speculativeBatch is the largest batch that fits with the draft's weights, caches and the
// snapshots of both.
func (c *Compiled) speculativeBatch(w Workload, s *Speculation, e *Speculative) int {
	seq, _ := c.mem.sequenceBytes(w.length())
	seq += e.SnapshotBytes + e.DraftBytesPerSequence + float64(s.Tokens)*c.mem.logitsBytes
	room := c.capacity() - e.DraftWeightsBytes
	return sort.Search(MaxBatchSize, func(b int) bool {
		t, _ := c.mem.total(float64(b+1), float64(w.Prompt), seq)
		return t > room
	})
}

// Slowest returns the batch, of those in ByBatch, at which speculation gains least.
func (e *Speculative) Slowest() BatchGained {
	least := BatchGained{Speedup: math.Inf(1)}
	for _, b := range e.ByBatch {
		if b.Speedup < least.Speedup {
			least = b
		}
	}
	return least
}
