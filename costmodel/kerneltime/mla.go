package kerneltime

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// MLADecode is one decode step of multi-head latent attention in its absorbed form: Batch queries of
// Heads heads over Context cached rows of Rank latent and Rope rotary elements, which serve all
// heads as keys and, without the rotary part, as values (DeepSeek-V2, arXiv:2405.04434, section 2.1).
type MLADecode struct {
	Batch, Heads, Rank, Rope float64
	Context                  float64
	Seen                     float64         // mean number of rows that a query reads, where sequences differ or an indexer chooses; 0 stands for the context
	KVDType                  precision.DType // format of the cache; queries and results have 16 bits
}

// Visible returns how many cached rows a query reads.
func (s *MLADecode) Visible() float64 {
	if s.Seen > 0 {
		return s.Seen
	}
	return s.Context
}

// Bytes returns what a call must move, each cached row once:
//
//	batch · visible · (rank + rope) · bytes(kv) + 2 · batch · heads · (2·rank + rope)
func (s *MLADecode) Bytes() float64 {
	return s.Batch*s.Visible()*(s.Rank+s.Rope)*s.KVDType.Bytes() + 2*s.Batch*s.Heads*(2*s.Rank+s.Rope)
}

// FLOPs returns 2 · batch · heads · visible · (2·rank + rope).
func (s *MLADecode) FLOPs() float64 {
	return 2 * s.Batch * s.Heads * s.Visible() * (2*s.Rank + s.Rope)
}

// mlaTile is how many query heads of a sequence form one tile of FlashAttention-3's products.
const mlaTile = 64

// MLAWhole is the largest number of rows that the library never splits; one row more takes
// noticeably longer.
const MLAWhole = 256

// mlaCurve is the physics of such a step. A tile of query heads of a sequence is a block, which
// reads all rows its sequence sees; where blocks leave units idle, rows are split over several,
// each of Chunk rows at least. A block's queries are loaded before its rows and its results stored
// behind them, which nothing overlaps:
//
//	blocks  = batch · ⌈heads/64⌉
//	splits  = clamp(units / blocks, 1, visible / Chunk)
//	waves   = max(1, blocks · splits / units)
//	ends    = waves · (Start + min(heads, 64) · Query)
//	path    = waves · visible/splits · (rank + rope) · bytes / Stream
//	memory  = bytes / (Bandwidth · BW)
//	compute = blocks · 64 · visible · 2 · (2·rank + rope) / (Peak · PEAK)
//	t       = Launch + ends + (path⁴ + max(memory, compute)⁴)^(1/4)
//	          and past 256 rows: + Combine + batch · heads · splits · rank · 8 / (units · Merge)
//
// the last being partial results in fp32, written and read: past four tiles of 64 rows the library
// launches the kernel that splits and the one that combines, even for one part.
type mlaCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Start     float64 `yaml:"block_start_seconds"`
	Query     float64 `yaml:"query_head_seconds"`
	Stream    float64 `yaml:"unit_stream"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
	Peak      float64 `yaml:"peak_fraction"`
	Chunk     float64 `yaml:"split_rows"`
	Combine   float64 `yaml:"combine_seconds"`
	Merge     float64 `yaml:"unit_merge_stream"`
}

func newMLACurve() mlaCurve {
	return mlaCurve{Launch: 6e-6, Start: 5e-6, Query: 1e-7, Stream: 5e10, Bandwidth: 0.9, Peak: 0.65, Chunk: 256, Combine: 2e-6, Merge: 4e10}
}

func (c *mlaCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Start, 0}, {&c.Query, 0}, {&c.Stream, 0}, {&c.Bandwidth, 1}, {&c.Peak, 1}, {&c.Chunk, 0}, {&c.Combine, 0}, {&c.Merge, 0}}
}

func (c *mlaCurve) seconds(d *Device, s *MLADecode) float64 {
	seen := s.Visible()
	tiles := math.Ceil(s.Heads / mlaTile)
	blocks := s.Batch * tiles
	splits := max(1, min(d.Units/blocks, seen/c.Chunk))
	waves := max(1, blocks*splits/d.Units)
	path := waves * seen / splits * (s.Rank + s.Rope) * s.KVDType.Bytes() / c.Stream
	memory := s.Bytes() / (c.Bandwidth * d.Bandwidth)
	compute := blocks * mlaTile * seen * 2 * (2*s.Rank + s.Rope) / (c.Peak * d.Peak[0])
	t := c.Launch + waves*(c.Start+min(s.Heads, mlaTile)*c.Query) + blend(path, max(memory, compute))
	if seen > MLAWhole {
		t += c.Combine + s.Batch*s.Heads*splits*s.Rank*8/(d.Units*c.Merge)
	}
	return t
}

// mlaModel has one curve, and corrections for what the curve leaves unexplained.
type mlaModel struct {
	Curve       mlaCurve      `yaml:"curve"`
	Corrections [1]Table      `yaml:"corrections"`
	Spread      Spread        `yaml:"spread"`
	Rows        []float64     `yaml:"row_elements,flow"` // rank + rope of the caches that were timed
	Measured    [formats]bool `yaml:"measured,flow"`     // whether caches in 16 bits, and in 8 bits, were timed
}

func newMLAModel() mlaModel {
	return mlaModel{Curve: newMLACurve(), Corrections: [1]Table{{Slices: 1, Axes: [axes]axis{{4, 1, 4}, {0, 1, 10}, {N: 1}, {8, 1, 10}}}}}
}

func (m *mlaModel) curve(*MLADecode) int                    { return 0 }
func (m *mlaModel) curves() int                             { return 1 }
func (m *mlaModel) family(int) int                          { return 0 }
func (m *mlaModel) donor(int) int                           { return 0 }
func (m *mlaModel) params(int) []Param                      { return m.Curve.params() }
func (m *mlaModel) inherit(int, int)                        {}
func (m *mlaModel) physics(d *Device, s *MLADecode) float64 { return m.Curve.seconds(d, s) }
func (m *mlaModel) corrections() []Table                    { return m.Corrections[:] }
func (m *mlaModel) errors() *Spread                         { return &m.Spread }
func (m *mlaModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{.02, .02, .02, .02}, Ridge: 1e-3, Tail: .05}
}

func (m *mlaModel) locate(_ int, s *MLADecode) (int, [axes]float64) {
	return 0, [axes]float64{s.Heads, s.Batch, 1, s.Visible()}
}

func (m *mlaModel) correct(s *MLADecode) float64 {
	slice, x := m.locate(0, s)
	return m.Corrections[0].At(slice, &x)
}

func (m *mlaModel) lattice(pair func(small, large MLADecode)) {
	doublings(0, 9, func(batch float64) {
		doublings(3, 8, func(heads float64) {
			doublings(6, 17, func(context float64) {
				s := MLADecode{Batch: batch, Heads: heads, Rank: 512, Rope: 64, Context: context, KVDType: precision.BF16}
				each(pair, s, func(l *MLADecode) { l.Batch *= 2 }, func(l *MLADecode) { l.Context *= 2 }, func(l *MLADecode) { l.Heads *= 2 })
			})
		})
	})
}

// MLADecode predicts one decode step of latent attention.
func (p *Profile) MLADecode(s MLADecode) Estimate {
	m := p.mla.get()
	return reach(m.Spread.estimate(p.MLASeconds(&s)).among(m.Rows, s.Rank+s.Rope, m.Measured[formatOf(s.KVDType)]), &mlaSpans, p.timed[ClassMLA], s)
}

// MLASeconds returns the same time without bounds.
func (p *Profile) MLASeconds(s *MLADecode) float64 {
	m := p.mla.get()
	return m.physics(&p.device, s) * math.Exp(m.correct(s))
}

// MLARows lists the numbers of elements of the cached rows that were timed, in ascending order.
func (p *Profile) MLARows() []float64 { return append([]float64(nil), p.mla.get().Rows...) }

// mlaSpans are what such timings were spread over.
var mlaSpans = spans{names: []string{"batch", "heads", "context"}, beyond: 0.1}

func (s MLADecode) numbers() [mostSpans]float64 {
	return [mostSpans]float64{s.Batch, s.Heads, s.Visible()}
}
func (s MLADecode) kind() int { return 0 }

var mlaFacts = &facts[MLADecode]{
	class: ClassMLA, over: &mlaSpans,
	read: func(r *records.Record) MLADecode {
		return MLADecode{
			Batch: r.Size("batch", 1), Heads: r.Size("heads", 1), Rank: r.Size("kv_lora_rank", 1), Rope: r.Size("rope_dim", 0),
			Context: r.Size("context", 1), KVDType: r.Format("kv_dtype"),
		}
	},
	describe: func(s *MLADecode) string {
		return fmt.Sprintf("%s batch %g heads %g rows %g+%g context %g", s.KVDType, s.Batch, s.Heads, s.Rank, s.Rope, s.Context)
	},
	groups: map[string]func(*MLADecode) float64{
		ByHeads:    func(s *MLADecode) float64 { return s.Heads },
		ByHeadDim:  func(s *MLADecode) float64 { return s.Rank + s.Rope },
		ByContexts: func(s *MLADecode) float64 { return s.Context },
	},
	roofline: func(d *Device, s *MLADecode) float64 { return max(s.FLOPs()/d.Peak[0], s.Bytes()/d.Bandwidth) },
	predict:  func(p *Profile, s MLADecode) Estimate { return p.MLADecode(s) },
	model:    func(p *Profile) model[MLADecode] { return p.mla.get() },
	note: func(p *Profile, s *MLADecode) {
		m := p.mla.get()
		m.Measured[formatOf(s.KVDType)] = true
		noteDim(&m.Rows, s.Rank+s.Rope)
	},
}
