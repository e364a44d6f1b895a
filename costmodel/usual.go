package costmodel

import (
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
)

// UsualOn returns the fidelity used on a device when the user names none: calibrated where kernels
// were measured on the device or on a GPU of its architecture, or where the user's own calibration
// is given; otherwise roofline. The choice never depends on the model, so a design compared with
// others is priced as it is alone.
func UsualOn(hw *hardware.Profile, own *kerneltime.Profile) Fidelity {
	if own != nil || kerneltime.HasRelative(hw) {
		return Calibrated
	}
	return Roofline
}

// Fidelity returns the fidelity that At prices with: f itself, or for Usual the device's.
func (c *Compiled) Fidelity(f Fidelity) Fidelity {
	if f == Usual {
		return UsualOn(c.Hardware, c.Options.Calibration)
	}
	return f
}
