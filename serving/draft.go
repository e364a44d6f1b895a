package serving

import (
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/ceil"
)

// drafter prices a model that drafts tokens for another. Within each step of the target, it takes
// Tokens decode steps of its own, and it works every prompt once.
type drafter struct {
	tokens  float64
	price   costmodel.Pricer
	windows []int // index of each of the draft's windows among those of the pricer
	mix     costmodel.Mix
}

// speculate adds to a deployment what drafts tokens for it.
func (d *Deployment) speculate(c *costmodel.Compiled, s *costmodel.Speculation) error {
	if s == nil || s.Tokens == 0 {
		return nil
	}
	if err := s.Check(); err != nil {
		return err
	}
	l := d.Limits
	d.drafts = s.Draft.Name
	l.Verified = Verified{Drafts: s.Tokens, Acceptance: s.Acceptance}
	l.Layout.snapshots(s.Tokens)
	if x := s.Draft.Compiled; x != nil {
		l.Layout.widen(c, x)
		d.Notes = append(d.Notes, fmt.Sprintf("The draft's cache is taken to lie in the same blocks, which have %.3g MB with it.", l.Layout.BlockBytes/1e6))
	}
	return nil
}

// snapshots makes room for one state after each drafted token, since any of them may be the last
// one that is accepted (vLLM has one more block for each, v1/kv_cache_interface.py
// num_speculative_blocks).
func (l *Layout) snapshots(drafts int) {
	l.StateBytes *= float64(1 + drafts)
	l.states = drafts
}

// widen makes blocks larger by the share that a draft model's cache has of the target's, at a
// length of some thousand tokens.
func (l *Layout) widen(target, draft *costmodel.Compiled) {
	const length = 8192
	if of := target.PromptBytes(length); of > 0 {
		by := 1 + draft.PromptBytes(length)/of
		l.PageBytes *= by
		l.BlockBytes *= by
	}
}

// withDraft adds a draft model to the pricer of a target.
func (c *costPricer) withDraft(s *costmodel.Speculation, f costmodel.Fidelity) error {
	if s == nil || s.Tokens == 0 || s.Draft.Compiled == nil {
		return nil
	}
	x, err := bare(s.Draft.Compiled)
	if err != nil {
		return err
	}
	d := &drafter{tokens: float64(s.Tokens), price: x.At(f)}
	of, mine := x.Windows(), c.windows
	c.windows = slices.Clone(mine)
	for _, w := range of {
		if !slices.Contains(c.windows, w) {
			c.windows = append(c.windows, w)
		}
	}
	slices.Sort(c.windows)
	d.windows = places(of, c.windows)
	if len(c.windows) > len(mine) {
		c.own = places(mine, c.windows)
	}
	c.draft = d
	return nil
}

// places returns the index of each of some windows in the list of all.
func places(of, all []int) []int {
	out := make([]int, len(of))
	for i, w := range of {
		out[i] = slices.Index(all, w)
	}
	return out
}

// pick fills to with the values of from at the given indexes.
func pick(to, from []float64, places []int) []float64 {
	to = to[:0]
	for _, i := range places {
		to = append(to, from[i])
	}
	return to
}

// step returns what the draft model computes during a step of the target; prompts says whether
// the pieces of prompts are part of it.
func (d *drafter) step(s *Step, m *costmodel.Mix, prompts bool) *costmodel.Mix {
	d.mix = costmodel.Mix{Decodes: m.Decodes, Contexts: m.Contexts, Padded: ceil.Div(m.Padded, 1+m.Drafts), Advance: m.Advance,
		Seen: pick(d.mix.Seen, s.Seen, d.windows), Growing: pick(d.mix.Growing, s.Growing, d.windows)}
	if prompts {
		d.mix.Chunks = m.Chunks
	}
	return &d.mix
}

// seconds returns how long drafting takes in k steps in a row. Where there are pieces of prompts,
// there is one step, and their time is included.
func (d *drafter) seconds(s *Step, m *costmodel.Mix, k int) float64 {
	if len(m.Chunks) == 0 {
		return d.tokens * d.price.Run(d.step(s, m, false), k)
	}
	t := d.price.Mixed(d.step(s, m, true))
	if m.Decodes > 0 {
		t += (d.tokens - 1) * d.price.Run(d.step(s, m, false), 1)
	}
	return t
}
