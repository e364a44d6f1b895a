package arch

import "slices"

// Clone returns a copy: changing its layers or notes leaves m as it was. Mixers and FFNs
// are values, so the copy has its own.
func (m *Model) Clone() *Model {
	c := *m
	c.Notes = slices.Clone(m.Notes)
	c.Layers = slices.Clone(m.Layers)
	return &c
}
