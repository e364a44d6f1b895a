package layouts

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

// Each makes small models of every kind of mixer and FFN there is, from their lists of
// fields alone: with the defaults, with every flag turned over, and, where a kind can
// read another layer's cache, with a layer that does.
func Each() ([]*arch.Model, error) {
	const width = 64
	var all []*arch.Model
	add := func(name string, layers ...arch.Layer) error {
		m := &arch.Model{Name: name, Width: width, Vocab: 23, Layers: layers}
		if err := m.Check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, m)
		return nil
	}
	scan := arch.Mamba1{DInner: 16, DState: 4, DConv: 4, DtRank: 4}
	for _, k := range arch.MixerKinds() {
		for _, flags := range []bool{false, true} {
			name := k.Name
			if flags {
				name += " with every flag turned over"
			}
			mx := arch.EditFields(k.Blank, func(fields []arch.Field) { fill(fields, width, flags) })
			if g, ok := mx.(arch.MemoryReader); ok {
				kind, wide := arch.ScanMemory, scan.DInner
				if g.Chains() {
					kind, wide = arch.OutputMemory, width
				}
				if err := add(name, arch.Layer{Mixer: scan}, arch.Layer{Mixer: arch.ReadingMemory(g, arch.To(0), kind, wide)}); err != nil {
					return nil, err
				}
				continue
			}
			if err := add(name, arch.Layer{Mixer: mx}); err != nil {
				return nil, err
			}
			if again, ok := arch.UsingWeights(mx, arch.To(0)); ok {
				l := arch.Layer{Mixer: arch.Parallel{Mixers: []arch.Mixer{again, scan}}, Block: arch.SideInput}
				if err := add(name+", weights used again", arch.Layer{Mixer: mx}, l, l); err != nil {
					return nil, err
				}
			}
			if cross, ok := arch.ReadingCache(mx, arch.To(0)); ok {
				if err := add(name+", shared", arch.Layer{Mixer: mx}, arch.Layer{Mixer: cross}); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, k := range arch.FFNKinds() {
		for _, flags := range []bool{false, true} {
			name := k.Name
			if flags {
				name += " with every flag turned over"
			}
			f := arch.EditFFNFields(k.Blank, func(fields []arch.Field) { fill(fields, width, flags) })
			layers := []arch.Layer{{FFN: f}}
			if layers[0].Deferred() {
				layers = append(layers, arch.Layer{FFN: arch.MLP{Inner: 4, Gated: true}})
			}
			if err := add(name, layers...); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// fill gives every field its default, those without one 4, and turns over the flags; those that
// say how a window works need one.
func fill(fields []arch.Field, width int, flags bool) {
	for _, f := range fields {
		if f.Default == nil {
			f.Set(4)
		}
	}
	for _, f := range fields {
		if f.Default == nil || f.InputOnly {
			continue
		}
		if v := f.Default(width); !isError(v) {
			f.Set(v)
		}
		if b, ok := f.Value.(*bool); ok && flags {
			*b = !*b
		}
		if f.Key == "window" && flags {
			f.Set(4)
		}
	}
}

func isError(v any) bool {
	_, ok := v.(error)
	return ok
}

// anyKind draws a mixer of any kind that reads no other layer, from its list of fields
// alone, nil where the numbers drawn do not make one.
func anyKind(n Draw, width int) arch.Mixer {
	kinds := arch.MixerKinds()
	blank := kinds[n("kind", 0, len(kinds)-1)].Blank
	if _, reads := blank.(arch.MemoryReader); reads {
		return nil
	}
	mx := arch.EditFields(blank, func(fields []arch.Field) {
		for _, f := range fields {
			switch p := f.Value.(type) {
			case *int:
				*p = n(f.Key, 1, 4)
			case *bool:
				*p = n(f.Key, 0, 1) == 1
			}
		}
	})
	if mx.Check(width) != nil {
		return nil
	}
	return mx
}
