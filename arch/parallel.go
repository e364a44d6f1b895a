package arch

import (
	"fmt"
	"strings"
)

// Parallel runs several mixers on the same normed input and adds their outputs
// (Falcon-H1: attention beside Mamba-2).
//
// The list is never changed in place: a changed Parallel is a new one (see mapParts).
type Parallel struct {
	Mixers []Mixer
}

// Kind returns "parallel".
func (p Parallel) Kind() string { return "parallel" }

// Weights implements Mixer. Names are prefixed with the position of the part.
func (p Parallel) Weights(width int) []Weight {
	var all []Weight
	for i, m := range p.Mixers {
		for _, w := range m.Weights(width) {
			w.Name = fmt.Sprintf("%d.%s", i, w.Name)
			all = append(all, w)
		}
	}
	return all
}

// Check implements Mixer.
func (p Parallel) Check(width int) error {
	if len(p.Mixers) < 2 {
		return fmt.Errorf("parallel needs at least two mixers, has %d", len(p.Mixers))
	}
	for _, m := range p.Mixers {
		if _, nested := m.(Parallel); nested {
			return fmt.Errorf("parallel mixers do not nest")
		}
		if err := m.Check(width); err != nil {
			return err
		}
	}
	return nil
}

// Name joins the names of the parts: "full+mamba2".
func (p Parallel) Name() string { return p.join("+", Mixer.Name) }

// Shape joins the shapes of the parts.
func (p Parallel) Shape() string { return p.join(" + ", Mixer.Shape) }

func (p Parallel) join(by string, of func(Mixer) string) string {
	var s []string
	for _, m := range p.Mixers {
		s = append(s, of(m))
	}
	return strings.Join(s, by)
}

// edit implements Mixer: a Parallel has parts, and no fields of its own.
func (p Parallel) edit(change func([]Field)) Mixer {
	change(nil)
	return p
}

func (p Parallel) detached() Mixer { return mapParts(p, Mixer.detached) }

// Stores implements Mixer: the sum over the parts. What each part stores, the parts themselves
// say (see Parts).
func (p Parallel) Stores() Storage {
	var all Storage
	for _, m := range p.Mixers {
		s := m.Stores()
		all.CacheElements += s.CacheElements
		all.StateElements += s.StateElements
		all.ConvElements += s.ConvElements
		all.Window = max(all.Window, s.Window)
	}
	return all
}

// Reads implements Mixer: of each kind, the last that a part reads.
func (p Parallel) Reads() Reads {
	var all Reads
	for _, m := range p.Mixers {
		r := m.Reads()
		if r.Cache > 0 {
			all.Cache = r.Cache
		}
		if r.Memory > 0 {
			all.Memory, all.Kind = r.Memory, r.Kind
		}
		if r.Weights > 0 {
			all.Weights = r.Weights
		}
		if r.Picks > 0 {
			all.Picks = r.Picks
		}
		all.Embedding = all.Embedding || r.Embedding
	}
	return all
}

// HandsOn implements Mixer: the memory of the first part that makes one.
func (p Parallel) HandsOn(kind MemoryKind) int {
	for _, m := range p.Mixers {
		if n := m.HandsOn(kind); n > 0 {
			return n
		}
	}
	return 0
}
