package crosscheck

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
)

// smallFamilies are all families at a size that runs in milliseconds, those with a
// cross-decoder at more GMU ratios.
func smallFamilies() ([]*arch.Model, error) {
	var out []*arch.Model
	for _, f := range family.Families() {
		m, err := family.Build(f.Name, family.Options{Depth: 8, Width: 32, Heads: 4, KVHeads: 2, HeadDim: 8, Vocab: 61})
		if err != nil {
			return nil, fmt.Errorf("crosscheck: %w", err)
		}
		shrink(m)
		out = append(out, m)
		if _, ok := m.GMURatio(); !ok {
			continue
		}
		for _, r := range []float64{0, 1. / 3, 1} {
			if v, err := family.WithGMURatio(m, r); err == nil { // some families have one ratio
				v.Name = fmt.Sprintf("%s gmu_ratio %.2g", f.Name, r)
				out = append(out, v)
			}
		}
	}
	return out, nil
}

// shrink makes windows that a short run passes, and small states.
func shrink(m *arch.Model) {
	m.MapMixers(func(_ int, p arch.Mixer) arch.Mixer {
		return arch.EditFields(p, func(fields []arch.Field) {
			for _, f := range fields {
				if n, ok := f.Value.(*int); ok && f.Key == "window" {
					*n = min(*n, 7)
				} else if ok && f.Key == "d_state" {
					*n = min(*n, 16)
				}
			}
		})
	})
}
