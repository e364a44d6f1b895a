package arch

import "fmt"

// tinyWidth is the width of a tiny twin.
const tinyWidth = 64

// tinySizes is the largest value of some fields of mixers and FFNs in a tiny model; other fields
// are at most 16. Only divisors of the real size are used, so that what could be divided evenly
// still can.
var tinySizes = map[string]int{
	"kv_heads": 2, "k_heads": 2, "groups": 2, "head_dim": 16, "k_dim": 16, "v_dim": 16, "d_state": 16, "d_conv": 8, "dt_rank": 4,
	"d_inner": 96, "inner": 96, "shared_inner": 64, "experts": 8, "top_k": 4, "window": 8, "declared_window": 1 << 30,
	"stream": tinyWidth,
}

// tinyRatios lists fields that must remain whole multiples of others, such as the heads of their
// groups.
var tinyRatios = map[string][]string{"heads": {"kv_heads", "groups"}, "v_heads": {"k_heads"}}

// Tiny returns a model with the same layers in the same order that is small enough to execute
// anywhere. It reads the same caches and memories, and each part has the same options. A part
// whose sizes cannot shrink together is an error.
func Tiny(m *Model) (*Model, error) {
	t := m.Clone()
	t.Name = m.Name + " (tiny)"
	t.Width, t.Vocab = tinyWidth, min(m.Vocab, 160)
	t.Positions = min(m.Positions, 256)
	t.MaxContext = min(m.MaxContext, 256)
	for i := range t.Layers {
		l := &t.Layers[i]
		l.Mixer = mapParts(l.Mixer, func(p Mixer) Mixer { return p.edit(shrink) })
		if l.FFN != nil {
			l.FFN = l.FFN.edit(shrink)
			if f, ok := l.FFN.(MoE); ok {
				f.Routing.Groups, f.Routing.TopGroups = 0, 0
				l.FFN = f
			}
		}
	}
	for i := range t.Layers {
		l := &t.Layers[i]
		l.Mixer = mapParts(l.Mixer, func(p Mixer) Mixer {
			g, ok := p.(MemoryReader)
			if !ok {
				return p
			}
			r := g.Reads()
			from, _ := r.Memory.Layer()
			return g.readingMemory(r.Memory, r.Kind, t.MemoryWidth(from, r.Kind))
		})
	}
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("%s has no tiny twin: %w", m.Name, err)
	}
	return t, nil
}

// shrink makes the sizes of a mixer or FFN small.
func shrink(fields []Field) {
	before := map[string]int{}
	at := map[string]*int{}
	for _, f := range fields {
		if p, ok := f.Value.(*int); ok && !f.InputOnly {
			before[f.Key], at[f.Key] = *p, p
		}
	}
	for key, p := range at {
		if _, ok := tinyRatios[key]; !ok {
			largest := 16
			if n, ok := tinySizes[key]; ok {
				largest = n
			}
			*p = divisor(before[key], largest)
		}
	}
	for key, of := range tinyRatios {
		p, ok := at[key]
		if !ok {
			continue
		}
		*p = divisor(before[key], 4)
		for _, o := range of {
			if q, ok := at[o]; ok && before[o] > 0 {
				*p = *q * divisor(before[key]/before[o], 4)
			}
		}
	}
	if p, ok := at["rotary_dim"]; ok && before["head_dim"] > 0 {
		*p = before["rotary_dim"] * *at["head_dim"] / before["head_dim"] &^ 1
	}
	if k, ok := at["top_k"]; ok {
		*k = min(*k, *at["experts"])
	}
}

// divisor returns the largest divisor of n that is at most most; 0 is returned as it is.
func divisor(n, most int) int {
	for d := min(n, most); d > 1; d-- {
		if n%d == 0 {
			return d
		}
	}
	return min(n, 1)
}
