package arch

import "iter"

// CacheReader is a mixer that can read the cache of another layer.
type CacheReader interface {
	Mixer
	readingCache(Ref) Mixer
	// fitsCache returns an error that says why the mixer cannot read what another one stores.
	fitsCache(owner Mixer) error
}

// MemoryReader is a mixer that gates the memory of another layer.
type MemoryReader interface {
	Mixer
	// Chains reports whether mixers of this kind form a chain, in which each reads the one before
	// it.
	Chains() bool
	readingMemory(layer Ref, kind MemoryKind, width int) Mixer
	fitsMemory(width int) error
}

// WeightUser is a mixer that can use the weights of a mixer like it in another layer.
type WeightUser interface {
	Mixer
	usingWeights(Ref) Mixer
}

// UsingWeights returns the mixer changed to use the weights of a layer, and whether it can use
// them.
func UsingWeights(m Mixer, layer Ref) (Mixer, bool) {
	u, ok := m.(WeightUser)
	if !ok {
		return nil, false
	}
	return u.usingWeights(layer), true
}

// WeightOwner returns the part of a mixer whose weights other layers can use, with its number
// among the parts; nil where there is none.
func WeightOwner(m Mixer) (owner Mixer, part int) {
	for i, p := range Parts(m) {
		if _, ok := p.(WeightUser); ok && p.Reads().Weights == 0 {
			return p, i
		}
	}
	return nil, 0
}

// PickReader is a mixer that can restrict itself to the positions that the indexer of another
// layer picked.
type PickReader interface {
	Mixer
	takingPicks(Ref) Mixer
	// fitsPicks returns an error that says why the mixer cannot use what another one picks.
	fitsPicks(owner Mixer) error
}

// TakingPicks returns the mixer changed to use the positions that a layer picks, and whether it
// can use them.
func TakingPicks(m Mixer, layer Ref) (Mixer, bool) {
	r, ok := m.(PickReader)
	if !ok {
		return nil, false
	}
	return r.takingPicks(layer), true
}

// PickOwner is the first part of a mixer that picks positions by an indexer of its own, which others
// like it can take over; nil where none does.
func PickOwner(m Mixer) Mixer {
	for _, p := range Parts(m) {
		if _, ok := p.(PickReader); ok && p.Stores().Picked > 0 && p.Reads().Picks == 0 {
			return p
		}
	}
	return nil
}

// wholeLayer is a mixer that owns a cache and makes its queries where it makes its keys.
type wholeLayer interface{ whole() }

// LastQuery reports whether a layer whose mixer stores a cache can make keys and values for all
// positions and queries for the last position only. A Parallel is computed as a whole, and so is
// a layer whose FFN does not wait for the mixer.
func (l Layer) LastQuery() bool {
	if len(Parts(l.Mixer)) != 1 || l.Block.Parallel() {
		return false
	}
	_, whole := l.Mixer.(wholeLayer)
	return !whole && l.Mixer.Stores().CacheElements > 0
}

// ReadingCache returns the mixer changed to read the cache of a layer, and whether it can read
// it.
func ReadingCache(m Mixer, layer Ref) (Mixer, bool) {
	r, ok := m.(CacheReader)
	if !ok {
		return nil, false
	}
	return r.readingCache(layer), true
}

// ReadingMemory returns the mixer changed to gate the memory of a layer, of the given kind and
// width.
func ReadingMemory(m MemoryReader, layer Ref, kind MemoryKind, width int) Mixer {
	return m.readingMemory(layer, kind, width)
}

// CacheOwner returns the first part of a mixer that stores a cache of its own, nil where there is
// none.
func CacheOwner(m Mixer) Mixer {
	for _, p := range Parts(m) {
		if p.Stores().CacheElements > 0 {
			return p
		}
	}
	return nil
}

// CacheOwners lists the layers that store a cache of their own, those with windows included.
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

// Mixers iterates over the mixers of all layers with the number of their layer. The mixers of a
// Parallel come one by one.
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

// Attentions iterates over the attention of all layers, with the number of its layer.
func (m *Model) Attentions() iter.Seq2[int, Attention] { return Each[Attention](m) }

// GMUs iterates over the Gated Memory Units of all layers, with the number of their layer.
func (m *Model) GMUs() iter.Seq2[int, GMU] { return Each[GMU](m) }

// Each iterates over the mixers of one kind in all layers, with the number of their layer.
func Each[T Mixer](m *Model) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, p := range m.Mixers() {
			if x, ok := p.(T); ok && !yield(i, x) {
				return
			}
		}
	}
}

// AttentionOf returns the first attention among the parts of a mixer, and whether there is one.
func AttentionOf(m Mixer) (Attention, bool) {
	for _, p := range Parts(m) {
		if a, ok := p.(Attention); ok {
			return a, true
		}
	}
	return Attention{}, false
}

// AttentionAlone returns a layer's mixer if it is attention and nothing else.
func AttentionAlone(m Mixer) (Attention, bool) {
	a, ok := m.(Attention)
	return a, ok
}

// MapAttentions replaces the attention of every layer by what f returns for it.
func (m *Model) MapAttentions(f func(layer int, a Attention) Attention) {
	m.MapMixers(func(layer int, p Mixer) Mixer {
		if a, ok := p.(Attention); ok {
			return f(layer, a)
		}
		return p
	})
}

// MapMixers replaces every mixer by what f returns for it; those of a Parallel are replaced one
// by one.
func (m *Model) MapMixers(f func(layer int, p Mixer) Mixer) {
	for i := range m.Layers {
		m.Layers[i].Mixer = mapParts(m.Layers[i].Mixer, func(p Mixer) Mixer { return f(i, p) })
	}
}

// shared reports whether a mixer stores nothing of its own, because it reads another layer's
// cache or memory or because there is no mixer.
func shared(m Mixer) bool {
	for _, p := range Parts(m) {
		r := p.Reads()
		if p.Stores() != (Storage{}) || r.Cache == 0 && r.Memory == 0 {
			return false
		}
	}
	return true
}

// CrossDecoder returns the first layer of the cross-decoder, and whether there is one. From that
// layer on, every mixer reads another layer's cache or memory or is absent, and at least one
// mixer is there. A prefill needs these layers for the last position only (paper §2). Layers
// without a mixer just before the first one that reads count as part of it, since it is right to
// compute them for the last position only.
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

// MemoryWidth returns how wide the memory of a kind is that layer i gives to others, 0 where it
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

// DefaultMemory returns which memory of layer i a GMU gates unless told otherwise: that of its
// scan, or the inner output of its attention, or the linear branch of its MLP, or the output of
// its mixer.
func (m *Model) DefaultMemory(i int) MemoryKind {
	for _, k := range MemoryKinds() {
		if m.MemoryWidth(i, k) > 0 {
			return k
		}
	}
	return ScanMemory
}
