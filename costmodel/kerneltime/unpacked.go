package kerneltime

import (
	"math"

	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// UnpackedAttention is one decode step of attention whose kernel reads keys and values once for
// each query head, as FlashAttention-2 does where it is given a window. Serving engines keep
// their caches in pages; with pages, that kernel does not split keys.
type UnpackedAttention struct {
	DecodeAttention
	Contiguous bool // whether the cache is contiguous; otherwise it is in pages of 16 positions
}

// unpackedCurve is the physics of such attention. Each query head of each sequence is a block
// of work; a contiguous cache's keys are split over blocks of whole tiles as FlashAttention-2
// chooses (splits). A unit works two blocks at a time, which takes 1 + Beside times as long as
// one. Blocks run in the order of sequences, then heads, so heads of a group share what they read
// in cache if few sequences lie between them; where keys are split they always do.
//
//	rounds = ⌊n/2⌋ · (1 + Beside) + n mod 2, with n = ⌈blocks · splits / units⌉
//	path   = rounds · (Start + keys of a block · (Key + row/Stream))
//	missed = Miss + (1 − Miss) · a²/(1 + a²), with a = batch / (2 · units · Apart)
//	memory = (once + missed · again) / (Bandwidth · BW)
//	cache  = (once + again) / (units · CacheRate)
//	t      = Launch + (path⁴ + (memory⁴ + cache⁴))^(1/4), and where keys are split Combine + blocks · splits · Row
//
// with row = 2 · head_dim · bytes.
type unpackedCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Start     float64 `yaml:"block_start_seconds"`
	Key       float64 `yaml:"key_seconds"`
	Stream    float64 `yaml:"unit_stream"`
	Beside    float64 `yaml:"second_block_fraction"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
	Miss      float64 `yaml:"missed_fraction"`
	Apart     float64 `yaml:"sequences_apart"`
	CacheRate float64 `yaml:"unit_cache_stream"`
	Combine   float64 `yaml:"combine_seconds"`
	Row       float64 `yaml:"combined_row_seconds"`
}

func newUnpackedCurve() unpackedCurve {
	return unpackedCurve{Launch: 5e-6, Start: 1e-6, Key: 8e-9, Stream: 5e10, Beside: 0.5, Bandwidth: 0.85, Miss: 0.1, Apart: 0.5, CacheRate: 4e10, Combine: 2e-6, Row: 1e-9}
}

func (c *unpackedCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Start, 0}, {&c.Key, 0}, {&c.Stream, 0}, {&c.Beside, 1}, {&c.Bandwidth, 1}, {&c.Miss, 1}, {&c.Apart, 0}, {&c.CacheRate, 0},
		{&c.Combine, 0}, {&c.Row, 0}}
}

// blocksPerUnit is how many blocks of FlashAttention-2 a unit works at once, as the library
// itself counts them.
const blocksPerUnit = 2

// splitTiles returns how many keys form a tile of FlashAttention-2's splits.
func splitTiles(headDim float64) float64 {
	switch {
	case headDim <= 64:
		return 256
	case headDim <= 128:
		return 128
	}
	return 64
}

// sharesKeys reports whether blocks may share the keys of a head. They may in contiguous caches,
// unless the heads alone fill four fifths of the slots.
func (s *UnpackedAttention) sharesKeys(units float64) bool {
	return s.Contiguous && s.Batch*s.Heads < 0.8*blocksPerUnit*units
}

// splits returns how many blocks share the keys of one query head, by FlashAttention-2's rule: 1
// where keys are not shared, otherwise the smallest number with which waves are at least 85 % as
// full as with the best number. Only numbers that give some block fewer tiles than one less does count.
func (s *UnpackedAttention) splits(units float64) float64 {
	blocks, slots := s.Batch*s.Heads, blocksPerUnit*units
	tiles := math.Ceil(s.Visible() / splitTiles(s.HeadDim))
	if !s.sharesKeys(units) {
		return 1
	}
	most := min(128, slots, tiles)
	full := func(n float64) float64 { // 0 for a number that gives no block fewer tiles
		if n > 1 && math.Ceil(tiles/n) == math.Ceil(tiles/(n-1)) {
			return 0
		}
		w := blocks * n / slots
		return w / math.Ceil(w)
	}
	best := 0.0
	for n := 1.0; n <= most; n++ {
		best = max(best, full(n))
	}
	n := 1.0
	for full(n) < 0.85*best {
		n++
	}
	return n
}

func (c *unpackedCurve) seconds(d *Device, s *UnpackedAttention) float64 {
	keys := s.Visible()
	splits := s.splits(d.Units)
	t := c.Launch
	apart := s.Batch / (blocksPerUnit * d.Units * c.Apart)
	if splits > 1 {
		t += c.Combine + s.Batch*s.Heads*splits*c.Row
		tile := splitTiles(s.HeadDim)
		keys = min(keys, math.Ceil(math.Ceil(keys/tile)/splits)*tile)
		apart = 0
	}
	n := math.Ceil(s.Batch * s.Heads * splits / d.Units)
	pairs := math.Floor(n / 2)
	row := 2 * s.KVDType.Bytes() * s.HeadDim
	path := (n - pairs + pairs*c.Beside) * (c.Start + keys*(c.Key+row/c.Stream))
	missed := c.Miss + (1-c.Miss)*(1-1/(1+apart*apart))
	once := s.Bytes()
	all := once * s.Heads / s.KVHeads
	memory := (once + missed*(all-once)) / (c.Bandwidth * d.Bandwidth)
	return t + blend(path, blend(memory, all/(c.CacheRate*d.Units)))
}

// unpackedModel has a curve for pages, one for pages with a window that hides keys, and two for
// contiguous caches with split keys and without; and corrections for what the curves leave
// unexplained.
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

// unpackedOn is the model on a GPU with a given number of units, on which the library's choices
// depend.
type unpackedOn struct {
	*unpackedModel
	units float64
}

func (p *Profile) unpackedOn() unpackedOn { return unpackedOn{p.unpacked.get(), p.device.Units} }

func (m unpackedOn) curve(s *UnpackedAttention) int {
	switch {
	case s.sharesKeys(m.units):
		return 3
	case s.Contiguous:
		return 2
	case windowed(s.Context, s.Window) == 2:
		return 1
	}
	return 0
}

func (m unpackedOn) locate(i int, s *UnpackedAttention) (int, [axes]float64) {
	if i == 1 {
		return m.curve(s), [axes]float64{s.KVHeads, s.Batch, s.Heads / s.KVHeads, s.Visible()}
	}
	return m.curve(s), [axes]float64{s.HeadDim, s.Batch * s.Heads, s.Heads / s.KVHeads, s.Visible()}
}

func (m unpackedOn) correct(s *UnpackedAttention) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m unpackedOn) seconds(d *Device, s *UnpackedAttention) float64 {
	return m.physics(d, s) * math.Exp(m.correct(s))
}

func (m unpackedOn) physics(d *Device, s *UnpackedAttention) float64 {
	return m.Curves[m.curve(s)].seconds(d, s)
}

func (m *unpackedModel) curves() int          { return len(m.Curves) }
func (m *unpackedModel) params(i int) []Param { return m.Curves[i].params() }
func (m *unpackedModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *unpackedModel) corrections() []Table { return m.Corrections[:] }
func (m *unpackedModel) errors() *Spread      { return &m.Spread }
func (m *unpackedModel) donor(f int) int      { return f ^ 2 }
func (m *unpackedModel) family(i int) int     { return i &^ 1 }
func (m *unpackedModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{.05, .03, .05, .03}, Slice: .005, Ridge: 1e-3, Tail: .05}
}

func (m unpackedOn) lattice(pair func(small, large UnpackedAttention)) {
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

// UnpackedAttention predicts one decode step of attention that reads its cache once for each
// query head.
func (p *Profile) UnpackedAttention(s UnpackedAttention) Estimate {
	e := p.unpacked.get().Spread.estimate(p.UnpackedSeconds(&s))
	if formatOf(s.KVDType) != 0 {
		e = e.widen(unmeasured)
	}
	return reach(e, &unpackedSpans, p.timed[ClassUnpacked], s)
}

// SplitTile returns by how many keys two jumps in the time of a call are apart, which come from
// blocks that take whole tiles of the keys of a head; 0 where keys are not split.
func (p *Profile) SplitTile(s *UnpackedAttention) float64 {
	if !s.sharesKeys(p.device.Units) {
		return 0
	}
	return splitTiles(s.HeadDim)
}

// UnpackedSeconds returns the same time without bounds.
func (p *Profile) UnpackedSeconds(s *UnpackedAttention) float64 {
	m := p.unpackedOn()
	t := m.seconds(&p.device, s)
	if whole := *s; !s.Contiguous && hides(s.Context, s.Window) {
		whole.Window, whole.Seen = s.Context, s.Context
		t = min(t, hiding*m.seconds(&p.device, &whole))
	}
	return t
}

// unpackedSpans are what such timings were spread over.
var unpackedSpans = spans{names: []string{"batch", "heads", "context", "window"}, beyond: 0.1}

func (s UnpackedAttention) numbers() [mostSpans]float64 {
	return [mostSpans]float64{s.Batch, s.Heads, s.Context, biting(s.Context, s.Window)}
}
func (s UnpackedAttention) kind() int { return 0 }

var unpackedFacts = &facts[UnpackedAttention]{
	class: ClassUnpacked, over: &unpackedSpans,
	read: func(r *records.Record) UnpackedAttention {
		return UnpackedAttention{decodeFacts.read(r), readOne(r, "layout", r.Optional("layout", "paged16"), "paged16", "contiguous") == 1}
	},
	describe: func(s *UnpackedAttention) string { return decodeFacts.describe(&s.DecodeAttention) },
	groups: map[string]func(*UnpackedAttention) float64{
		ByHeads:    func(s *UnpackedAttention) float64 { return s.Heads },
		ByHeadDim:  func(s *UnpackedAttention) float64 { return s.HeadDim },
		ByContexts: func(s *UnpackedAttention) float64 { return s.Context },
	},
	foldBy: []string{ByHeads, ByContexts},
	roofline: func(d *Device, s *UnpackedAttention) float64 {
		return max(s.FLOPs()/d.Peak[0], s.Bytes()/d.Bandwidth)
	},
	predict: func(p *Profile, s UnpackedAttention) Estimate { return p.UnpackedAttention(s) },
	model:   func(p *Profile) model[UnpackedAttention] { return p.unpackedOn() },
}
