package arch

import "slices"

// Clone returns a copy, so that changing its layers or notes does not change m. Mixers and FFNs
// are values, and therefore copied too.
func (m *Model) Clone() *Model {
	c := *m
	c.Notes = slices.Clone(m.Notes)
	c.Layers = slices.Clone(m.Layers)
	return &c
}
