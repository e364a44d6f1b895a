package costmodel

import (
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
)

// UsualOn is the fidelity of a device where nobody asks for one: calibrated where kernels were
// measured on it or on a GPU of its architecture, or where own, a calibration of one's own, is
// given; else roofline. Models are never asked, so that a design compared with others is
// priced as it is alone.
func UsualOn(hw *hardware.Profile, own *kerneltime.Profile) Fidelity {
	if own != nil || kerneltime.HasRelative(hw) {
		return Calibrated
	}
	return Roofline
}

// Fidelity is the fidelity that At prices with: f itself, and for Usual the device's.
func (c *Compiled) Fidelity(f Fidelity) Fidelity {
	if f == Usual {
		return UsualOn(c.Hardware, c.Options.Calibration)
	}
	return f
}
