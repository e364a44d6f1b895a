// Package hardware describes the devices that decoders run on: peak arithmetic rates, bandwidth
// and capacity of the memory, links between devices. Each figure names the datasheet that it is
// from.
//
// Units: bytes, bytes/second, FLOP/second (a multiply-add counts as 2), watts. Peaks are dense,
// without structured sparsity.
package hardware

import (
	"github.com/OWNER/ridgeline/precision"
)

// Figure is a number with its source.
type Figure struct {
	Value  float64 `yaml:"value" json:"value"`
	Source string  `yaml:"source" json:"source"` // a key of Profile.Sources
}

// Profile describes one accelerator, or the CPU of this machine.
type Profile struct {
	Name   string `yaml:"name" json:"name"`     // as --on takes it: "a100-80gb"
	Title  string `yaml:"title" json:"title"`   // "NVIDIA A100-SXM4-80GB"
	Vendor string `yaml:"vendor" json:"vendor"` // "NVIDIA"
	Arch   string `yaml:"arch" json:"arch"`     // "ampere": relatives share kernels

	// Peak is the dense peak rate in FLOP/s for each format. The device cannot compute in a
	// format that is absent.
	Peak map[precision.DType]Figure `yaml:"peak_flops" json:"peak_flops"`

	// SustainedFLOPS is the highest rate in FLOP/s of matrix products of 16 bits under continued
	// load, when the clock has fallen to what the power limit allows; 0 where nobody measured it.
	SustainedFLOPS Figure `yaml:"sustained_flops,omitempty" json:"sustained_flops,omitzero"`

	MemoryBandwidth Figure `yaml:"memory_bandwidth" json:"memory_bandwidth"` // bytes/s
	MemoryCapacity  Figure `yaml:"memory_capacity" json:"memory_capacity"`   // bytes
	Cache           Figure `yaml:"cache" json:"cache"`                       // size of the last-level cache, bytes
	// CacheBandwidth is the rate at which all units together read from the last-level cache, in
	// bytes/s; 0 where no source gives one. A kernel reads at this rate what it has read before.
	CacheBandwidth Figure `yaml:"cache_bandwidth,omitempty" json:"cache_bandwidth,omitzero"`
	Units          Figure `yaml:"units" json:"units"` // number of SMs, CUs or cores

	// LinkBandwidth is the rate at which a device sends to its peers, in bytes/s and one
	// direction; 0 where the device has no links of its own.
	LinkBandwidth Figure `yaml:"link_bandwidth" json:"link_bandwidth"`
	MaxLinked     Figure `yaml:"max_linked" json:"max_linked"` // largest number of devices that such links connect
	// NodeSize is how many devices of one machine reach each other over the links at the rate of link_bandwidth.
	NodeSize Figure `yaml:"node_size,omitempty" json:"node_size,omitzero"`
	// NetworkBandwidth is the rate at which each device sends to devices of other machines while
	// all devices do so, in bytes/s and one direction.
	NetworkBandwidth Figure `yaml:"network_bandwidth,omitempty" json:"network_bandwidth,omitzero"`
	// NetworkLatency is the time that a message is on its way to a device of another machine, beside that of its
	// bytes, in seconds; 0 where no source gives one.
	NetworkLatency Figure `yaml:"network_latency,omitempty" json:"network_latency,omitzero"`
	TDP            Figure `yaml:"tdp" json:"tdp"` // watts

	// Sources names every datasheet that the figures cite.
	Sources map[string]string `yaml:"sources,omitempty" json:"sources,omitempty"`
	// Notes are what a reader should know, such as boost clocks and caveats of the vendor.
	Notes []string `yaml:"notes,omitempty" json:"notes,omitempty"`
	// Reach is the share of the memory bandwidth that each kind of kernel reaches, such as 0.8 for
	// attention. Only the command "hardware measure" fills it in.
	Reach map[string]Figure `yaml:"reach,omitempty" json:"reach,omitempty"`
	// CallSeconds is the fixed time that a kernel call takes, in seconds. Only the command
	// "hardware measure" fills it in.
	CallSeconds Figure `yaml:"call_seconds,omitempty" json:"call_seconds,omitzero"`
}

// Node returns how many devices the fast links connect: NodeSize, or MaxLinked where that is not
// known, or 0 where neither is.
func (p *Profile) Node() int {
	if p.NodeSize.Value > 0 {
		return int(p.NodeSize.Value)
	}
	return int(min(p.MaxLinked.Value, mostLinked))
}

// mostLinked is the largest number of devices that a profile may give: a larger one is taken for
// a typing error.
const mostLinked = 1 << 16
