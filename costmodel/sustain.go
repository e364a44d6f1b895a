package costmodel

import "github.com/OWNER/ridgeline/costmodel/kerneltime"

// A GPU that has rested runs matrix products at clocks that its power limit does not allow for long.
// On an H100 and an H200 (700 W; `measured/README.md`), parts of four models' prompts, repeated
// without a pause, took their first time for 22 to 78 ms in all, 55 ms in the median. Then the mean
// clock fell from about 1,760 to 1,490 MHz and they took 6 to 17 % longer: products 12 to 24 %, the
// scans 12 to 23 %, attention up to 35 %, norms and gates 0 to 5 %.

// burst is how long, in seconds, a GPU at rest works before its clock falls: the median of twelve
// such parts.
const burst = 55e-3

// slowedScans is how much longer Mamba's scans and the delta rule take then, as a share of their
// time in a graph of two milliseconds: the mean of ten such parts of prompts.
const slowedScans = 0.16

// load is work in seconds at the clocks of a GPU that has rested, and what it takes more, in
// seconds, at those of continued work.
type load struct{ seconds, more float64 }

func (l *load) add(o load) {
	l.seconds += o.seconds
	l.more += o.more
}

// total is the time in seconds of work that begins at rest: all of it where that is within a burst,
// else as much longer as its share after the burst is:
//
//	t = seconds + more · max(0, 1 − burst / seconds)
func (l load) total() float64 { return l.seconds + l.more*l.slowed(burst) }

// slowed is the share of the work that is left after so many seconds.
func (l load) slowed(after float64) float64 {
	if l.seconds <= after {
		return 0
	}
	return 1 - after/l.seconds
}

// more is what a kernel of a prompt takes longer, in seconds, under continued work than the given
// time. No product of 16 bits is faster than the fastest that was measured under such work; our own
// scans were timed for a few milliseconds at a time. Attention and products of
// 8 bits were not measured so, and count as they are.
func (c *calibrated) more(k *kernel, seconds, flops float64) float64 {
	rate := c.of.Hardware.SustainedFLOPS.Value
	if rate <= 0 {
		return 0
	}
	switch k.price {
	case asProduct, asExperts:
		if k.op.Compute.Bytes() == 2 {
			return max(0, flops/rate-seconds)
		}
	case asScan:
		if k.facts.class == Scan {
			return slowedScans * seconds
		}
	}
	return 0
}

// promptLoad is what all layers' launches of a kernel take in a prefill.
func (c *calibrated) promptLoad(k *kernel, call Call, w *Work) (kerneltime.Estimate, load) {
	e := c.promptKernel(k, call, w)
	return e, load{e.Seconds, c.more(k, e.Seconds, k.layers*w.FLOPs)}
}
