package serving

import (
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/costmodel"
)

// drafter prices what drafts for a model: a model of its own, Tokens decode steps for each of
// the target's and every prompt once, both within the target's step.
type drafter struct {
	tokens  float64
	price   costmodel.Pricer
	windows []int // where each of the draft's windows is among those of the pricer
	mix     costmodel.Mix
}

// speculate adds to a deployment what drafts for it.
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

// snapshots makes room for a state behind each drafted token: any may be the last that is
// accepted (vLLM: one block more for each, v1/kv_cache_interface.py num_speculative_blocks).
func (l *Layout) snapshots(drafts int) {
	l.StateBytes *= float64(1 + drafts)
	l.states = drafts
}

// widen makes blocks so much larger as a draft's cache is beside its target's, at a length of
// thousands of tokens.
func (l *Layout) widen(target, draft *costmodel.Compiled) {
	const length = 8192
	if of := target.PromptBytes(length); of > 0 {
		by := 1 + draft.PromptBytes(length)/of
		l.PageBytes *= by
		l.BlockBytes *= by
	}
}

// withDraft adds a draft to a target's pricer.
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

// places is where each of some windows is among all.
func places(of, all []int) []int {
	out := make([]int, len(of))
	for i, w := range of {
		out[i] = slices.Index(all, w)
	}
	return out
}

// pick fills to with the values at some places.
func pick(to, from []float64, places []int) []float64 {
	to = to[:0]
	for _, i := range places {
		to = append(to, from[i])
	}
	return to
}

// step is the draft's part of a target's step, with its pieces of prompts or without.
func (d *drafter) step(s *Step, m *costmodel.Mix, prompts bool) *costmodel.Mix {
	d.mix = costmodel.Mix{Decodes: m.Decodes, Contexts: m.Contexts, Padded: ceilDiv(m.Padded, 1+m.Drafts), Advance: m.Advance,
		Seen: pick(d.mix.Seen, s.Seen, d.windows), Growing: pick(d.mix.Growing, s.Growing, d.windows)}
	if prompts {
		d.mix.Chunks = m.Chunks
	}
	return &d.mix
}

// seconds is what drafting adds to k steps in a row; to one with pieces of prompts, those too.
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
