package kerneltime

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/internal/records"
)

// allReduceCurve is the physics of one all-reduce over g devices:
//
//	t = Launch + (((g−1) · Hop)⁴ + (2·(g−1)/g · bytes / (Bandwidth · LINK))⁴)^(1/4)
//
// the second term being what a ring must send from each device.
type allReduceCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Hop       float64 `yaml:"hop_seconds"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
}

func newAllReduceCurve() allReduceCurve {
	return allReduceCurve{Launch: 4e-6, Hop: 3e-7, Bandwidth: 0.7}
}

func (c *allReduceCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Hop, 0}, {&c.Bandwidth, 1}}
}

// hostLink is the rate of a PCIe 4.0 ×16 link in bytes/s, for devices without links of their own
// (PCI-SIG: 16 GT/s × 16 lanes, 128b/130b).
const hostLink = 31.5e9

func (c *allReduceCurve) seconds(d *Device, s *AllReduce) float64 {
	if s.GPUs < 2 {
		return 0
	}
	link := d.Link
	if link == 0 {
		link = hostLink
	}
	wire := 2 * (s.GPUs - 1) / s.GPUs * s.Bytes / (c.Bandwidth * link)
	return c.Launch + blend((s.GPUs-1)*c.Hop, wire)
}

// allReduceModel has one curve for all-reduces inside a CUDA graph and one for those launched one
// by one, and corrections for what the curves leave unexplained.
type allReduceModel struct {
	Curves      [2]allReduceCurve `yaml:"curves"`
	Corrections [1]Table          `yaml:"corrections"`
	Spread      Spread            `yaml:"spread"`
}

func newAllReduceModel() allReduceModel {
	m := allReduceModel{Curves: [2]allReduceCurve{newAllReduceCurve(), newAllReduceCurve()}}
	m.Curves[1].Launch = 2e-5
	m.Corrections = [1]Table{
		{Slices: 2, Axes: [axes]axis{{N: 1}, {N: 1}, {1, 1, 3}, {8, 1, 23}}},
	}
	return m
}

func (m *allReduceModel) curve(s *AllReduce) int {
	if s.Eager {
		return 1
	}
	return 0
}

func (m *allReduceModel) curves() int          { return len(m.Curves) }
func (m *allReduceModel) params(i int) []Param { return m.Curves[i].params() }
func (m *allReduceModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *allReduceModel) corrections() []Table { return m.Corrections[:] }
func (m *allReduceModel) errors() *Spread      { return &m.Spread }
func (m *allReduceModel) donor(f int) int      { return 1 - f }
func (m *allReduceModel) family(i int) int     { return i }
func (m *allReduceModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{0, 0, .02, .02}, Ridge: 1e-4, Tail: .03}
}

func (m *allReduceModel) physics(d *Device, s *AllReduce) float64 {
	return m.Curves[m.curve(s)].seconds(d, s)
}

func (m *allReduceModel) locate(_ int, s *AllReduce) (int, [axes]float64) {
	return m.curve(s), [axes]float64{1, 1, s.GPUs, s.Bytes}
}

// correct returns the sum of the corrections of a shape's log time.
func (m *allReduceModel) correct(s *AllReduce) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *allReduceModel) lattice(pair func(small, large AllReduce)) {
	for _, eager := range []bool{false, true} {
		for _, gpus := range []float64{2, 4, 8} {
			doublings(8, 29, func(bytes float64) {
				each(pair, AllReduce{GPUs: gpus, Bytes: bytes, Eager: eager}, func(l *AllReduce) { l.Bytes *= 2 })
			})
		}
	}
}

// allReduceSpans are what such timings were spread over.
var allReduceSpans = spans{names: []string{"devices", "bytes"}, beyond: 0.2}

func (s AllReduce) numbers() [mostSpans]float64 { return [mostSpans]float64{s.GPUs, s.Bytes} }
func (s AllReduce) kind() int                   { return 0 }

var allReduceFacts = &facts[AllReduce]{
	class: ClassAllReduce, over: &allReduceSpans,
	read: func(r *records.Record) AllReduce {
		return AllReduce{
			GPUs: r.Size("gpus", 2), Bytes: r.Size("message_elements", 1) * r.Format("dtype").Bytes(),
			Eager: strings.HasSuffix(r.Text("backend"), "eager"),
		}
	},
	describe: func(s *AllReduce) string { return fmt.Sprintf("gpus %g bytes %g", s.GPUs, s.Bytes) },
	groups:   nil,
	roofline: func(d *Device, s *AllReduce) float64 {
		link := d.Link
		if link == 0 {
			link = hostLink
		}
		return 2 * (s.GPUs - 1) / s.GPUs * s.Bytes / link
	},
	predict: func(p *Profile, s AllReduce) Estimate { return p.AllReduce(s) },
	model:   func(p *Profile) model[AllReduce] { return p.allReduce.get() },
}
