package kerneltime

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/internal/records"
)

// prefillCurve is the physics of causal attention over a prompt. Queries are taken
// Rows at a time; each such block walks the keys before it, so the last block is the
// longest path and the sum of all is the work:
//
//	rate   = Peak · PEAK/units · head_dim / (head_dim + Narrow)
//	path   = Start + 4 · Rows · head_dim · min(P, window + Rows) / rate
//	work   = 4 · batch · heads · head_dim · (pairs + P · Rows/2) / (rate · units)
//	memory = bytes / (Bandwidth · BW)
//	t      = Launch + (path⁴ + work⁴)^(1/4) + memory + waves · Start
//
// A later piece of a prompt adds its Past to the keys of the path, shared among units that
// have no block of their own. Nothing of it was timed: its correction is that of a whole
// prompt of as many keys.
type prefillCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Start     float64 `yaml:"block_start_seconds"`
	Peak      float64 `yaml:"peak_fraction"`
	Narrow    float64 `yaml:"narrow_head_dim"`
	Rows      float64 `yaml:"block_rows"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
}

// pastSplit is the smallest number of past keys that a kernel gives to a unit where it splits
// them, as FlashAttention splits keys in decode.
const pastSplit = 256

func newPrefillCurve() prefillCurve {
	return prefillCurve{Launch: 9e-6, Start: 1e-6, Peak: 0.7, Narrow: 16, Rows: 96, Bandwidth: 0.7}
}

func (c *prefillCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Start, 0}, {&c.Peak, 1}, {&c.Narrow, 0}, {&c.Rows, 0}, {&c.Bandwidth, 1}}
}

// seconds returns the time of a prompt on d.
func (c *prefillCurve) seconds(d *Device, s *PrefillAttention) float64 {
	rate := c.Peak * d.Peak[0] / d.Units * s.HeadDim / (s.HeadDim + c.Narrow)
	blocks := s.Batch * s.Heads * math.Ceil(s.Prompt/c.Rows)
	keys := s.Prompt
	if s.Past > 0 {
		keys += s.Past / max(1, min(d.Units/blocks, s.Past/pastSplit))
	}
	if s.Window > 0 {
		keys = min(keys, s.Window+c.Rows)
	}
	path := 4 * c.Rows * s.HeadDim * keys / rate
	work := 4 * s.Batch * s.Heads * s.HeadDim * (s.Pairs() + s.Prompt*c.Rows/2) / (rate * d.Units)
	start := c.Start * max(1, blocks/d.Units)
	return c.Launch + start + blend(path, work) + s.Bytes()/(c.Bandwidth*d.Bandwidth)
}

// prefillModel has curves for prefill attention, with and without grouped queries and for each
// state of the window, and corrections for what the curves leave unexplained.
type prefillModel struct {
	Curves      [2 * windows]prefillCurve `yaml:"curves"`
	Corrections [2]Table                  `yaml:"corrections"`
	Spread      Spread                    `yaml:"spread"`
	HeadDims    []float64                 `yaml:"head_dims,flow"` // head dimensions of the timings
}

func newPrefillModel() prefillModel {
	var m prefillModel
	for i := range m.Curves {
		m.Curves[i] = newPrefillCurve()
	}
	m.Corrections = [2]Table{
		{Slices: windows, Axes: [axes]axis{{6, 1, 3}, {0, 1, 16}, {0, 1, 7}, {0, 2, 29}}},
		{Slices: windows, Axes: [axes]axis{{6, 1, 3}, {0, 1, 9}, {0, 1, 4}, {0, 1, 15}}},
	}
	return m
}

// unbind lets curves that were fitted on one device move their rows on another at the pace of
// arithmetic, not of memory: a prompt's queries, keys and values are mostly found in cache. On an
// H100 and an H200, which differ by a third in bandwidth alone, the same 806 prompts took equally
// long, within 0.3 % in the mean (measured/prefill_attention_*.csv). Between architectures neither
// rule is better than the other.
func (m *prefillModel) unbind(to, from *Device) {
	for i := range m.Curves {
		m.Curves[i].Bandwidth *= from.Bandwidth / to.Bandwidth * to.Peak[0] / from.Peak[0]
	}
}

func (m *prefillModel) curve(s *PrefillAttention) int {
	i := 0
	if s.Heads == s.KVHeads {
		i++
	}
	return i + 2*windowed(s.Past+s.Prompt, s.Window)
}

func (m *prefillModel) curves() int          { return len(m.Curves) }
func (m *prefillModel) params(i int) []Param { return m.Curves[i].params() }
func (m *prefillModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *prefillModel) corrections() []Table { return m.Corrections[:] }
func (m *prefillModel) errors() *Spread      { return &m.Spread }
func (m *prefillModel) donor(f int) int      { return f }
func (m *prefillModel) family(int) int       { return 0 }
func (m *prefillModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{.08, .05, .05, .02}, Slice: .002, Ridge: 1e-3, Tail: .05}
}

func (m *prefillModel) physics(d *Device, s *PrefillAttention) float64 {
	return m.Curves[m.curve(s)].seconds(d, s)
}

func (m *prefillModel) locate(i int, s *PrefillAttention) (int, [axes]float64) {
	slice := windowed(s.Past+s.Prompt, s.Window)
	if i == 1 {
		return slice, [axes]float64{s.HeadDim, s.Batch, s.KVHeads, s.Past + s.Prompt}
	}
	return slice, [axes]float64{s.HeadDim, s.Batch * s.Heads, s.Heads / s.KVHeads, s.Past + s.Prompt}
}

// correct returns the sum of the corrections of a shape's log time.
func (m *prefillModel) correct(s *PrefillAttention) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *prefillModel) lattice(pair func(small, large PrefillAttention)) {
	for _, dim := range []float64{64, 128, 256} {
		for _, window := range []float64{0, 128, 1024} {
			doublings(0, 8, func(batch float64) {
				doublings(0, 5, func(kv float64) {
					doublings(0, 3, func(group float64) {
						doublings(4, 15, func(prompt float64) {
							s := PrefillAttention{Batch: batch, Heads: kv * group, KVHeads: kv, HeadDim: dim, Window: window, Prompt: prompt}
							each(pair, s, func(l *PrefillAttention) { l.Batch *= 2 }, func(l *PrefillAttention) { l.Prompt *= 2 },
								func(l *PrefillAttention) { l.Heads, l.KVHeads = 2*l.Heads, 2*l.KVHeads })
						})
					})
				})
			})
		}
	}
}

// prefillSpans are what such timings were spread over.
var prefillSpans = spans{names: []string{"batch", "heads", "prompt", "window"}, beyond: 0.2}

func (s PrefillAttention) numbers() [mostSpans]float64 {
	return [mostSpans]float64{s.Batch, s.Heads, s.Past + s.Prompt, biting(s.Past+s.Prompt, s.Window)}
}
func (s PrefillAttention) kind() int { return 0 }

var prefillFacts = &facts[PrefillAttention]{
	class: ClassPrefill, over: &prefillSpans,
	read: func(r *records.Record) PrefillAttention {
		s := PrefillAttention{
			Batch: r.Size("batch", 1), Heads: r.Size("heads", 1), KVHeads: r.Size("kv_heads", 1),
			HeadDim: r.Size("head_dim", 1), Window: r.Size("window", 0), Prompt: r.Size("prompt", 1),
		}
		grouped(r, s.Heads, s.KVHeads)
		return s
	},
	describe: func(s *PrefillAttention) string {
		return fmt.Sprintf("batch %g heads %g/%g dim %g window %g prompt %g", s.Batch, s.Heads, s.KVHeads, s.HeadDim, s.Window, s.Prompt)
	},
	groups: map[string]func(*PrefillAttention) float64{
		ByHeads:    func(s *PrefillAttention) float64 { return s.Heads },
		ByHeadDim:  func(s *PrefillAttention) float64 { return s.HeadDim },
		ByContexts: func(s *PrefillAttention) float64 { return s.Prompt },
	},
	roofline: func(d *Device, s *PrefillAttention) float64 {
		return max(s.FLOPs()/d.Peak[0], s.Bytes()/d.Bandwidth)
	},
	predict: func(p *Profile, s PrefillAttention) Estimate { return p.PrefillAttention(s) },
	model:   func(p *Profile) model[PrefillAttention] { return p.prefill.get() },
	note:    func(p *Profile, s *PrefillAttention) { noteDim(&p.prefill.get().HeadDims, s.HeadDim) },
}
