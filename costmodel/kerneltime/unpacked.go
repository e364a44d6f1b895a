package kerneltime

import (
	"math"

	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// UnpackedAttention is one decode step of attention whose kernel reads keys and values once
// for each query head, as FlashAttention-2 does as soon as a window is told. Pages of a cache
// are what serving engines have; that call does not split its keys.
type UnpackedAttention struct {
	DecodeAttention
	Contiguous bool // else in pages of 16
}

// unpackedCurve is the physics of such attention. Each query head of each sequence is a block
// of work; keys are split only where the kernel can. What heads of a group read again comes
// from the cache, but for a share that has left it:
//
//	splits = clamp(units · Occupancy / blocks, 1, visible / Chunk)
//	path   = max(1, blocks · splits / (units · Occupancy)) · (Start + visible/splits · row / Stream)
//	memory = (once + Miss · again) / (Bandwidth · BW)
//	cache  = (once + again) / (units · CacheRate)
//	t      = Launch + (path⁴ + (memory⁴ + cache⁴))^(1/4) + Combine · (1 − 1/splits)
//
// with row = 2 · head_dim · bytes · (1 + (head_dim/Wide)²).
type unpackedCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Start     float64 `yaml:"block_start_seconds"`
	Stream    float64 `yaml:"unit_stream"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
	Miss      float64 `yaml:"missed_fraction"`
	CacheRate float64 `yaml:"unit_cache_stream"`
	Occupancy float64 `yaml:"blocks_per_unit"`
	Chunk     float64 `yaml:"split_keys"`
	Combine   float64 `yaml:"combine_seconds"`
	Wide      float64 `yaml:"wide_head_dim"`
}

func newUnpackedCurve() unpackedCurve {
	return unpackedCurve{Launch: 5e-6, Start: 1e-6, Stream: 3e10, Bandwidth: 0.8, Miss: 0.2, CacheRate: 4e10, Occupancy: 1.5, Chunk: 256, Combine: 2e-6, Wide: 512}
}

func (c *unpackedCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Start, 0}, {&c.Stream, 0}, {&c.Bandwidth, 1}, {&c.Miss, 1}, {&c.CacheRate, 0},
		{&c.Occupancy, 0}, {&c.Chunk, 0}, {&c.Combine, 0}, {&c.Wide, 0}}
}

func (c *unpackedCurve) seconds(d *Device, s *UnpackedAttention) float64 {
	keys := s.Visible()
	blocks := s.Batch * s.Heads
	slots := d.Units * c.Occupancy
	splits := 1.0
	t := c.Launch
	if s.Contiguous {
		if splits = max(1, min(slots/blocks, keys/c.Chunk)); splits > 1 {
			t += c.Combine * (1 - 1/splits)
		}
	}
	row := 2 * s.KVDType.Bytes() * s.HeadDim
	wide := s.HeadDim / c.Wide
	path := max(1, blocks*splits/slots) * (c.Start + keys/splits*row*(1+wide*wide)/c.Stream)
	once := s.Bytes()
	all := once * s.Heads / s.KVHeads
	memory := (once + c.Miss*(all-once)) / (c.Bandwidth * d.Bandwidth)
	return t + blend(path, blend(memory, all/(c.CacheRate*d.Units)))
}

// unpackedModel is a curve for each layout and state of the window (hides keys or not), and
// what they leave unexplained.
type unpackedModel struct {
	Curves      [4]unpackedCurve `yaml:"curves"`
	Corrections [2]Table         `yaml:"corrections"`
	Spread      Spread           `yaml:"spread"`
}

func newUnpackedModel() unpackedModel {
	var m unpackedModel
	for i := range m.Curves {
		m.Curves[i] = newUnpackedCurve()
	}
	m.Corrections = [2]Table{
		{Slices: 4, Axes: [axes]axis{{6, 1, 3}, {3, 1, 12}, {0, 1, 4}, {6, 1, 12}}},
		{Slices: 4, Axes: [axes]axis{{1, 1, 5}, {0, 1, 10}, {0, 1, 4}, {6, 2, 6}}},
	}
	return m
}

func (m *unpackedModel) curve(s *UnpackedAttention) int {
	i := 0
	if s.Contiguous {
		i = 1
	}
	if windowed(s.Context, s.Window) == 2 {
		i += 2
	}
	return i
}

func (m *unpackedModel) locate(i int, s *UnpackedAttention) (int, [axes]float64) {
	if i == 1 {
		return m.curve(s), [axes]float64{s.KVHeads, s.Batch, s.Heads / s.KVHeads, s.Visible()}
	}
	return m.curve(s), [axes]float64{s.HeadDim, s.Batch * s.Heads, s.Heads / s.KVHeads, s.Visible()}
}

func (m *unpackedModel) correct(s *UnpackedAttention) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *unpackedModel) seconds(d *Device, s *UnpackedAttention) float64 {
	return m.physics(d, s) * math.Exp(m.correct(s))
}

func (m *unpackedModel) physics(d *Device, s *UnpackedAttention) float64 {
	return m.Curves[m.curve(s)].seconds(d, s)
}

func (m *unpackedModel) curves() int          { return len(m.Curves) }
func (m *unpackedModel) params(i int) []Param { return m.Curves[i].params() }
func (m *unpackedModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *unpackedModel) corrections() []Table { return m.Corrections[:] }
func (m *unpackedModel) errors() *Spread      { return &m.Spread }
func (m *unpackedModel) donor(f int) int      { return 1 - f }
func (m *unpackedModel) family(i int) int     { return i % 2 }
func (m *unpackedModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{.02, .01, .02, .01}, Slice: .002, Ridge: 3e-4, Tail: .05}
}

func (m *unpackedModel) lattice(pair func(small, large UnpackedAttention)) {
	for _, contiguous := range []bool{false, true} {
		for _, dim := range []float64{64, 128, 256} {
			for _, window := range []float64{0, 512} {
				doublings(0, 9, func(batch float64) {
					doublings(1, 4, func(kv float64) {
						doublings(0, 3, func(group float64) {
							doublings(8, 17, func(context float64) {
								s := UnpackedAttention{DecodeAttention{Batch: batch, Heads: kv * group, KVHeads: kv, HeadDim: dim, Window: window, Context: context, KVDType: precision.BF16}, contiguous}
								each(pair, s, func(l *UnpackedAttention) { l.Batch *= 2 }, func(l *UnpackedAttention) { l.Context *= 2 },
									func(l *UnpackedAttention) { l.Heads, l.KVHeads = 2*l.Heads, 2*l.KVHeads })
							})
						})
					})
				})
			}
		}
	}
}

// UnpackedAttention predicts one decode step of attention that reads its cache once per query
// head.
func (p *Profile) UnpackedAttention(s UnpackedAttention) Estimate {
	e := p.unpacked.get().Spread.estimate(p.UnpackedSeconds(&s))
	if formatOf(s.KVDType) != 0 {
		e = e.widen(unmeasured)
	}
	return e
}

// UnpackedSeconds is UnpackedAttention without bounds.
func (p *Profile) UnpackedSeconds(s *UnpackedAttention) float64 {
	return p.unpacked.get().seconds(&p.device, s)
}

var unpackedFacts = &facts[UnpackedAttention]{
	with: ClassUnpacked,
	read: func(r *records.Record) UnpackedAttention {
		return UnpackedAttention{decodeFacts.read(r), readOne(r, "layout", r.Optional("layout", "paged16"), "paged16", "contiguous") == 1}
	},
	describe: func(s *UnpackedAttention) string { return decodeFacts.describe(&s.DecodeAttention) },
	groups: map[string]func(*UnpackedAttention) float64{
		ByHeads:    func(s *UnpackedAttention) float64 { return s.Heads },
		ByHeadDim:  func(s *UnpackedAttention) float64 { return s.HeadDim },
		ByContexts: func(s *UnpackedAttention) float64 { return s.Context },
	},
	roofline: func(d *Device, s *UnpackedAttention) float64 {
		return max(s.FLOPs()/d.Peak[0], s.Bytes()/d.Bandwidth)
	},
	predict: func(p *Profile, s UnpackedAttention) Estimate { return p.UnpackedAttention(s) },
	model:   func(p *Profile) model[UnpackedAttention] { return p.unpacked.get() },
}
