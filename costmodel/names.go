package costmodel

import (
	"slices"

	"ridgeline/precision"
)

// Fidelities lists the fidelities, coarsest first.
func Fidelities() []string { return slices.Clone(fidelityNames) }

// KVReads lists the ways to read a cache.
func KVReads() []string { return slices.Clone(kvReadNames) }

// DiffKernels lists the kernels of differential attention.
func DiffKernels() []string { return slices.Clone(diffNames) }

// PrefillModes lists the prefill modes.
func PrefillModes() []string { return slices.Clone(prefillNames) }

// ComputeFallback says whether matrix products run in another format than the
// activations are kept in because the device cannot compute in theirs, and nobody asked
// for a format.
func (c *Compiled) ComputeFallback() (wanted, used precision.DType, fell bool) {
	return c.f.act, c.f.compute, c.Options.Compute == precision.Unset && c.f.act != c.f.compute
}
