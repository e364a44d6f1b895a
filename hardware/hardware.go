// Package hardware holds what a decoder runs on: peak arithmetic rates, memory
// bandwidth and capacity, interconnect, each figure with the datasheet it is from.
//
// Units: bytes, bytes/second, FLOP/second (a multiply-add is 2), watts. Peaks are
// dense: no structured sparsity.
package hardware

import (
	"github.com/OWNER/ridgeline/precision"
)

// Figure is a number and where it is from.
type Figure struct {
	Value  float64 `yaml:"value" json:"value"`
	Source string  `yaml:"source" json:"source"` // a key of Profile.Sources
}

// Profile describes one accelerator (or the host CPU).
type Profile struct {
	Name   string `yaml:"name" json:"name"`     // as --on takes it: "a100-80gb"
	Title  string `yaml:"title" json:"title"`   // "NVIDIA A100-SXM4-80GB"
	Vendor string `yaml:"vendor" json:"vendor"` // "NVIDIA"
	Arch   string `yaml:"arch" json:"arch"`     // "ampere": relatives share kernels

	// Peak is the dense FLOP/s by compute format; a format absent is one the device
	// cannot compute in.
	Peak map[precision.DType]Figure `yaml:"peak_flops" json:"peak_flops"`

	MemoryBandwidth Figure `yaml:"memory_bandwidth" json:"memory_bandwidth"` // bytes/s
	MemoryCapacity  Figure `yaml:"memory_capacity" json:"memory_capacity"`   // bytes
	Cache           Figure `yaml:"cache" json:"cache"`                       // last-level cache, bytes
	// CacheBandwidth is what all units together read from the last-level cache, bytes/s; zero
	// where nobody says. What a kernel reads again comes from there.
	CacheBandwidth Figure `yaml:"cache_bandwidth,omitempty" json:"cache_bandwidth,omitzero"`
	Units          Figure `yaml:"units" json:"units"` // SMs, CUs, cores

	// LinkBandwidth is what one device sends to its peers, bytes/s in one direction;
	// zero where the device has no fabric of its own.
	LinkBandwidth Figure `yaml:"link_bandwidth" json:"link_bandwidth"`
	MaxLinked     Figure `yaml:"max_linked" json:"max_linked"` // devices in one fabric
	// NodeSize is how many devices of one node reach each other at LinkBandwidth.
	NodeSize Figure `yaml:"node_size,omitempty" json:"node_size,omitzero"`
	// NetworkBandwidth is what each device of a node sends to devices of other nodes while all
	// of them do, bytes/s in one direction.
	NetworkBandwidth Figure `yaml:"network_bandwidth,omitempty" json:"network_bandwidth,omitzero"`
	TDP              Figure `yaml:"tdp" json:"tdp"` // watts

	// Sources names every datasheet the figures cite.
	Sources map[string]string `yaml:"sources,omitempty" json:"sources,omitempty"`
	// Notes are things a reader should know (boost clocks, vendor caveats).
	Notes []string `yaml:"notes,omitempty" json:"notes,omitempty"`
	// Reach is the fraction of MemoryBandwidth that a kind of kernel reaches; only
	// `hardware measure` fills it ("attention": 0.8).
	Reach map[string]Figure `yaml:"reach,omitempty" json:"reach,omitempty"`
	// CallSeconds is the fixed cost of one kernel call; only `hardware measure` fills it.
	CallSeconds Figure `yaml:"call_seconds,omitempty" json:"call_seconds,omitzero"`
}

// Node is how many devices share the fast link: NodeSize, else MaxLinked, 0 where neither is
// known.
func (p *Profile) Node() int {
	if p.NodeSize.Value > 0 {
		return int(p.NodeSize.Value)
	}
	return int(min(p.MaxLinked.Value, mostLinked))
}

// mostLinked bounds the devices of a node: past it a number is a typing error.
const mostLinked = 1 << 16
