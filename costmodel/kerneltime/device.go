package kerneltime

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

// formats is how many number formats have curves of their own: formats with 16 bits and with 8
// bits.
const formats = 2

// Device holds what a physical model needs to know about a GPU. These are figures from datasheets
// only, so that curves fitted on one GPU can be applied to another.
type Device struct {
	Arch      string           `yaml:"arch"`
	Peak      [formats]float64 `yaml:"peak_flops"` // dense FLOP/s in 16 bits, and in 8 bits
	Bandwidth float64          `yaml:"bandwidth"`  // of the memory, bytes/s
	Cache     float64          `yaml:"cache"`      // size of the last-level cache, bytes
	Units     float64          `yaml:"units"`      // number of SMs
	Link      float64          `yaml:"link"`       // to other devices, bytes/s in one direction; 0 for no links
}

// NewDevice takes the figures of a datasheet. Where the datasheet lacks one, it takes that of a
// generic accelerator of the same bandwidth: 8 bits no faster than 16, 100 units, 32 MiB of
// cache.
func NewDevice(hw *hardware.Profile) Device {
	d := Device{
		Arch: hw.Arch, Bandwidth: hw.MemoryBandwidth.Value, Cache: hw.Cache.Value,
		Units: hw.Units.Value, Link: hw.LinkBandwidth.Value,
	}
	d.Peak[0] = max(hw.Peak[precision.BF16].Value, hw.Peak[precision.FP16].Value)
	if d.Peak[0] == 0 {
		d.Peak[0] = max(hw.Peak[precision.TF32].Value, hw.Peak[precision.FP32].Value)
	}
	d.Peak[1] = max(hw.Peak[precision.FP8].Value, hw.Peak[precision.INT8].Value, d.Peak[0])
	if d.Units == 0 {
		d.Units = 100
	}
	if d.Cache == 0 {
		d.Cache = 32 << 20
	}
	return d
}

// blend returns the time of two kinds of work that overlap imperfectly: the longer time where it
// is much longer, and up to 19 % more than the longer where both are equal,
//
//	(a⁴ + b⁴)^(1/4)
func blend(a, b float64) float64 {
	a, b = a*a, b*b
	return math.Sqrt(math.Sqrt(a*a + b*b))
}

// formatOf returns which curves a number format uses: 1 for formats whose products run at the
// rate for 8 bits, 0 for others. Weights in fewer bits are widened to 16 bits when they are read,
// so that their products run at the rate for 16 bits.
func formatOf(d precision.DType) int {
	if d == precision.FP8 || d == precision.INT8 {
		return 1
	}
	return 0
}

// check returns an error for a device for which no times could be computed.
func (d *Device) check() error {
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"peak_flops", min(d.Peak[0], d.Peak[1])}, {"bandwidth", d.Bandwidth}, {"cache", d.Cache}, {"units", d.Units},
	} {
		if !(f.value > 0 && f.value < 1e30) {
			return fmt.Errorf("device: %s is %g, want positive", f.name, f.value)
		}
	}
	return nil
}
