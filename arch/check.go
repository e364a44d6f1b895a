package arch

import "fmt"

// maxParams bounds a model: past it the count no longer fits 64 bits with room to price it,
// and a size is a typing error.
const maxParams = 1e15

// positive checks name, value pairs: each value from 1 to MaxDimension.
func positive(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		name, v := pairs[i].(string), pairs[i+1].(int)
		if v <= 0 {
			return fmt.Errorf("%s must be positive, is %d", name, v)
		}
		if v > MaxDimension {
			return fmt.Errorf("%s %d is more than %d", name, v, MaxDimension)
		}
	}
	return nil
}

// Check reports the first thing wrong with the model: sizes, and references to
// layers that are later, missing or of the wrong kind. A model that passes can be
// counted, priced and executed.
func (m *Model) Check() error {
	if err := positive("width", m.Width, "vocab", m.Vocab); err != nil {
		return err
	}
	if len(m.Layers) == 0 {
		return fmt.Errorf("the model has no layers")
	}
	if len(m.Layers) > MaxLayers {
		return fmt.Errorf("%d layers: more than %d", len(m.Layers), MaxLayers)
	}
	for i, l := range m.Layers {
		if l.Mixer == nil && l.FFN == nil {
			return fmt.Errorf("layer %d has neither mixer nor ffn", i)
		}
		for _, mx := range Parts(l.Mixer) {
			if err := mx.Check(m.Width); err != nil {
				return fmt.Errorf("layer %d (%s): %w", i, mx.Kind(), err)
			}
			if err := m.checkRefs(i, mx); err != nil {
				return err
			}
		}
		if p, ok := l.Mixer.(*Parallel); ok {
			if err := p.Check(m.Width); err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
		}
		if l.FFN != nil {
			if err := l.FFN.Check(m.Width); err != nil {
				return fmt.Errorf("layer %d (%s): %w", i, l.FFN.Kind(), err)
			}
		}
	}
	if n := m.approximateParams(); n > maxParams {
		return fmt.Errorf("the sizes make %.1e parameters, more than %.0e", n, maxParams)
	}
	return nil
}

// Parts returns the mixers of a layer: the parts of a Parallel, the mixer itself,
// or nothing for nil.
func Parts(m Mixer) []Mixer {
	switch m := m.(type) {
	case nil:
		return nil
	case *Parallel:
		return m.Mixers
	}
	return []Mixer{m}
}

func (m *Model) checkRefs(i int, mx Mixer) error {
	switch mx := mx.(type) {
	case *Attention:
		s, ok := mx.KVSource.Layer()
		if !ok {
			return nil
		}
		if s >= i || s < 0 {
			return fmt.Errorf("layer %d (cross-attention) reads the cache of layer %d, which is not before it", i, s)
		}
		owner := cacheOwner(m.Layers[s].Mixer)
		if owner == nil {
			return fmt.Errorf("layer %d (cross-attention) reads the cache of layer %d, which stores none", i, s)
		}
		if owner.KVHeads != mx.KVHeads || owner.HeadDim != mx.HeadDim || owner.Differential != mx.Differential {
			return fmt.Errorf("layer %d (cross-attention) has kv_heads %d × head_dim %d, the cache of layer %d %d × %d (differential must agree too)",
				i, mx.KVHeads, mx.HeadDim, s, owner.KVHeads, owner.HeadDim)
		}
		if owner.Window > 0 && (mx.Window == 0 || mx.Window > owner.Window) {
			return fmt.Errorf("layer %d (cross-attention) sees further than the window of %d that layer %d keeps", i, owner.Window, s)
		}
	case *GMU:
		s, ok := mx.Memory.Layer()
		if !ok {
			return fmt.Errorf("layer %d (%s) has no memory layer", i, mx.Kind())
		}
		if s >= i || s < 0 {
			return fmt.Errorf("layer %d (%s) reads the memory of layer %d, which is not before it", i, mx.Kind(), s)
		}
		if w := m.MemoryWidth(s, mx.From); w != mx.DMem {
			return fmt.Errorf("layer %d (%s) has d_mem %d, but the memory of layer %d is %d wide", i, mx.Kind(), mx.DMem, s, w)
		}
	}
	return nil
}

func cacheOwner(m Mixer) *Attention {
	for _, p := range Parts(m) {
		if a, ok := p.(*Attention); ok && !a.Cross() {
			return a
		}
	}
	return nil
}

// MemoryWidth is the width of what layer i hands on as memory of a kind, 0 if it
// has none.
func (m *Model) MemoryWidth(i int, kind MemoryKind) int {
	l := m.Layers[i]
	switch kind {
	case ScanMemory:
		for _, p := range Parts(l.Mixer) {
			switch p := p.(type) {
			case *Mamba1:
				return p.DInner
			case *Mamba2:
				return p.DInner()
			case *GatedDeltaNet:
				return p.DValue()
			}
		}
	case AttentionMemory:
		for _, p := range Parts(l.Mixer) {
			if a, ok := p.(*Attention); ok {
				return a.Inner()
			}
		}
	case MLPMemory:
		if f, ok := l.FFN.(*MLP); ok && f.Gated {
			return f.Inner
		}
	case OutputMemory:
		if l.Mixer != nil {
			return m.Width
		}
	}
	return 0
}
