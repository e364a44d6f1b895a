package arch

import (
	"fmt"
	"math"
)

// WithGMURatio returns a copy of m in which a share r of the cross-decoder's mixers
// are GMUs and the rest cross-attention, spread as evenly as possible: of n layers
// k = ⌊r·n + ½⌋ are GMUs, layer i one if
//
//	⌈(i+1)·k/n⌉ > ⌈i·k/n⌉
//
// so ½ alternates beginning with a GMU, 0 is YOCO and 1 leaves no cross-attention.
//
// The cross-decoder is every layer after the last cache owner whose mixer is a GMU or
// cross-attention; other layers stay. The first GMU and the first cross-attention of
// the model are the patterns for all; where there is none, cross-attention follows
// the owner, and a GMU gates the scan of the last recurrent layer before the owner,
// normed after Mamba-2 and Gated DeltaNet (which then lose their own norm, paper §2),
// or else the owner's inner output.
func WithGMURatio(m *Model, r float64) (*Model, error) {
	if err := checkRatio(r); err != nil {
		return nil, err
	}
	m = m.Clone()
	c, ok := findCross(m)
	if !ok {
		return nil, noCrossDecoder(m.Name)
	}
	if c.gmu == nil && r > 0 {
		g, err := c.gmuTemplate(NoMemory)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		c.gmu = g
	}
	before, _ := m.GMURatio()
	c.spread(r)
	if after, _ := m.GMURatio(); after != before {
		m.CountingForm = m.recount(after)
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	return m, nil
}

// GMURatio is the share of the cross-decoder's mixers that are GMUs, and whether the
// model has a cross-decoder.
func (m *Model) GMURatio() (float64, bool) {
	c, ok := findCross(m)
	if !ok {
		return 0, false
	}
	n := 0
	for _, i := range c.layers {
		if _, ok := m.Layers[i].Mixer.(*GMU); ok {
			n++
		}
	}
	return float64(n) / float64(len(c.layers)), true
}

func checkRatio(r float64) error {
	if !(r >= 0 && r <= 1) {
		return fmt.Errorf("gmu_ratio %v is not between 0 and 1", r)
	}
	return nil
}

func noCrossDecoder(name string) error {
	return fmt.Errorf("%s has no cross-decoder: gmu_ratio has nothing to replace", name)
}

// recount is the counting form at another share of GMUs: known where the form given
// was the family's own, else 0.
func (m *Model) recount(ratio float64) int64 {
	r, err := findRecipe(m.Family)
	if err != nil || m.CountingForm == 0 {
		return 0
	}
	n, _ := countingForm(r, len(m.Layers), m.Width, ratio)
	return int64(math.Round(n))
}

// cross is the cross-decoder of a model: the layers that share one cache or memory.
type cross struct {
	m      *Model
	owner  int   // layer of the last cache owner
	layers []int // layers behind it with a GMU or cross-attention
	gmu    *GMU  // first of each, nil if none
	attn   *Attention
}

func findCross(m *Model) (*cross, bool) {
	c := &cross{m: m, owner: -1}
	for i, l := range m.Layers {
		if cacheOwner(l.Mixer) != nil {
			c.owner = i
		}
	}
	if c.owner < 0 {
		return nil, false
	}
	for i := c.owner + 1; i < len(m.Layers); i++ {
		switch mx := m.Layers[i].Mixer.(type) {
		case *GMU:
			if c.gmu == nil {
				g := *mx
				c.gmu = &g
			}
		case *Attention: // cross-attention: no owner comes after the last
			if c.attn == nil {
				a := *mx
				c.attn = &a
			}
		default:
			continue
		}
		c.layers = append(c.layers, i)
	}
	return c, len(c.layers) > 0
}

// crossFrom is cross-attention to the cache of an owner.
func crossFrom(owner *Attention, layer int) *Attention {
	a := *owner
	a.KVSource = To(layer)
	return &a
}

// gmuTemplate makes the GMU for a kind of memory: NoMemory chooses.
func (c *cross) gmuTemplate(kind MemoryKind) (*GMU, error) {
	m := c.m
	if kind == NoMemory || kind == ScanMemory {
		for i := c.owner; i >= 0; i-- {
			if d := m.MemoryWidth(i, ScanMemory); d > 0 {
				return &GMU{Memory: To(i), From: ScanMemory, DMem: d, Normed: ownNorm(m.Layers[i].Mixer) != nil}, nil
			}
		}
		kind = AttentionMemory
	}
	d := m.MemoryWidth(c.owner, kind)
	if d == 0 {
		return nil, fmt.Errorf("layer %d has no memory for a GMU to gate", c.owner)
	}
	return &GMU{Memory: To(c.owner), From: kind, DMem: d}, nil
}

// ownNorm is where a recurrent mixer says whether it has a norm of its own, nil for
// mixers that have none.
func ownNorm(m Mixer) *bool {
	for _, p := range Parts(m) {
		switch p := p.(type) {
		case *Mamba2:
			return &p.NoNorm
		case *GatedDeltaNet:
			return &p.NoNorm
		}
	}
	return nil
}

// spread lays out the cross-decoder at a share of GMUs.
func (c *cross) spread(ratio float64) {
	n := len(c.layers)
	k := int(math.Floor(ratio*float64(n) + 0.5))
	if c.attn == nil {
		c.attn = crossFrom(cacheOwner(c.m.Layers[c.owner].Mixer), c.owner)
	}
	var chain Ref // previous sigmoid GMU
	for i, at := range c.layers {
		if ceilDiv((i+1)*k, n) == ceilDiv(i*k, n) {
			a := *c.attn
			c.m.Layers[at].Mixer = &a
			continue
		}
		g := *c.gmu
		if g.Variant == SigmoidGMU {
			if chain != 0 {
				g.Memory = chain
			}
			chain = To(at)
		}
		c.m.Layers[at].Mixer = &g
	}
	c.moveNorm(k > 0)
}

// moveNorm gives the memory layer's norm to the nGMUs, or back when none is left.
func (c *cross) moveNorm(taken bool) {
	if c.gmu == nil || !c.gmu.Normed || c.gmu.From != ScanMemory {
		return
	}
	if i, ok := c.gmu.Memory.Layer(); ok && i <= c.owner {
		if p := ownNorm(c.m.Layers[i].Mixer); p != nil {
			*p = taken
		}
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
