// Package kernels executes decoders on the CPU in float32: every operation that
// costmodel prices, run for real, with each byte and FLOP counted at the loop that
// touches it (see Meter and docs/accounting.md).
//
// A Model is made from any small arch.Model with random or given weights; a Session
// prefills prompts and decodes token by token, all sequences of a batch together.
// Work is split over rows, heads or channels in pieces whose size depends on the
// shapes alone, so results do not depend on the number of cores.
//
// The AVX2 routines are left out with the build tag noasm, and on processors without
// AVX2 and FMA.
package kernels
