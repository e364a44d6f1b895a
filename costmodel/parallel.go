package costmodel

import "slices"

// Stage is what one stage of a pipeline holds, and how long it takes.
type Stage struct {
	FirstLayer  int     `json:"first_layer"`  // its first layer, from 0
	Layers      int     `json:"layers"`       // how many it has
	WeightBytes float64 `json:"weight_bytes"` // on each of its devices
	TotalBytes  float64 `json:"total_bytes"`  // on each, with the caches of a group's sequences
	Seconds     float64 `json:"seconds"`      // mean decode step of one microbatch, sending included
}

// Parallel describes how groups of devices and pipeline stages share a workload.
type Parallel struct {
	Devices      int     `json:"devices"`      // in all: tp × pp × dp
	Nodes        int     `json:"nodes"`        // that they are spread over
	PP           int     `json:"pp"`           // pipeline stages
	EP           int     `json:"ep"`           // devices over which the experts of a layer are spread
	DP           int     `json:"dp"`           // groups of devices that run mixers for sequences of their own
	Skew         float64 `json:"skew"`         // times the mean that the experts of the busiest device are picked
	Microbatches int     `json:"microbatches"` // parts of a group's sequences that follow each other through the stages
	Sequences    int     `json:"sequences"`    // that a device works at once
	// TokensPerSecondPerDevice is the throughput divided by the devices.
	TokensPerSecondPerDevice float64 `json:"tokens_per_second_per_device"`
	// BubbleShare is the share of a decode step, from 0 to 1, that a device spends waiting for
	// other stages, in the mean over devices.
	BubbleShare float64 `json:"bubble_share"`
	// LinkBytes is the bytes that a device sends inside its node in a decode step, added up over
	// one device of each stage.
	LinkBytes float64 `json:"link_bytes_per_step"`
	// NetworkBytes is the bytes that a device sends to other nodes in a decode step, added up over
	// one device of each stage.
	NetworkBytes float64 `json:"network_bytes_per_step"`
	// SendSeconds is how long sending inside the node and to other nodes takes at the links'
	// bandwidth. Only the work of other stages overlaps it.
	SendSeconds float64 `json:"send_seconds_per_step"`
	Stages      []Stage `json:"stages"` // in the order of the layers
}

// parallel describes a deployment of several groups or stages, or one whose experts are spread
// over devices; nil for any other.
func (c *Compiled) parallel(at Pricer, w Workload, step float64) *Parallel {
	if c.Devices() == c.tp && c.ep == 1 {
		return nil
	}
	each, group := c.perDevice(w), c.perGroup(w)
	m := c.microbatches(group.Batch)
	x := &Parallel{Devices: c.Devices(), Nodes: c.Nodes(), PP: c.pp, EP: c.ep, DP: c.dp, Skew: max(c.Options.Skew, 1), Microbatches: m, Sequences: each.Batch,
		TokensPerSecondPerDevice: float64(w.Batch) / step / float64(c.Devices())}
	for _, o := range c.breakdown(w) {
		x.LinkBytes += float64(m) * o.Link
		x.NetworkBytes += float64(m) * o.Net
		x.SendSeconds += float64(m) * c.linkSeconds(&o.Work)
	}
	stages, prices := c.stages, []Pricer{at}
	if p, ok := at.(*together); ok {
		prices = p.stages
	} else {
		stages = []*Compiled{c}
	}
	sum := 0.0
	for i, s := range stages {
		mem := s.ownMemory(group)
		t := prices[i].Generation(each) / float64(w.Generate)
		sum += t
		x.Stages = append(x.Stages, Stage{s.first, s.layers, mem.WeightsBytes, mem.TotalBytes, t})
	}
	x.BubbleShare = max(1-float64(m)*sum/(float64(len(stages))*step), 0)
	return x
}

// eachStage lists operations stage by stage.
func (c *Compiled) eachStage(w Workload, list func(*Compiled, Workload) []OpCost) (out []OpCost) {
	each := c.perDevice(w)
	for _, s := range c.stages {
		out = append(out, list(s, each)...)
	}
	return shares(out)
}

// Stages are the stages of a pipeline as one group of devices sees them, one after the other: a
// batch of theirs is that group's, and what they are asked is of one device. Of a deployment of
// groups without a pipeline there is one, and one device, or a tensor-parallel group, is its own.
func (c *Compiled) Stages() []*Compiled {
	if c.stages == nil {
		return []*Compiled{c}
	}
	return slices.Clone(c.stages)
}

// Together is how many groups of devices run a step at the same time, because they share experts.
func (c *Compiled) Together() int {
	if c.ep <= c.tp {
		return 1
	}
	return c.ep / c.tp
}

// Fullest returns the stage that needs the most memory at a workload, or the deployment itself
// where there is one group and one stage. Its figures are those of one device and one group's
// sequences.
func (c *Compiled) Fullest(w Workload) *Compiled {
	if c.stages == nil {
		return c
	}
	full, most := c.stages[0], 0.0
	for _, s := range c.stages {
		if t := s.ownMemory(c.perGroup(w)).TotalBytes; t > most {
			full, most = s, t
		}
	}
	return full
}

// fullest is the memory of the device that has the most to hold, in bytes.
func (c *Compiled) fullest(w Workload) Memory {
	m := c.Fullest(w).ownMemory(c.perGroup(w))
	m.MaxBatch = c.maxBatchOfAll(w)
	return m
}

func (c *Compiled) maxBatchOfAll(w Workload) int {
	n := MaxBatchSize / c.dp
	for _, s := range c.stages {
		n = min(n, s.largest(w, n))
	}
	return n * c.dp
}
