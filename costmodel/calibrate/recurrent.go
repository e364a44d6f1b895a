package calibrate

import "math"

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

func (c *recurrentCurve) params() []param {
	return []param{{&c.Launch, 0}, {&c.Chunk, 0}, {&c.Bandwidth, 1}, {&c.Peak, 1}, {&c.Occupancy, 0}}
}

// seconds returns the time of one call on d.
func (c *recurrentCurve) seconds(d *device, s *Recurrent) float64 {
	blocks := s.Batch * s.ValueHeads
	chunks := math.Ceil(s.Tokens / 64)
	switch s.Kernel {
	case DeltaConvContext: // cuts the tokens up
		blocks = s.Batch * s.Channels() / 128 * chunks
		chunks = 1
	case MambaConvContext, DeltaConvStep, MambaConvStep: // a block walks all its tokens
		blocks = s.Batch * s.Channels() / 128
		chunks = 1
	}
	waves := max(1, blocks/(d.Units*c.Occupancy))
	path := waves * chunks * c.Chunk
	memory := s.Bytes() / (c.Bandwidth * d.Bandwidth)
	return c.Launch + blend(path, memory) + s.FLOPs()/(c.Peak*d.Peak[0])
}

// recurrentModel is a curve for each kernel and what they leave unexplained.
type recurrentModel struct {
	Curves      [kernels]recurrentCurve `yaml:"curves"`
	Corrections [1]table                `yaml:"corrections"`
	Spread      spread                  `yaml:"spread"`
}

func newRecurrentModel() recurrentModel {
	var m recurrentModel
	for i := range m.Curves {
		m.Curves[i] = newRecurrentCurve()
	}
	m.Corrections = [1]table{
		{Slices: int(kernels), Axes: [axes]axis{{N: 1}, {0, 1, 11}, {0, 1, 16}, {8, 1, 8}}},
	}
	return m
}

// take copies one kernel's curve, and its slice of the correction when keep is set.
func (m *recurrentModel) take(k Kernel, from *recurrentModel, keep bool) {
	m.Curves[k] = from.Curves[k]
	for i := range m.Corrections {
		to, src := &m.Corrections[i], &from.Corrections[i]
		if !keep || len(src.values) == 0 {
			continue
		}
		to.Axes = src.Axes
		if n := to.shape(); len(to.values) != n {
			to.values = make([]float32, n)
		}
		copy(to.values[int(k)*to.slice:(int(k)+1)*to.slice], src.values[int(k)*to.slice:])
	}
}

func (m *recurrentModel) curve(s *Recurrent) int { return int(s.Kernel) }
func (m *recurrentModel) curves() int            { return len(m.Curves) }
func (m *recurrentModel) params(i int) []param   { return m.Curves[i].params() }
func (m *recurrentModel) inherit(i, from int)    { m.Curves[i] = m.Curves[from] }
func (m *recurrentModel) corrections() []table   { return m.Corrections[:] }
func (m *recurrentModel) errors() *spread        { return &m.Spread }

// The kernels of Gated DeltaNet and of Mamba-2 stand in for each other.
func (m *recurrentModel) donor(f int) int         { return int(kernelTable[f].donor) }
func (m *recurrentModel) family(i int) int        { return i }
func (m *recurrentModel) shape(r *Row) *Recurrent { return &r.Recurrent }
func (m *recurrentModel) stiffness() smoothing {
	return smoothing{Axis: [axes]float64{0, .01, .01, .01}, Ridge: 1e-4, Tail: .03}
}

func (m *recurrentModel) physics(d *device, s *Recurrent) float64 {
	return m.Curves[s.Kernel].seconds(d, s)
}

func (m *recurrentModel) locate(_ int, s *Recurrent) (int, [axes]float64) {
	return int(s.Kernel), [axes]float64{1, s.Batch, s.Tokens, s.Channels()}
}

// correct returns the sum of the corrections of a shape's log time.
func (m *recurrentModel) correct(s *Recurrent) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].at(slice, &x)
	}
	return sum
}
