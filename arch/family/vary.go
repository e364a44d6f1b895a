package family

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/units"
)

// Adjustable lists what Adjust can change in a model that no family built: the share of GMUs in
// its cross-decoder, and sizes, which change in all layers that have them.
func Adjustable() []string {
	return append([]string{"gmu_ratio"}, sizesOfLayers...)
}

var sizesOfLayers = []string{"window", "kv_heads", "head_dim", "d_state"}

// Adjust returns a copy of m in which one option of family specs is changed in every layer that
// has it.
func Adjust(m *arch.Model, name, value string) (*arch.Model, error) {
	if name == "gmu_ratio" {
		r, err := units.ParseNumber(value)
		if err != nil {
			return nil, err
		}
		return WithGMURatio(m, r)
	}
	if !slices.Contains(sizesOfLayers, name) {
		return nil, fmt.Errorf("%s: only family specs take it (%s is none)", name, m.Name)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return nil, fmt.Errorf("%s %q: want a whole number", name, value)
	}
	out := m.Clone()
	touched := false
	out.MapMixers(func(_ int, p arch.Mixer) arch.Mixer {
		p, did := arch.Vary(p, name, n)
		touched = touched || did
		return p
	})
	if !touched {
		return nil, fmt.Errorf("%s: no layer of %s has one", name, m.Name)
	}
	if name == "window" && n <= 0 {
		return nil, fmt.Errorf("window %d: must be positive", n)
	}
	return out, out.Check()
}
