package costmodel

import (
	"math"
	"sort"

	"github.com/OWNER/ridgeline/execution"
)

// CacheBlock is the positions a page of the KV cache holds: engines allocate whole pages.
const CacheBlock = 16

// PrefillRows is how many prompt positions an engine runs at once (vLLM's default
// max_num_batched_tokens for serving); it bounds the activations' workspace.
const PrefillRows = 8192

// memoryTable holds the bytes that occupy a device, by sequence and by position.
type memoryTable struct {
	weights     float64
	perToken    float64   // stored by layers without a window
	readToken   float64   // read by layers without a window, per visible position
	state       float64   // recurrent state of a sequence
	windowed    []windows // stored by layers with one
	rowBytes    float64   // largest activations in and out of an operation, per row
	logitsBytes float64   // per sequence, fp32
}

type windows struct{ window, perToken float64 }

// Memory is what a device of the group holds at the end of a workload, in bytes.
type Memory struct {
	WeightsBytes                float64 `json:"weights_bytes"`
	CacheBytesPerToken          float64 `json:"cache_bytes_per_token"`           // stored; windowed layers excluded
	CacheReadBytesPerToken      float64 `json:"cache_read_bytes_per_token"`      // read in a step; windowed layers excluded
	StateBytesPerSequence       float64 `json:"state_bytes_per_sequence"`        // recurrent and convolution states
	WindowCacheBytesPerSequence float64 `json:"window_cache_bytes_per_sequence"` // ring caches at full context
	BytesPerSequence            float64 `json:"bytes_per_sequence"`              // all of a sequence at full context
	WorkspaceBytes              float64 `json:"workspace_bytes"`
	TotalBytes                  float64 `json:"total_bytes"`
	CapacityBytes               float64 `json:"capacity_bytes"`
	MissingBytes                float64 `json:"missing_bytes"`
	MaxBatch                    int     `json:"max_batch"`
	Fits                        bool    `json:"fits"`
}

func (c *Compiled) memoryTable() memoryTable {
	var t memoryTable
	seen := map[float64]int{}
	tied := c.Model.Tied && c.first == 0 // a stage that has no embedding stores a head of its own
	for i := range c.decode {
		g := &c.decode[i]
		n := float64(g.Count)
		if g.Reused {
			// stored by an earlier layer
		} else if g.Shape.Table > 0 {
			t.weights += float64(g.Shape.Table) * g.Bytes[Weights][rows]
		} else if g.Kernel != Head || !tied {
			t.weights += n * (g.Bytes[Weights][one] + g.Bytes[Weights][hit]*float64(g.Shape.Experts))
		} else if c.Model.HeadBias {
			t.weights += float64(g.Shape.Out) * c.f.base.Bytes()
		}
		t.state += n * g.Bytes[StateRead][seqs]
		stored := n * g.Bytes[CacheWrite][ring]
		switch {
		case g.Shape.Window == 0:
			t.perToken += stored
			t.readToken += n * g.Bytes[CacheRead][kvRows]
		case c.Options.Cache == execution.FullWindow:
			t.perToken += stored
		case stored > 0:
			w := float64(g.Shape.Window)
			if _, ok := seen[w]; !ok {
				seen[w] = len(t.windowed)
				t.windowed = append(t.windowed, windows{window: w})
			}
			t.windowed[seen[w]].perToken += stored
		}
		if g.Kernel == Head {
			t.logitsBytes = 4 * float64(c.Model.Vocab)
		} else if g.Kernel != Embedding {
			r := g.Bytes[ActRead]
			w := g.Bytes[ActWrite]
			t.rowBytes = max(t.rowBytes, r[rows]+r[seqs]+w[rows]+w[seqs])
		}
	}
	for i := range c.prefill { // keys and values that a prompt's latent attention makes
		if g := &c.prefill[i]; g.Only == PromptOnly {
			t.rowBytes = max(t.rowBytes, g.Bytes[ActRead][kvRows]+g.Bytes[ActWrite][kvRows]+g.Bytes[ActRead][rows]+g.Bytes[ActWrite][rows])
		}
	}
	t.weights += c.loadTimeWeights()
	return t
}

// loadTimeWeights counts stored parameters that no operation reads: the λ vectors of differential
// attention become one number when the model is loaded.
func (c *Compiled) loadTimeWeights() float64 {
	n := 0
	for i, a := range c.Model.Attentions() {
		if a.Differential && i >= c.first && i < c.first+c.layers {
			n += 4 * a.HeadDim
		}
	}
	return float64(n) * c.f.base.Bytes()
}

func pages(n float64) float64 { return math.Ceil(n/CacheBlock) * CacheBlock }

// sequenceBytes is the bytes of cache and state of one sequence of n positions, in whole pages.
func (t *memoryTable) sequenceBytes(n float64) (total, windowed float64) {
	for _, w := range t.windowed {
		windowed += w.perToken * pages(min(n, w.window))
	}
	return t.state + t.perToken*pages(n) + windowed, windowed
}

// total is all bytes on a device that holds b sequences of seq bytes each.
func (t *memoryTable) total(b, prompt, seq float64) (total, workspace float64) {
	workspace = t.rowBytes*max(b, min(b*max(prompt, 1), PrefillRows)) + b*t.logitsBytes
	return t.weights + b*seq + workspace, workspace
}

// capacity is the bytes of memory that a deployment may use.
func (c *Compiled) capacity() float64 {
	f := c.Options.MemoryFraction
	if f == 0 {
		f = 1
	}
	return f * c.Hardware.MemoryCapacity.Value
}

// MaxBatch returns the largest batch of the workload's sequences that fits with every sequence at
// its full length of Prompt + Generate positions; the workload's own Batch is not used. It is 0
// where not even one sequence fits, and at most MaxBatchSize.
func (c *Compiled) MaxBatch(w Workload) int {
	if c.stages != nil {
		return c.maxBatchOfAll(w)
	}
	return c.largest(w, MaxBatchSize)
}

// largest is MaxBatch of one device.
func (c *Compiled) largest(w Workload, most int) int {
	seq, _ := c.mem.sequenceBytes(w.length())
	room := c.capacity()
	return sort.Search(most, func(b int) bool { // the first batch after which the next no longer fits
		t, _ := c.mem.total(float64(b+1), float64(w.Prompt), seq)
		return t > room
	})
}

// Fill gives a workload whose Batch is 0 the largest batch that fits, or 1 where not even
// one sequence does, and reports whether the workload fits.
func (c *Compiled) Fill(w Workload) (full Workload, fits bool) {
	largest := c.MaxBatch(w)
	if w.Batch == 0 {
		w.Batch = max(largest, 1)
	}
	return w, w.Batch <= largest
}

// length is the number of positions that a sequence has at its end.
func (w Workload) length() float64 { return float64(w.Prompt + w.Generate) }

// Memory returns what a device holds for a workload's sequences at full length. Where devices
// differ, the answer is for the one that holds the most, in the group that has the most sequences.
func (c *Compiled) Memory(w Workload) Memory {
	if c.stages != nil {
		return c.fullest(w)
	}
	return c.ownMemory(w)
}

// ownMemory is Memory of one device.
func (c *Compiled) ownMemory(w Workload) Memory {
	t := &c.mem
	seq, windowed := t.sequenceBytes(w.length())
	total, workspace := t.total(float64(w.Batch), float64(w.Prompt), seq)
	room := c.capacity()
	return Memory{
		WeightsBytes: t.weights, CacheBytesPerToken: t.perToken, CacheReadBytesPerToken: t.readToken,
		StateBytesPerSequence: t.state, WindowCacheBytesPerSequence: windowed, BytesPerSequence: seq,
		WorkspaceBytes: workspace, TotalBytes: total, CapacityBytes: room,
		MissingBytes: max(total-room, 0), MaxBatch: c.largest(w, MaxBatchSize), Fits: total <= room,
	}
}
