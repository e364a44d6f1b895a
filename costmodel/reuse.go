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

// Recurrent reports whether the model keeps a state that describes one position only, so that a
// prompt can be resumed only where that state was saved.
func (c *Compiled) Recurrent() bool { return c.mem.state > 0 }

// Reusable returns how many of a prompt's tokens need not be computed where a share of them is
// cached: whole blocks of ReuseBlock tokens, and never the last token, whose logits are needed.
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

// Transfer describes moving a request from the device that processed its prompt to one that
// decodes it.
type Transfer struct {
	// Bytes is the size of the prompt's caches, windows and states, summed over all devices of a
	// group.
	Bytes float64 `json:"bytes"`
	// Seconds is how long the move takes over the device's link, each device of a group sending
	// its own part; null where the device has no link.
	Seconds *float64 `json:"seconds"`
	// UnsharedBytes is the size if every layer that attends to a cache stored one of its own.
	UnsharedBytes float64 `json:"unshared_bytes"`
}

// Transfer returns what has to move for a prompt of the given number of tokens, in whole cache
// blocks.
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

// PromptBytes is the bytes of cache and state that a prompt of the given number of tokens leaves
// on one device. In a pipeline it is the sum over one device of each stage.
func (c *Compiled) PromptBytes(prompt int) float64 {
	if prompt <= 0 {
		return 0
	}
	bytes, _ := c.mem.sequenceBytes(float64(prompt))
	return bytes
}
