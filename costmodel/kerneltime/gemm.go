package kerneltime

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// gemmCurve is the physics of one number format's matrix products on one GPU:
//
//	t = Launch + ((waves · tile)⁴ + (bytes / min(Bandwidth · BW, blocks · Unit))⁴)^(1/4)
//
// The output is cut into tiles of bm × bn; a tile that would leave units idle is split
// along K. Each unit works through its tiles in turn:
//
//	waves = ⌈tiles · splits / units⌉
//	tile  = Start + K/splits · max(2·bm·bn / (Peak·PEAK/units), (bm+bn)·bytes / Feed)
//
// with the fastest of a few tile sizes taken, as the libraries do. PEAK and BW are the
// datasheet's; what one unit feeds on is its own, as clocks differ little between GPUs.
type gemmCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Start     float64 `yaml:"tile_start_seconds"`
	Peak      float64 `yaml:"peak_fraction"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
	Feed      float64 `yaml:"unit_feed"`       // bytes/s of tiles from the cache into one unit
	Unit      float64 `yaml:"unit_stream"`     // the most bytes/s of memory that one unit reads
	Split     float64 `yaml:"split_seconds"`   // seconds for adding up the splits along K
	Depth     float64 `yaml:"split_depth"`     // smallest K of a split
	Convert   float64 `yaml:"convert_seconds"` // seconds for each element of the activations, to quantise them
	Row       float64 `yaml:"row_seconds"`     // seconds for each row of the activations, to quantise them
}

func newGEMMCurve() gemmCurve {
	return gemmCurve{
		Launch: 2e-6, Start: 1e-6, Peak: 0.75, Bandwidth: 0.8, Feed: 1.5e11, Unit: 6e10, Split: 5e-7, Depth: 512, Convert: 1e-13, Row: 1e-10,
	}
}

func (c *gemmCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Start, 0}, {&c.Peak, 1}, {&c.Bandwidth, 1}, {&c.Feed, 0}, {&c.Unit, 0}, {&c.Split, 0}, {&c.Depth, 0}, {&c.Convert, 0}, {&c.Row, 0}}
}

// tiles lists the output tiles that are tried, rows × columns; those with few rows are for few
// tokens.
var tiles = [...]struct{ m, n float64 }{{16, 64}, {64, 64}, {64, 128}, {128, 128}, {128, 256}}

// seconds returns the time of a product on d.
func (c *gemmCurve) seconds(d *Device, s *GEMM) float64 {
	format := s.format()
	elem := 2.0
	if format == 1 {
		elem = 1
	}
	perFLOP := 2 * d.Units / (c.Peak * d.Peak[format]) // seconds that one unit takes for a multiply-add
	perByte := elem / c.Feed
	bytes := elem*s.M*s.K + s.DType.Bytes()*s.K*s.N + 2*s.M*s.N
	fastest := math.Inf(1)
	for i := range tiles {
		t := &tiles[i]
		n := math.Ceil(s.M/t.m) * math.Ceil(s.N/t.n)
		split, extra := 1.0, 0.0
		if n*2 <= d.Units {
			split = math.Floor(min(d.Units/n, s.K/c.Depth))
			if split > 1 {
				extra = c.Split
			} else {
				split = 1
			}
		}
		blocks := n * split
		waves := math.Ceil(blocks / d.Units)
		depth := s.K / split
		compute := waves * (c.Start + depth*max(t.m*t.n*perFLOP, (t.m+t.n)*perByte))
		memory := bytes / min(c.Bandwidth*d.Bandwidth, c.Unit*min(blocks, d.Units))
		if extra+max(compute, memory) < fastest { // with imperfect overlap it would take even longer
			fastest = min(fastest, extra+blend(compute, memory))
		}
	}
	return c.Launch + fastest + s.M*(c.Row+c.Convert*s.K)
}

// gemmModel has a curve for each format, and corrections for what the curves leave unexplained.
type gemmModel struct {
	Curves      [formats]gemmCurve `yaml:"curves"`
	Corrections [2]Table           `yaml:"corrections"`
	Spread      Spread             `yaml:"spread"`
	Measured    [formats]bool      `yaml:"measured,flow"` // whether products in 16 bits, and in 8 bits, were timed

	// Ragged says that products were timed whose number of rows is above eight and no multiple of
	// eight. On most GPUs, such products take another time than their neighbours: mostly less
	// where there are few columns, and more where there are many. Where they were not timed, they
	// are taken to be like their neighbours.
	Ragged bool `yaml:"ragged"`
}

// ragged reports whether the number of a product's rows is no multiple of eight, if such products
// were timed.
func (m *gemmModel) ragged(s *GEMM) bool {
	return s.M != 8*math.Floor(s.M/8) && (s.M < 8 || m.Ragged)
}

func newGEMMModel() gemmModel {
	m := gemmModel{Curves: [formats]gemmCurve{newGEMMCurve(), newGEMMCurve()}}
	// Eight-bit products quantise their activations first and do not split K.
	m.Curves[1].Convert, m.Curves[1].Row, m.Curves[1].Depth = 2e-12, 5e-9, 10000
	m.Corrections = [2]Table{
		{Slices: formats, Axes: [axes]axis{{0, 1, 2}, {0, 4, 53}, {5, .5, 7}, {5, .5, 7}}},
		{Slices: formats, Axes: [axes]axis{{N: 1}, {0, 2, 27}, {5, 2, 23}, {5, 2, 23}}},
	}
	return m
}

func (m *gemmModel) curve(s *GEMM) int    { return s.format() }
func (m *gemmModel) curves() int          { return formats }
func (m *gemmModel) params(i int) []Param { return m.Curves[i].params() }
func (m *gemmModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *gemmModel) corrections() []Table { return m.Corrections[:] }
func (m *gemmModel) errors() *Spread      { return &m.Spread }
func (m *gemmModel) donor(f int) int      { return 1 - f }
func (m *gemmModel) family(i int) int     { return i }
func (m *gemmModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{.003, .05, .03, .03}, Slice: .003, Ridge: 1e-3, Tail: .03}
}

func (m *gemmModel) physics(d *Device, s *GEMM) float64 {
	return m.Curves[s.format()].seconds(d, s)
}

func (m *gemmModel) locate(_ int, s *GEMM) (int, [axes]float64) {
	ragged := 1.0
	if m.ragged(s) {
		ragged = 2
	}
	return s.format(), [axes]float64{ragged, s.M, s.N, s.K}
}

// correct returns the sum of the corrections of a shape's log time.
func (m *gemmModel) correct(s *GEMM) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *gemmModel) lattice(pair func(small, large GEMM)) {
	for _, dt := range []precision.DType{precision.BF16, precision.FP8} {
		doublings(0, 14, func(rows float64) {
			doublings(7, 15, func(n float64) {
				doublings(7, 15, func(k float64) {
					s := GEMM{M: rows, N: n, K: k, DType: dt}
					// Products with eight rows or more run on other kernels than those with
					// fewer.
					if rows != 4 {
						each(pair, s, func(l *GEMM) { l.M *= 2 })
					}
					each(pair, s, func(l *GEMM) { l.N *= 2 }, func(l *GEMM) { l.K *= 2 })
				})
			})
		})
	}
}

// matrixGroup deals matrices into groups by a hash (SplitMix64 by Steele, Lea and Flood), which
// is the same on every machine.
func matrixGroup(s *GEMM) float64 {
	z := uint64(int(s.N)*131072+int(s.K)) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z % 10)
}

// gemmSpans are what such timings were spread over.
var gemmSpans = spans{names: []string{"rows", "columns", "depth"}, beyond: 0.2}

func (s GEMM) numbers() [mostSpans]float64 { return [mostSpans]float64{s.M, s.N, s.K} }
func (s GEMM) kind() int                   { return 0 }

var gemmFacts = &facts[GEMM]{
	class: ClassGEMM, over: &gemmSpans,
	read: func(r *records.Record) GEMM {
		return GEMM{M: r.Size("m", 1), N: r.Size("n", 1), K: r.Size("k", 1), DType: r.Format("dtype")}
	},
	describe: func(s *GEMM) string { return fmt.Sprintf("%s %g×%g×%g", s.DType, s.M, s.N, s.K) },
	groups:   map[string]func(*GEMM) float64{ByMatrix: matrixGroup},
	roofline: func(d *Device, s *GEMM) float64 {
		return max(s.FLOPs()/d.Peak[s.format()], s.Bytes()/d.Bandwidth)
	},
	predict: func(p *Profile, s GEMM) Estimate { return p.GEMM(s) },
	model:   func(p *Profile) model[GEMM] { return p.gemm.get() },
	note: func(p *Profile, s *GEMM) {
		m := p.gemm.get()
		m.Measured[s.format()] = true
		m.Ragged = m.Ragged || s.M > 8 && s.M != 8*math.Floor(s.M/8)
	},
}
