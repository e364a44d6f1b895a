package costmodel

import (
	"math"

	"github.com/OWNER/ridgeline/execution"
)

// ReuseBlock is the tokens from one place to the next at which a cached prompt can be taken up
// again: a block of the cache. A model with recurrent layers needs their states too, which an
// engine keeps at the ends of blocks only, and makes blocks as large as a state (vLLM:
// model_executor/models/config.py, --mamba-cache-mode align):
//
//	block = 16·⌈state bytes of a layer / (16 · least cache bytes of a layer and token)⌉
//
// Without attention beside them it is the tokens that Mamba-2's scan works at once.
func (c *Compiled) ReuseBlock() int {
	state, scans, least := 0.0, 0, math.Inf(1)
	for i := range c.decode {
		g := &c.decode[i]
		if n := g.Bytes[StateRead][seqs]; n > 0 {
			state += float64(g.Count) * n
			if g.Kernel.Class() == Scan {
				scans += g.Count
			}
		}
		if n := g.Bytes[CacheWrite][ring]; n > 0 {
			least = min(least, n)
		}
	}
	switch {
	case state == 0:
		return CacheBlock
	case math.IsInf(least, 1):
		return ssdChunk
	}
	return CacheBlock * int(math.Ceil(state/float64(max(scans, 1))/(CacheBlock*least)))
}

// Recurrent reports whether the model has states that are of one position, not of all.
func (c *Compiled) Recurrent() bool { return c.mem.state > 0 }

// Reusable is how many of a prompt's tokens need not be computed where a share of them is
// cached: whole blocks of ReuseBlock, and never the last token, whose logits are wanted.
func (c *Compiled) Reusable(prompt int, share float64) int {
	if prompt <= 1 || !(share > 0) {
		return 0
	}
	n := min(int(math.Floor(share*float64(prompt)+1e-9)), prompt-1)
	block := c.ReuseBlock()
	return n / block * block
}

// withPrefix fills in how many tokens of a workload's prompts are found in the cache.
func (c *Compiled) withPrefix(w Workload) Workload {
	if w.PrefixShare > 0 {
		w.Cached = c.Reusable(w.Prompt, w.PrefixShare)
	}
	return w
}

// Transfer is handing a request from a device that worked its prompt to one that decodes it.
type Transfer struct {
	// Bytes are the caches, windows and states of the prompt, all devices of a group together.
	Bytes float64 `json:"bytes"`
	// Seconds it takes over the device's link, each device of a group sending its part; null
	// where the device has none.
	Seconds *float64 `json:"seconds"`
	// UnsharedBytes are what it would be if each layer that attends to a cache kept one.
	UnsharedBytes float64 `json:"unshared_bytes"`
}

// Transfer is what a prompt of so many tokens leaves to hand over, in whole blocks.
func (c *Compiled) Transfer(prompt int) Transfer {
	bytes := c.PromptBytes(prompt)
	each := bytes
	if c.stages != nil { // each stage hands over what is its own
		each = 0
		for _, s := range c.stages {
			each = max(each, s.PromptBytes(prompt))
		}
	}
	t := Transfer{Bytes: bytes * float64(c.tp)}
	if c.link > 0 {
		s := each / c.link
		t.Seconds = &s
	}
	unshared := c.mem.state
	for i := range c.decode {
		g := &c.decode[i]
		if g.Kernel != Attention {
			continue
		}
		if g.Shape.Latent {
			unshared = bytes
			break
		}
		reads := max(g.Shape.Again, 1) // of each byte in a step
		if g.Shape.Passes == 4 {
			reads *= 2
		}
		n := float64(prompt)
		if w := float64(g.Shape.Window); w > 0 && c.Options.Cache != execution.FullWindow {
			n = min(n, w)
		}
		unshared += float64(g.Count) * g.Bytes[CacheRead][kvRows] / reads * pages(n)
	}
	t.UnsharedBytes = max(unshared, bytes) * float64(c.tp)
	return t
}

// PromptBytes is the cache and state behind a prompt of so many tokens, on one device, or on one
// of each stage of a pipeline.
func (c *Compiled) PromptBytes(prompt int) float64 {
	if prompt <= 0 {
		return 0
	}
	bytes, _ := c.mem.sequenceBytes(float64(prompt))
	return bytes
}
