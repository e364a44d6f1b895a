// Package ridgeline says what a token costs on a decoder of a large language model, on a
// device, and why.
//
// It is a simulator of architectures and a model of their input and output: hybrids such as
// SambaY with its Gated Memory Units, Transformers, Mamba and Gated DeltaNet models, with
// every FLOP and byte of every operation counted, priced on datasheets or on measured
// kernels, and held against an execution that counts for itself.
//
// The command is cmd/ridgeline. Programs use the rooms below this one. Three make a price:
//
//	models     a model from a preset, a family's spec, a model file or a Hugging Face config
//	hardware   a device from its datasheet
//	costmodel  both, compiled: times, bytes, memory, the largest batch that fits
//
// Upon these, sweep runs grids of designs, scaling makes models equal, serving simulates a
// serving engine under load, claims and advise hold designs against published ones, and
// study returns what a figure shows as plain numbers. docs/architecture.md has all rooms.
//
// Everywhere: seconds, bytes, FLOPs (a multiply and an add are two) and tokens; lengths are
// positions of one sequence; a batch is sequences that run together.
package ridgeline
