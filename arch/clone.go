package arch

import "slices"

// Clone returns a deep copy: changing it leaves m as it was.
func (m *Model) Clone() *Model {
	c := *m
	c.Notes = slices.Clone(m.Notes)
	c.Layers = slices.Clone(m.Layers)
	for i := range c.Layers {
		l := &c.Layers[i]
		l.Mixer, l.FFN = cloneMixer(l.Mixer), cloneFFN(l.FFN)
	}
	return &c
}

func cloneMixer(m Mixer) Mixer {
	switch m := m.(type) {
	case *Attention:
		c := *m
		return &c
	case *Mamba1:
		c := *m
		return &c
	case *Mamba2:
		c := *m
		return &c
	case *GatedDeltaNet:
		c := *m
		return &c
	case *GMU:
		c := *m
		return &c
	case *Parallel:
		c := Parallel{Mixers: slices.Clone(m.Mixers)}
		for i := range c.Mixers {
			c.Mixers[i] = cloneMixer(c.Mixers[i])
		}
		return &c
	}
	return m
}

func cloneFFN(f FFN) FFN {
	switch f := f.(type) {
	case *MLP:
		c := *f
		return &c
	case *MoE:
		c := *f
		return &c
	}
	return f
}
