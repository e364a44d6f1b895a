package costmodel

import "github.com/OWNER/ridgeline/costmodel/kerneltime"

// messageBytes returns what a device sends for a row, in bytes. Bytes to other nodes are counted as
// the number of bytes that would take as long inside the node.
func (c *Compiled) messageBytes(o *Op) float64 {
	_, near, _, _ := decodeCoef(&o.Link)
	_, far, _, _ := decodeCoef(&o.Net)
	if far > 0 {
		near = max(near, far*c.link/c.net)
	}
	return near
}

// exchange returns the exchange that an operation is, without its message. Experts are spread over the
// ranks of the operation; all others are between the devices of a tensor-parallel group, or two.
func (c *Compiled) exchange(o *Op) kerneltime.Collective {
	s := kerneltime.Collective{Kernel: kerneltime.CollectiveSend, GPUs: 2}
	switch o.Kernel {
	case AllGather:
		s.Kernel, s.GPUs = kerneltime.CollectiveAllGather, float64(c.tp)
	case AllToAll:
		s.Kernel, s.GPUs = kerneltime.CollectiveAllToAll, float64(o.Shape.Ranks)
	}
	return s
}

// message returns the estimated time in seconds of an exchange of the given number of rows: that of one inside
// a node in which each device sends for as long, and the way to another node where one is sent to.
func (k *kernel) message(p *kerneltime.Profile, rows float64) kerneltime.Estimate {
	s := k.collective
	s.Bytes = s.Kernel.Message(k.perRow*rows, s.GPUs)
	e := p.Collective(s)
	if k.way > 0 && e.Seconds > 0 {
		e.Seconds, e.Low, e.High = e.Seconds+k.way, e.Low+k.way, e.High+k.way
	}
	return e
}
