package costmodel

import "github.com/OWNER/ridgeline/costmodel/kerneltime"

// messageBytes is what a device sends for a row. Bytes to other nodes are counted as the number of
// bytes that would take as long inside the node.
func (c *Compiled) messageBytes(o *Op) float64 {
	_, near, _, _ := decodeCoef(&o.Link)
	_, far, _, _ := decodeCoef(&o.Net)
	if far > 0 {
		near = max(near, far*c.link/c.net)
	}
	return near
}

// message is the time in seconds of an all-to-all or of a message to one device, taken from an
// all-reduce of two devices in which each sends as many bytes.
func (k *kernel) message(p *kerneltime.Profile, rows float64) kerneltime.Estimate {
	return p.AllReduce(kerneltime.AllReduce{GPUs: 2, Bytes: k.perRow * rows})
}
