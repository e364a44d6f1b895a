package costmodel

import (
	"slices"

	"github.com/OWNER/ridgeline/precision"
)

// Fidelities lists the fidelities, coarsest first.
func Fidelities() []string { return slices.Clone(fidelityNames) }

// ComputeFallback reports whether matrix products run in another format than the activations are
// stored in: the device cannot compute in that format, and the options name no other.
func (c *Compiled) ComputeFallback() (wanted, used precision.DType, fell bool) {
	return c.f.act, c.f.compute, c.Options.Compute == precision.Unset && c.f.act != c.f.compute
}
