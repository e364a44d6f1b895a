package arch

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/internal/plain"
)

// maxParams is the largest number of parameters: with more, counts would no longer fit into 64
// bits when the model is priced, and a size is a typing error.
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

// Check returns an error for the first thing that is wrong with the model: a size, or a reference
// to a layer that is later, missing or of the wrong kind. A model without an error can be
// counted, priced and executed.
func (m *Model) Check() error {
	if err := plain.Name("its name", m.Name); err != nil {
		return err
	}
	for _, n := range m.Notes {
		if err := plain.Check("a note", strings.ReplaceAll(n, "\n", " ")); err != nil {
			return err
		}
	}
	if err := positive("width", m.Width, "vocab", m.Vocab); err != nil {
		return err
	}
	if m.Positions < 0 || m.Positions > MaxDimension {
		return fmt.Errorf("positions %d is not from 0 to %d", m.Positions, MaxDimension)
	}
	if m.MTP < 0 || m.MTP > MaxLayers {
		return fmt.Errorf("mtp %d is not from 0 to %d", m.MTP, MaxLayers)
	}
	if !(m.LogitCap >= 0) {
		return fmt.Errorf("logit_cap %g is not 0 or more", m.LogitCap)
	}
	if err := m.LayerInput.check(); err != nil {
		return err
	}
	if err := m.checkStreams(); err != nil {
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
		if l.Block.Parallel() && (l.Mixer == nil || l.FFN == nil) {
			return fmt.Errorf("layer %d: a %s block needs both a mixer and an ffn", i, l.Block)
		}
		if l.Block == SideInput && len(Parts(l.Mixer)) < 2 {
			return fmt.Errorf("layer %d: a %s block needs parallel mixers: one, and those that it feeds", i, l.Block)
		}
		for _, mx := range Parts(l.Mixer) {
			if err := listed(mx); err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
			if err := mx.Check(m.Width); err != nil {
				return fmt.Errorf("layer %d (%s): %w", i, mx.Kind(), err)
			}
			if err := m.checkRefs(i, mx); err != nil {
				return err
			}
		}
		if p, ok := l.Mixer.(Parallel); ok {
			if err := p.Check(m.Width); err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
		}
		if l.FFN != nil {
			if err := listed(l.FFN); err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
			if err := l.FFN.Check(m.Width); err != nil {
				return fmt.Errorf("layer %d (%s): %w", i, l.FFN.Kind(), err)
			}
			if l.Deferred() && i == len(m.Layers)-1 {
				return fmt.Errorf("layer %d (%s): its experts are added behind the next layer, and it is the last", i, l.FFN.Kind())
			}
		}
	}
	if n := m.approximateParams(); n > maxParams {
		return fmt.Errorf("the sizes make %.1e parameters, more than %.0e", n, maxParams)
	}
	return nil
}

func (m *Model) checkRefs(i int, mx Mixer) error {
	r := mx.Reads()
	if s, ok := r.Cache.Layer(); ok {
		if s >= i || s < 0 {
			return fmt.Errorf("layer %d (cross-attention) reads the cache of layer %d, which is not before it", i, s)
		}
		owner := CacheOwner(m.Layers[s].Mixer)
		if owner == nil {
			return fmt.Errorf("layer %d (cross-attention) reads the cache of layer %d, which stores none", i, s)
		}
		if err := mx.(CacheReader).fitsCache(owner); err != nil {
			return fmt.Errorf("layer %d (cross-attention) %w (owner: layer %d)", i, err, s)
		}
	}
	if s, ok := r.Weights.Layer(); ok {
		if s >= i || s < 0 {
			return fmt.Errorf("layer %d (%s) uses the weights of layer %d, which is not before it", i, mx.Kind(), s)
		}
		if owner, _ := WeightOwner(m.Layers[s].Mixer); owner == nil || Detached(owner) != Detached(mx) {
			return fmt.Errorf("layer %d (%s) uses the weights of layer %d, which has none of the same shapes", i, mx.Kind(), s)
		}
	}
	if s, ok := r.Picks.Layer(); ok {
		if s >= i || s < 0 {
			return fmt.Errorf("layer %d (%s) takes over the picks of layer %d, which is not before it", i, mx.Kind(), s)
		}
		owner := PickOwner(m.Layers[s].Mixer)
		if owner == nil {
			return fmt.Errorf("layer %d (%s) takes over the picks of layer %d, which has no indexer", i, mx.Kind(), s)
		}
		if err := mx.(PickReader).fitsPicks(owner); err != nil {
			return fmt.Errorf("layer %d (%s) %w (by layer %d)", i, mx.Kind(), err, s)
		}
	}
	if mx, ok := mx.(MemoryReader); ok {
		s, ok := r.Memory.Layer()
		if !ok {
			return fmt.Errorf("layer %d (%s) has no memory layer", i, mx.Kind())
		}
		if s >= i || s < 0 {
			return fmt.Errorf("layer %d (%s) reads the memory of layer %d, which is not before it", i, mx.Kind(), s)
		}
		if err := mx.fitsMemory(m.MemoryWidth(s, r.Kind)); err != nil {
			return fmt.Errorf("layer %d (%s) %w (memory of layer %d)", i, mx.Kind(), err, s)
		}
	}
	return nil
}
