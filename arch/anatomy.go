package arch

import "iter"

// CacheReader is a mixer that can read the cache of another layer.
type CacheReader interface {
	Mixer
	readingCache(Ref) Mixer
	// fitsCache reports why the mixer cannot read what another one stores.
	fitsCache(owner Mixer) error
}

// MemoryReader is a mixer that gates the memory of another layer.
type MemoryReader interface {
	Mixer
	// Chains reports whether mixers of this kind follow one another: each reads the one
	// before it.
	Chains() bool
	readingMemory(layer Ref, kind MemoryKind, width int) Mixer
	fitsMemory(width int) error
}

// WeightUser is a mixer that can use the weights of a mixer like it in another layer.
type WeightUser interface {
	Mixer
	usingWeights(Ref) Mixer
}

// UsingWeights is the mixer made to use the weights of a layer, and whether it can.
func UsingWeights(m Mixer, layer Ref) (Mixer, bool) {
	u, ok := m.(WeightUser)
	if !ok {
		return nil, false
	}
	return u.usingWeights(layer), true
}

// WeightOwner is the part of a mixer whose weights other layers can use, and its number among
// the parts; nil where none can.
func WeightOwner(m Mixer) (owner Mixer, part int) {
	for i, p := range Parts(m) {
		if _, ok := p.(WeightUser); ok && p.Reads().Weights == 0 {
			return p, i
		}
	}
	return nil, 0
}

// PickReader is a mixer that can see the positions which the indexer of another layer picked.
type PickReader interface {
	Mixer
	takingPicks(Ref) Mixer
	// fitsPicks reports why the mixer cannot take what another one picks.
	fitsPicks(owner Mixer) error
}

// TakingPicks is the mixer made to take over the picks of a layer, and whether it can.
func TakingPicks(m Mixer, layer Ref) (Mixer, bool) {
	r, ok := m.(PickReader)
	if !ok {
		return nil, false
	}
	return r.takingPicks(layer), true
}

// PickOwner is the first part of a mixer that picks positions by an indexer of its own, nil
// where none does.
func PickOwner(m Mixer) Mixer {
	for _, p := range Parts(m) {
		if p.Stores().Picked > 0 && p.Reads().Picks == 0 {
			return p
		}
	}
	return nil
}

// wholeLayer is a mixer that owns a cache and makes its queries where it makes its keys.
type wholeLayer interface{ whole() }

// LastQuery reports whether the mixer of a layer that owns its cache can make keys and
// values for all positions and queries for the last alone. A Parallel runs as a whole, and
// so does a layer whose FFN does not wait for the mixer.
func (l Layer) LastQuery() bool {
	if len(Parts(l.Mixer)) != 1 || l.Block.Parallel() {
		return false
	}
	_, whole := l.Mixer.(wholeLayer)
	return !whole && l.Mixer.Stores().CacheElements > 0
}

// ReadingCache is the mixer made to read the cache of a layer, and whether it can.
func ReadingCache(m Mixer, layer Ref) (Mixer, bool) {
	r, ok := m.(CacheReader)
	if !ok {
		return nil, false
	}
	return r.readingCache(layer), true
}

// ReadingMemory is the mixer made to gate the memory of a kind and width of a layer.
func ReadingMemory(m MemoryReader, layer Ref, kind MemoryKind, width int) Mixer {
	return m.readingMemory(layer, kind, width)
}

// CacheOwner is the first part of a mixer that stores a cache of its own, nil where
// none does.
func CacheOwner(m Mixer) Mixer {
	for _, p := range Parts(m) {
		if p.Stores().CacheElements > 0 {
			return p
		}
	}
	return nil
}

// CacheOwners lists the layers that store a cache of their own, windowed ones too.
func (m *Model) CacheOwners() []int {
	var out []int
	for i, l := range m.Layers {
		if CacheOwner(l.Mixer) != nil {
			out = append(out, i)
		}
	}
	return out
}

// Recurrent reports whether a part of the mixer carries a state from position to position.
func Recurrent(m Mixer) bool { return m != nil && m.Stores().Recurrent() }

// Mixers goes through the mixers of all layers with the number of their layer; those of
// a Parallel one by one.
func (m *Model) Mixers() iter.Seq2[int, Mixer] {
	return func(yield func(int, Mixer) bool) {
		for i, l := range m.Layers {
			for _, p := range Parts(l.Mixer) {
				if !yield(i, p) {
					return
				}
			}
		}
	}
}

// Attentions goes through the attention of all layers, with the number of its layer.
func (m *Model) Attentions() iter.Seq2[int, Attention] { return Each[Attention](m) }

// GMUs goes through the Gated Memory Units of all layers, with the number of their layer.
func (m *Model) GMUs() iter.Seq2[int, GMU] { return Each[GMU](m) }

// Each goes through the mixers of one kind in all layers, with the number of their layer.
func Each[T Mixer](m *Model) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, p := range m.Mixers() {
			if x, ok := p.(T); ok && !yield(i, x) {
				return
			}
		}
	}
}

// AttentionOf is the first attention among the parts of a mixer, and whether there is one.
func AttentionOf(m Mixer) (Attention, bool) {
	for _, p := range Parts(m) {
		if a, ok := p.(Attention); ok {
			return a, true
		}
	}
	return Attention{}, false
}

// AttentionAlone is a layer's mixer where that is attention and nothing beside it.
func AttentionAlone(m Mixer) (Attention, bool) {
	a, ok := m.(Attention)
	return a, ok
}

// MapAttentions replaces the attention of all layers by what f makes of it.
func (m *Model) MapAttentions(f func(layer int, a Attention) Attention) {
	m.MapMixers(func(layer int, p Mixer) Mixer {
		if a, ok := p.(Attention); ok {
			return f(layer, a)
		}
		return p
	})
}

// MapMixers replaces every mixer, those of a Parallel one by one, by what f makes of it.
func (m *Model) MapMixers(f func(layer int, p Mixer) Mixer) {
	for i := range m.Layers {
		m.Layers[i].Mixer = MapParts(m.Layers[i].Mixer, func(p Mixer) Mixer { return f(i, p) })
	}
}

// shared reports whether a mixer keeps nothing of its own: it reads another layer's
// cache or memory, or is absent.
func shared(m Mixer) bool {
	for _, p := range Parts(m) {
		r := p.Reads()
		if p.Stores() != (Storage{}) || r.Cache == 0 && r.Memory == 0 {
			return false
		}
	}
	return true
}

// CrossDecoder is the first layer of the cross-decoder, and whether there is one: from
// it on every mixer reads another layer's cache or memory, or is absent, and at least
// one is there. A prefill needs these layers for the last position only (paper §2).
// Layers without a mixer in front of the first that reads count as part of it: running
// them for the last position alone is right as well.
func (m *Model) CrossDecoder() (layer int, ok bool) {
	s := len(m.Layers)
	for s > 0 && shared(m.Layers[s-1].Mixer) {
		s--
		ok = ok || m.Layers[s].Mixer != nil
	}
	if !ok || s == 0 {
		return 0, false
	}
	return s, true
}

// MemoryWidth is the width of what layer i hands on as memory of a kind, 0 if it
// has none.
func (m *Model) MemoryWidth(i int, kind MemoryKind) int {
	l := m.Layers[i]
	switch {
	case kind == OutputMemory && l.Mixer != nil:
		return m.Width
	case kind == MLPMemory && l.FFN != nil:
		return l.FFN.HandsOn(kind)
	case kind != MLPMemory && l.Mixer != nil:
		return l.Mixer.HandsOn(kind)
	}
	return 0
}

// DefaultMemory is what a GMU gates of layer i unless told otherwise: its scan, or the
// inner output of its attention, or the linear branch of its MLP, or its mixer's output.
func (m *Model) DefaultMemory(i int) MemoryKind {
	for _, k := range MemoryKinds() {
		if m.MemoryWidth(i, k) > 0 {
			return k
		}
	}
	return ScanMemory
}
