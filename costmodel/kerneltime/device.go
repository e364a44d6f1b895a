package kerneltime

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

// formats is how many number formats have curves of their own: 16-bit and 8-bit.
const formats = 2

// Device is what a physical model needs to know of a GPU: datasheet figures only, so
// that curves fitted on one can be asked about another.
type Device struct {
	Arch      string           `yaml:"arch"`
	Peak      [formats]float64 `yaml:"peak_flops"` // dense FLOP/s in 16-bit, in 8-bit
	Bandwidth float64          `yaml:"bandwidth"`  // bytes/s of memory
	Cache     float64          `yaml:"cache"`      // bytes of last-level cache
	Units     float64          `yaml:"units"`      // SMs
	Link      float64          `yaml:"link"`       // bytes/s to peers, one direction; 0 = none
}

// NewDevice reads a datasheet. Figures it lacks are those of a generic accelerator of
// the same bandwidth: 8-bit no faster than 16-bit, 100 units, 32 MiB of cache.
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

// blend joins two times that overlap imperfectly: the larger when one dominates, up
// to 19 % more where they are equal,
//
//	(a⁴ + b⁴)^(1/4)
func blend(a, b float64) float64 {
	a, b = a*a, b*b
	return math.Sqrt(math.Sqrt(a*a + b*b))
}

// formatOf returns which curves a number format uses: 1 for the formats whose products
// run at the 8-bit rate, 0 for the rest. Narrower weights are widened to 16-bit on the
// way in and so compute at its rate.
func formatOf(d precision.DType) int {
	if d == precision.FP8 || d == precision.INT8 {
		return 1
	}
	return 0
}

// check refuses a device that times could not be computed for.
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
