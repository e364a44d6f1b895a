package kerneltime

import (
	"fmt"

	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// decodeCurve is the physics of one decode step of attention over caches of one number
// format. Each KV head of each sequence is a block of work that reads its keys and
// values once; where blocks leave units idle, its keys are split over several, each of
// Chunk keys at least:
//
//	blocks = batch · kv_heads
//	splits = clamp(units · Occupancy / blocks, 1, visible / Chunk)
//	waves  = max(1, blocks · splits / (units · Occupancy))
//	path   = waves · (Start + visible/splits · head_dim · 2 · bytes · (1 + (head_dim/Wide)²) / Stream)
//	memory = bytes / (Bandwidth · BW) or, from the cache, bytes / (units · CacheRate)
//	t      = Launch + (path⁴ + memory⁴)^(1/4) + FLOPs / (Peak·PEAK) + batch · (Sequence + heads · Query)
//	         + Combine · (1 − 1/splits) + Repack
//
// Repack is the copy of grouped queries that FlashAttention-2 makes when neither the
// batch nor the number of KV heads is 1. The working set stays in the last-level cache, between repeated steps, with
// probability 1 / (1 + (bytes / (Resident · cache))⁴).
type decodeCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Start     float64 `yaml:"block_start_seconds"`
	Stream    float64 `yaml:"unit_stream"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
	CacheRate float64 `yaml:"unit_cache_stream"`
	Resident  float64 `yaml:"resident_fraction"`
	Occupancy float64 `yaml:"blocks_per_unit"`
	Chunk     float64 `yaml:"split_keys"`
	Combine   float64 `yaml:"combine_seconds"`
	Query     float64 `yaml:"query_head_seconds"`
	Peak      float64 `yaml:"peak_fraction"`
	Repack    float64 `yaml:"repack_seconds"`
	Wide      float64 `yaml:"wide_head_dim"`
	Sequence  float64 `yaml:"sequence_seconds"`
}

func newDecodeCurve() decodeCurve {
	return decodeCurve{
		Launch: 9e-6, Start: 1e-6, Stream: 6e10, Bandwidth: 0.8, CacheRate: 6e10, Resident: 0.7,
		Occupancy: 1.5, Chunk: 256, Combine: 1e-6, Query: 1e-10, Peak: 0.3, Repack: 1e-6, Wide: 512, Sequence: 1e-9,
	}
}

func (c *decodeCurve) params() []Param {
	return []Param{
		{&c.Launch, 0}, {&c.Start, 0}, {&c.Stream, 0}, {&c.Bandwidth, 1}, {&c.CacheRate, 0}, {&c.Resident, 1},
		{&c.Occupancy, 0}, {&c.Chunk, 0}, {&c.Combine, 0}, {&c.Query, 0}, {&c.Peak, 1}, {&c.Repack, 0}, {&c.Wide, 0}, {&c.Sequence, 0},
	}
}

// seconds returns the time of a step on d, in seconds.
func (c *decodeCurve) seconds(d *Device, s *DecodeAttention) float64 {
	keys := s.Visible()
	blocks := s.Batch * s.KVHeads
	slots := d.Units * c.Occupancy
	splits := min(slots/blocks, keys/c.Chunk)
	t := c.Launch
	if s.Batch > 1 && s.KVHeads > 1 && s.Heads > s.KVHeads {
		t += c.Repack
	}
	if splits > 1 {
		t += c.Combine * (1 - 1/splits)
	} else {
		splits = 1
	}
	waves := max(1, blocks*splits/slots)
	row := 2 * s.KVDType.Bytes() * s.HeadDim
	wide := s.HeadDim / c.Wide
	path := waves * (c.Start + keys/splits*row*(1+wide*wide)/c.Stream)
	bytes := blocks * keys * row
	full := bytes / (c.Resident * d.Cache)
	full *= full
	hit := 1 / (1 + full*full)
	memory := bytes * (hit/(c.CacheRate*d.Units) + (1-hit)/(c.Bandwidth*d.Bandwidth))
	t += blend(path, memory)
	t += s.Batch * (c.Sequence + s.Heads*(c.Query+4*s.HeadDim*keys/(c.Peak*d.Peak[0])))
	return t
}

// decodeModel has the curves of decode attention: one for each number format of the cache, for
// grouped queries and others, and for each state of the window; and corrections for what they
// leave unexplained.
type decodeModel struct {
	Curves      [formats * 2 * windows]decodeCurve `yaml:"curves"`
	Corrections [2]Table                           `yaml:"corrections"`
	Spread      Spread                             `yaml:"spread"`
	HeadDims    []float64                          `yaml:"head_dims,flow"` // head dimensions of the timings
	Measured    [formats]bool                      `yaml:"measured,flow"`  // whether caches in 16 bits, and in 8 bits, were timed
}

func newDecodeModel() decodeModel {
	var m decodeModel
	for i := range m.Curves {
		m.Curves[i] = newDecodeCurve()
	}
	m.Corrections = [2]Table{
		{Slices: formats * windows, Axes: [axes]axis{{6, 1, 3}, {0, 1, 18}, {0, 1, 7}, {1, 1, 17}}},
		{Slices: formats * windows, Axes: [axes]axis{{0, 1, 4}, {0, 1, 12}, {N: 1}, {1, 1, 17}}},
	}
	return m
}

func (m *decodeModel) curve(s *DecodeAttention) int {
	i := formatOf(s.KVDType)
	if s.Heads == s.KVHeads {
		i += 2
	}
	return i + 2*formats*windowed(s.Context, s.Window)
}

func (m *decodeModel) curves() int          { return len(m.Curves) }
func (m *decodeModel) params(i int) []Param { return m.Curves[i].params() }
func (m *decodeModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *decodeModel) corrections() []Table { return m.Corrections[:] }

// starts is a kernel that does not split keys, as FlashAttention-2's has it for ungrouped queries over
// pages: no small step leads there from one that does.
func (m *decodeModel) starts(i int) []func() {
	return []func(){func() { m.Curves[i].Chunk, m.Curves[i].Combine = 1e6, 1e-7 }}
}

func (m *decodeModel) errors() *Spread  { return &m.Spread }
func (m *decodeModel) donor(f int) int  { return 1 - f }
func (m *decodeModel) family(i int) int { return i % formats }
func (m *decodeModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{.05, .06, .06, .04}, Slice: .005, Ridge: 1e-3, Tail: .05}
}

func (m *decodeModel) physics(d *Device, s *DecodeAttention) float64 {
	return m.Curves[m.curve(s)].seconds(d, s)
}

func (m *decodeModel) locate(i int, s *DecodeAttention) (int, [axes]float64) {
	slice := formatOf(s.KVDType) + formats*windowed(s.Context, s.Window)
	group := s.Heads / s.KVHeads
	if i == 1 {
		return slice, [axes]float64{s.KVHeads, s.Batch, group, s.Context}
	}
	return slice, [axes]float64{s.HeadDim, s.Batch * s.KVHeads, group, s.Context}
}

// correct returns the sum of the corrections of a shape's log time.
func (m *decodeModel) correct(s *DecodeAttention) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *decodeModel) lattice(pair func(small, large DecodeAttention)) {
	for _, dt := range []precision.DType{precision.BF16, precision.FP8} {
		for _, dim := range []float64{64, 128, 256} {
			for _, window := range []float64{0, 128, 1024} {
				doublings(0, 9, func(batch float64) {
					doublings(0, 5, func(kv float64) {
						doublings(0, 3, func(group float64) {
							doublings(4, 17, func(context float64) {
								s := DecodeAttention{Batch: batch, Heads: kv * group, KVHeads: kv, HeadDim: dim, Window: window, Context: context, KVDType: dt}
								each(pair, s, func(l *DecodeAttention) { l.Batch *= 2 }, func(l *DecodeAttention) { l.Context *= 2 },
									func(l *DecodeAttention) { l.Heads, l.KVHeads = 2*l.Heads, 2*l.KVHeads })
							})
						})
					})
				})
			}
		}
	}
}

// decodeSpans are what such timings were spread over.
var decodeSpans = spans{names: []string{"batch", "heads", "context", "window"}, beyond: 0.2}

func (s DecodeAttention) numbers() [mostSpans]float64 {
	return [mostSpans]float64{s.Batch, s.Heads, s.Context, biting(s.Context, s.Window)}
}
func (s DecodeAttention) kind() int { return 0 }

var decodeFacts = &facts[DecodeAttention]{
	class: ClassDecode, over: &decodeSpans,
	read: func(r *records.Record) DecodeAttention {
		s := DecodeAttention{
			Batch: r.Size("batch", 1), Heads: r.Size("heads", 1), KVHeads: r.Size("kv_heads", 1),
			HeadDim: r.Size("head_dim", 1), Window: r.Size("window", 0), Context: r.Size("context", 1),
			KVDType: r.Format("kv_dtype"),
		}
		grouped(r, s.Heads, s.KVHeads)
		return s
	},
	describe: func(s *DecodeAttention) string {
		return fmt.Sprintf("%s batch %g heads %g/%g dim %g window %g context %g", s.KVDType, s.Batch, s.Heads, s.KVHeads, s.HeadDim, s.Window, s.Context)
	},
	groups: map[string]func(*DecodeAttention) float64{
		ByHeads:    func(s *DecodeAttention) float64 { return s.Heads },
		ByHeadDim:  func(s *DecodeAttention) float64 { return s.HeadDim },
		ByContexts: func(s *DecodeAttention) float64 { return s.Context },
	},
	roofline: func(d *Device, s *DecodeAttention) float64 {
		return max(s.FLOPs()/d.Peak[0], s.Bytes()/d.Bandwidth)
	},
	predict: func(p *Profile, s DecodeAttention) Estimate { return p.DecodeAttention(s) },
	model:   func(p *Profile) model[DecodeAttention] { return p.decode.get() },
	note: func(p *Profile, s *DecodeAttention) {
		m := p.decode.get()
		m.Measured[formatOf(s.KVDType)] = true
		noteDim(&m.HeadDims, s.HeadDim)
	},
}
