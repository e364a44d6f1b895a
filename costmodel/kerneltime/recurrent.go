package kerneltime

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/internal/records"
)

// recurrentCurve is the physics of one recurrent kernel: blocks of work (sequences ×
// heads, or sequences × channels / 128 for the convolutions) that walk their tokens in
// chunks of 64 (the convolutions: in one go),
//
//	path   = waves · ⌈tokens/64⌉ · Chunk
//	memory = bytes / (Bandwidth · BW)
//	t      = Launch + (path⁴ + memory⁴)^(1/4) + FLOPs / (Peak · PEAK)
type recurrentCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Chunk     float64 `yaml:"chunk_seconds"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
	Peak      float64 `yaml:"peak_fraction"`
	Occupancy float64 `yaml:"blocks_per_unit"`
}

func newRecurrentCurve() recurrentCurve {
	return recurrentCurve{Launch: 3e-6, Chunk: 1e-6, Bandwidth: 0.6, Peak: 0.2, Occupancy: 1}
}

func (c *recurrentCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Chunk, 0}, {&c.Bandwidth, 1}, {&c.Peak, 1}, {&c.Occupancy, 0}}
}

// seconds returns the time of one call on d, in seconds.
func (c *recurrentCurve) seconds(d *Device, s *Recurrent) float64 {
	blocks := s.Batch * s.ValueHeads
	chunks := math.Ceil(s.Tokens / 64)
	switch s.Kernel {
	case DeltaConvContext: // this kernel splits the tokens among blocks
		blocks = s.Batch * s.Channels() / 128 * chunks
		chunks = 1
	case DeltaConvStep:
		blocks = s.Batch * s.Channels() / 128
		chunks = 1
	}
	waves := max(1, blocks/(d.Units*c.Occupancy))
	path := waves * chunks * c.Chunk
	memory := s.Bytes() / (c.Bandwidth * d.Bandwidth)
	return c.Launch + blend(path, memory) + s.FLOPs()/(c.Peak*d.Peak[0])
}

// recurrentModel has a curve for each kernel, and corrections for what the curves leave
// unexplained.
type recurrentModel struct {
	Curves      [kernels]recurrentCurve `yaml:"curves"`
	Corrections [1]Table                `yaml:"corrections"`
	Spread      Spread                  `yaml:"spread"`
}

func newRecurrentModel() recurrentModel {
	var m recurrentModel
	for i := range m.Curves {
		m.Curves[i] = newRecurrentCurve()
	}
	m.Corrections = [1]Table{
		{Slices: int(kernels), Axes: [axes]axis{{N: 1}, {0, 1, 11}, {0, 1, 16}, {8, 1, 8}}},
	}
	return m
}

func (m *recurrentModel) curve(s *Recurrent) int { return int(s.Kernel) }
func (m *recurrentModel) curves() int            { return len(m.Curves) }
func (m *recurrentModel) params(i int) []Param   { return m.Curves[i].params() }
func (m *recurrentModel) inherit(i, from int)    { m.Curves[i] = m.Curves[from] }
func (m *recurrentModel) corrections() []Table   { return m.Corrections[:] }
func (m *recurrentModel) errors() *Spread        { return &m.Spread }

func (m *recurrentModel) donor(f int) int  { return f }
func (m *recurrentModel) family(i int) int { return i }
func (m *recurrentModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{0, .01, .01, .01}, Ridge: 1e-4, Tail: .03}
}

func (m *recurrentModel) physics(d *Device, s *Recurrent) float64 {
	return m.Curves[s.Kernel].seconds(d, s)
}

func (m *recurrentModel) locate(_ int, s *Recurrent) (int, [axes]float64) {
	return int(s.Kernel), [axes]float64{1, s.Batch, s.Tokens, s.Channels()}
}

// correct returns the sum of the corrections of a shape's log time.
func (m *recurrentModel) correct(s *Recurrent) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *recurrentModel) lattice(pair func(small, large Recurrent)) {
	for k := range kernels {
		doublings(0, 9, func(batch float64) {
			doublings(0, 13, func(tokens float64) {
				if k.Step() && tokens > 1 || !k.Step() && batch*tokens > 1<<17 {
					return
				}
				doublings(3, 6, func(heads float64) {
					s := Recurrent{Kernel: k, Batch: batch, Tokens: tokens, KeyHeads: heads / 2, KeyDim: 128, ValueHeads: heads, ValueDim: 128, Conv: 4}
					each(pair, s, func(l *Recurrent) { l.Batch *= 2 }, func(l *Recurrent) { l.ValueHeads *= 2 })
					if !k.Step() {
						each(pair, s, func(l *Recurrent) { l.Tokens *= 2 })
					}
				})
			})
		})
	}
}

// deltaNetSpans are what such timings were spread over.
var deltaNetSpans = spans{names: []string{"batch", "channels", "tokens"}, kinds: kernelNames(), beyond: 0.2}

func (s Recurrent) numbers() [mostSpans]float64 {
	return [mostSpans]float64{s.Batch, s.Channels(), s.Tokens}
}
func (s Recurrent) kind() int { return int(s.Kernel) }

func kernelNames() (names []string) {
	for k := range kernels {
		names = append(names, k.String())
	}
	return names
}

var deltaNetFacts = &facts[Recurrent]{
	class: ClassDeltaNet, over: &deltaNetSpans,
	read: func(r *records.Record) Recurrent {
		return Recurrent{
			Kernel: readKernel(r, deltaKernels), Batch: r.Size("batch", 1), Tokens: r.Size("seq_len", 1),
			KeyHeads: r.Size("k_heads", 1), KeyDim: r.Size("k_head_dim", 1),
			ValueHeads: r.Size("v_heads", 1), ValueDim: r.Size("v_head_dim", 1), Conv: r.Size("d_conv", 1),
		}
	},
	describe: describeRecurrent,
	groups:   recurrentGroups,
	roofline: recurrentRoofline,
	predict:  func(p *Profile, s Recurrent) Estimate { return p.Recurrent(s) },
	model:    func(p *Profile) model[Recurrent] { return p.recurrent.get() },
}

func describeRecurrent(s *Recurrent) string {
	return fmt.Sprintf("%s batch %g tokens %g keys %g×%g values %g×%g", s.Kernel, s.Batch, s.Tokens, s.KeyHeads, s.KeyDim, s.ValueHeads, s.ValueDim)
}

var recurrentGroups = map[string]func(*Recurrent) float64{ByHeads: func(s *Recurrent) float64 { return s.ValueHeads }}

func recurrentRoofline(d *Device, s *Recurrent) float64 {
	return max(s.FLOPs()/d.Peak[0], s.Bytes()/d.Bandwidth)
}

// The beginnings of the kernels' names in the tables of the engines that timed them.
var deltaKernels = []kernelName{
	{"causal_conv1d_fn", DeltaConvContext}, {"causal_conv1d_update", DeltaConvStep},
	{"chunk_gated_delta_rule", DeltaContext}, {"fused_recurrent_gated_delta_rule", DeltaStep},
}

type kernelName struct {
	prefix string
	kernel Kernel
}

func readKernel(r *records.Record, known []kernelName) Kernel {
	t := r.Text("kernel")
	if r.Err() != nil {
		return 0
	}
	names := make([]string, len(known))
	for i, k := range known {
		if strings.HasPrefix(t, k.prefix) {
			return k.kernel
		}
		names[i] = k.prefix
	}
	r.Fail("kernel", "%q is none of %s", t, strings.Join(names, ", "))
	return 0
}
