package arch

import (
	"errors"
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/internal/ceil"
)

// SpreadGMUs returns a copy of m in which a share r of the cross-decoder's mixers
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
// the owner, and a GMU gates memory of the kind given, or with NoMemory the scan of the
// last recurrent layer before the owner, normed after Mamba-2 and Gated DeltaNet (which
// then lose their own norm, paper §2), or else the owner's inner output.
//
// The copy has no counting form unless the ratio is what it was.
func SpreadGMUs(m *Model, r float64, memory MemoryKind) (*Model, error) {
	if err := CheckGMURatio(r); err != nil {
		return nil, err
	}
	m = m.Clone()
	c, ok := findCross(m)
	if !ok {
		return nil, ErrNoCrossDecoder
	}
	before, _ := m.GMURatio()
	if c.gmu == nil && r > 0 {
		var err error
		if c.gmu, err = c.gmuTemplate(memory); err != nil {
			return nil, err
		}
	}
	c.spread(r)
	if after, _ := m.GMURatio(); after != before {
		m.CountingForm = 0
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	return m, nil
}

// GMURatio returns which share of the cross-decoder's mixers are GMUs, and whether the model has
// a cross-decoder.
func (m *Model) GMURatio() (float64, bool) {
	c, ok := findCross(m)
	if !ok {
		return 0, false
	}
	n := 0
	for _, i := range c.layers {
		if _, ok := m.Layers[i].Mixer.(MemoryReader); ok {
			n++
		}
	}
	return float64(n) / float64(len(c.layers)), true
}

// CrossMixers returns how many layers GMURatio is a share of: those with a GMU or cross-attention
// after the last layer that stores a cache.
func (m *Model) CrossMixers() int {
	c, _ := findCross(m)
	if c == nil {
		return 0
	}
	return len(c.layers)
}

// ErrNoCrossDecoder says that a model has no layers that could become GMUs.
var ErrNoCrossDecoder = errors.New("no cross-decoder: gmu_ratio has nothing to replace")

// CheckGMURatio returns an error for a share that is not between 0 and 1.
func CheckGMURatio(r float64) error {
	if !(r >= 0 && r <= 1) {
		return fmt.Errorf("gmu_ratio %v is not between 0 and 1", r)
	}
	return nil
}

// cross holds the layers that a GMU ratio is a share of: those after the last layer with a cache
// that gate a memory or read that cache. There can be more of them than in Model.CrossDecoder,
// whose layers a prefill may skip, because other layers, for example recurrent ones, may stand
// between them.
type cross struct {
	m      *Model
	owner  int          // the last layer that stores a cache
	layers []int        // layers after that one with a GMU or cross-attention
	gmu    MemoryReader // the first one, nil where there is none
	attn   Mixer
}

func findCross(m *Model) (*cross, bool) {
	owners := m.CacheOwners()
	if len(owners) == 0 {
		return nil, false
	}
	c := &cross{m: m, owner: owners[len(owners)-1]}
	for i := c.owner + 1; i < len(m.Layers); i++ {
		mx := m.Layers[i].Mixer
		gmu, gates := mx.(MemoryReader)
		_, reads := mx.(CacheReader) // it reads another layer's cache, since no layer after the last owner stores one
		switch {
		case gates && c.gmu == nil:
			c.gmu = gmu
		case gates:
		case reads && c.attn == nil:
			c.attn = mx
		case !reads:
			continue
		}
		c.layers = append(c.layers, i)
	}
	return c, len(c.layers) > 0
}

// gmuTemplate makes the GMU for a kind of memory; with NoMemory it chooses the kind.
func (c *cross) gmuTemplate(kind MemoryKind) (MemoryReader, error) {
	m := c.m
	if kind == NoMemory || kind == ScanMemory {
		for i := c.owner; i >= 0; i-- {
			if d := m.MemoryWidth(i, ScanMemory); d > 0 {
				optional, _ := OwnNorm(m.Layers[i].Mixer)
				return GMU{Memory: To(i), From: ScanMemory, DMem: d, Normed: optional}, nil
			}
		}
		kind = AttentionMemory
	}
	d := m.MemoryWidth(c.owner, kind)
	if d == 0 {
		return nil, fmt.Errorf("layer %d has no memory for a GMU to gate", c.owner)
	}
	return GMU{Memory: To(c.owner), From: kind, DMem: d}, nil
}

// spread changes the mixers of the cross-decoder to a given share of GMUs.
func (c *cross) spread(ratio float64) {
	n := len(c.layers)
	k := int(math.Floor(ratio*float64(n) + 0.5))
	if c.attn == nil {
		c.attn, _ = ReadingCache(CacheOwner(c.m.Layers[c.owner].Mixer), To(c.owner))
	}
	var chain Ref // the previous GMU of a chain
	for i, at := range c.layers {
		if ceil.Div((i+1)*k, n) == ceil.Div(i*k, n) {
			c.m.Layers[at].Mixer = c.attn
			continue
		}
		g := c.gmu
		if g.Chains() {
			if chain != 0 {
				r := g.Reads()
				g = g.readingMemory(chain, r.Kind, c.m.Width).(MemoryReader)
			}
			chain = To(at)
		}
		c.m.Layers[at].Mixer = g
	}
	c.moveNorm(k > 0)
}

// moveNorm gives the norm of the memory layer to the normed GMUs, or back to that layer when
// there are none.
func (c *cross) moveNorm(taken bool) {
	g, ok := c.gmu.(GMU)
	if !ok || !g.Normed || g.From != ScanMemory {
		return
	}
	if i, ok := g.Memory.Layer(); ok && i <= c.owner {
		c.m.Layers[i].Mixer = WithOwnNorm(c.m.Layers[i].Mixer, !taken)
	}
}
