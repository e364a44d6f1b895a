// Package execution names the ways in which an engine runs a model, where engines differ
// and the difference costs. costmodel prices each way and kernels runs it.
package execution

import (
	"fmt"
	"slices"
	"strings"
)

// KVRead says how often an attention kernel reads the KV cache.
type KVRead uint8

// The ways to read.
const (
	// Packed reads each K and V row once for all query heads of its group.
	Packed KVRead = iota
	// PerQueryHead reads it once per query head: heads/kv_heads times.
	PerQueryHead
	// PackedUnlessWindowed is PerQueryHead on layers that have or declare a window, as
	// FlashAttention-2's decode path was in vLLM 0.7.3 (its issue 1564).
	PackedUnlessWindowed
	// Unsplit is PerQueryHead by FlashAttention-2's varlen call over pages, which does not share a
	// sequence's keys among blocks: few long sequences leave most of a GPU idle. It moves
	// the same bytes; only calibrated times tell the two apart.
	Unsplit
	// UnsplitIfWindowed is Unsplit on layers that have or declare a window, packed on others, as vLLM's
	// V1 engine runs FlashAttention-2.
	UnsplitIfWindowed
)

var kvReadNames = []string{"packed", "per_query_head", "packed_unless_windowed", "unsplit", "unsplit_if_windowed"}

func (k KVRead) String() string { return kvReadNames[k] }

// PerQueryHead reports whether a layer is read once per query head; windowed says
// whether it has or declares a window.
func (k KVRead) PerQueryHead(windowed bool) bool {
	return k == PerQueryHead || k == Unsplit || (k == PackedUnlessWindowed || k == UnsplitIfWindowed) && windowed
}

// KeysUnsplit reports whether layers that are read per query head leave the keys of a sequence to one
// block for each head.
func (k KVRead) KeysUnsplit() bool { return k == Unsplit || k == UnsplitIfWindowed }

// DiffKernel says how differential attention runs.
type DiffKernel uint8

// The kernels.
const (
	Fused    DiffKernel = iota // K and V are read once
	FourPass                   // four plain passes: K and V are each read twice (paper's vLLM build)
)

var diffNames = []string{"fused", "four_pass"}

func (d DiffKernel) String() string { return diffNames[d] }

// DeltaKernel says whose kernels run the gated delta rule.
type DeltaKernel uint8

// The libraries.
const (
	// AutoDelta takes what vLLM takes for prompts: FlashInfer's kernel on Hopper and Blackwell,
	// flash-linear-attention's elsewhere (vLLM's pull request 40717).
	AutoDelta DeltaKernel = iota
	FlashInfer
	FLA // flash-linear-attention, and causal-conv1d in front of it
)

var deltaNames = []string{"auto", "flashinfer", "fla"}

func (d DeltaKernel) String() string { return deltaNames[d] }

// On returns the library that runs on a device of an architecture, named as hardware profiles name
// it: FlashInfer or FLA.
func (d DeltaKernel) On(arch string) DeltaKernel {
	if d != AutoDelta {
		return d
	}
	if arch == "hopper" || arch == "blackwell" {
		return FlashInfer
	}
	return FLA
}

// PrefillMode says whether a prefill leaves the cross-decoder out for all positions but
// the last.
type PrefillMode uint8

// The modes.
const (
	Skip PrefillMode = iota // as the architecture allows (paper §2)
	Full                    // engines that run every layer over the whole prompt
)

var prefillNames = []string{"skip", "full"}

func (p PrefillMode) String() string { return prefillNames[p] }

// CacheMode says how much of a windowed layer's cache an engine stores. It does not change
// what runs: the window is all that is read.
type CacheMode uint8

// The modes.
const (
	Ring       CacheMode = iota // the window: older rows are overwritten
	FullWindow                  // every row, where windowed layers have no cache of their own kind
)

var cacheNames = []string{"ring", "full_window"}

func (c CacheMode) String() string { return cacheNames[c] }

// CacheModes lists the cache modes.
func CacheModes() []string { return slices.Clone(cacheNames) }

// ParseCacheMode reads ring or full_window, with _ or -.
func ParseCacheMode(s string) (CacheMode, error) {
	v, err := parseName("cache", s, cacheNames)
	return CacheMode(v), err
}

// KVReads lists the ways to read a cache.
func KVReads() []string { return slices.Clone(kvReadNames) }

// DiffKernels lists the kernels of differential attention.
func DiffKernels() []string { return slices.Clone(diffNames) }

// DeltaKernels lists whose kernels may run the gated delta rule.
func DeltaKernels() []string { return slices.Clone(deltaNames) }

// PrefillModes lists the prefill modes.
func PrefillModes() []string { return slices.Clone(prefillNames) }

// ParseKVRead reads one of KVReads, with _ or -.
func ParseKVRead(s string) (KVRead, error) {
	v, err := parseName("kv-read", s, kvReadNames)
	return KVRead(v), err
}

// ParseDiffKernel reads fused or four_pass, with _ or -.
func ParseDiffKernel(s string) (DiffKernel, error) {
	v, err := parseName("diff-kernel", s, diffNames)
	return DiffKernel(v), err
}

// ParseDeltaKernel reads auto, flashinfer or fla.
func ParseDeltaKernel(s string) (DeltaKernel, error) {
	v, err := parseName("delta-kernel", s, deltaNames)
	return DeltaKernel(v), err
}

// ParsePrefillMode reads skip or full.
func ParsePrefillMode(s string) (PrefillMode, error) {
	v, err := parseName("prefill", s, prefillNames)
	return PrefillMode(v), err
}

func parseName(what, s string, names []string) (uint8, error) {
	n := strings.ReplaceAll(strings.ToLower(s), "-", "_")
	for i, v := range names {
		if v == n {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("%s %q is not one of %s", what, s, strings.Join(names, ", "))
}
