// Package kernels executes decoders on the CPU in float32. It really runs every operation that
// package costmodel prices, and counts each byte and FLOP in the loop that moves or computes it
// (see Meter and docs/accounting.md).
//
// A Model is made from any small arch.Model, with random or given weights. A Session prefills
// prompts and decodes token by token, all sequences of a batch together. Work is divided by rows,
// heads or channels into pieces whose size depends on shapes alone, so that results do not depend
// on the number of cores.
//
// The AVX2 routines are left out with the build tag noasm, and on processors without AVX2 or FMA.
package kernels
