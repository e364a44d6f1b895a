package kerneltime

import "math"

// scanModel has the curves of the kernels of one class, in the order of the constants, and
// corrections for what the curves leave unexplained.
type scanModel struct {
	Curves      [4]scanCurve `yaml:"curves"`
	Corrections [3]Table     `yaml:"corrections"`
	Spread      Spread       `yaml:"spread"`
}

func newScanModel(c Class) scanModel {
	var m scanModel
	for i := range m.Curves {
		m.Curves[i] = newScanCurve()
	}
	for i, a := range scanAxes[c] {
		m.Corrections[i] = Table{Slices: len(m.Curves), Axes: a}
	}
	return m
}

// scanAxes holds the axes of the corrections of each class; locate says what is measured along
// them.
var scanAxes = map[Class][3][axes]axis{
	ClassMamba1: {
		{{2, 1, 5}, {N: 1}, {1, 1, 2}, {0, 1, 17}},
		{{1, 1, 2}, {N: 1}, {N: 1}, {10, 2, 27}},
		{{1, 1, 2}, {0, 1, 10}, {0, .5, 9}, {N: 1}},
	},
	ClassSSD: {
		{{6, 1, 2}, {6, 1, 3}, {7, 1, 5}, {10, .5, 10}},
		{{0, 3, 2}, {1, 1, 2}, {6, 1, 3}, {10, .5, 10}},
		{{4, 1, 5}, {N: 1}, {0, .5, 5}, {0, .5, 9}},
	},
	ClassConv: {
		{{1, 1, 2}, {N: 1}, {N: 1}, {0, 1, 18}},
		{{1, 1, 2}, {N: 1}, {N: 1}, {10, 1, 20}},
		{{11, 1, 4}, {0, .5, 5}, {N: 1}, {0, .5, 9}},
	},
	ClassRule: {
		{{0, 1, 4}, {N: 1}, {N: 1}, {0, 1, 18}},
		{{N: 1}, {N: 1}, {N: 1}, {10, 1, 20}},
		{{10, 1, 4}, {0, .5, 6}, {N: 1}, {0, .5, 9}},
	},
}

func (m scanOf) locate(i int, s *Scan) (int, [axes]float64) {
	slice := s.Kernel.place()
	work := s.Batch * s.Channels()
	switch m.class {
	case ClassMamba1:
		kind := s.stateBytes() // for a step
		if !s.Kernel.Step() {  // the kernels of prompts have states in fp32 only
			kind = 2
			if s.ragged() {
				kind = 4
			}
		}
		switch i {
		case 0:
			return slice, [axes]float64{s.State, 1, kind, s.Tokens}
		case 1:
			return slice, [axes]float64{kind, 1, 1, work}
		}
		return slice, [axes]float64{kind, s.Batch, s.Tokens, 1}
	case ClassSSD:
		switch i {
		case 0:
			return slice, [axes]float64{s.HeadDim, s.State, max(1, s.Chunk) * s.Groups, s.Tokens * work}
		case 1:
			return slice, [axes]float64{s.Groups, s.stateBytes(), s.State, s.Tokens * work}
		}
		return slice, [axes]float64{s.Heads, 1, s.Batch, s.Tokens}
	}
	if m.class == ClassRule {
		switch i {
		case 0:
			return slice, [axes]float64{s.Heads / s.Groups, 1, 1, s.Tokens}
		case 1:
			return slice, [axes]float64{1, 1, 1, s.Tokens * work}
		}
		return slice, [axes]float64{s.Channels(), s.Batch, 1, s.Tokens}
	}
	kind := 2.0
	if s.ragged() {
		kind = 4
	}
	switch i {
	case 0:
		return slice, [axes]float64{kind, 1, 1, s.Tokens}
	case 1:
		return slice, [axes]float64{kind, 1, 1, s.Tokens * work}
	}
	return slice, [axes]float64{s.Channels(), s.Batch, 1, s.Tokens}
}

// correct returns the sum of the corrections of a shape's log time.
func (m scanOf) correct(s *Scan) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *scanModel) curve(s *Scan) int    { return s.Kernel.place() }
func (m *scanModel) curves() int          { return len(m.Curves) }
func (m *scanModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *scanModel) corrections() []Table { return m.Corrections[:] }
func (m *scanModel) errors() *Spread      { return &m.Spread }
func (m *scanModel) donor(f int) int      { return f }
func (m *scanModel) family(i int) int     { return i }
func (m *scanModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{.01, .01, .01, .01}, Ridge: 1e-3, Tail: .05}
}

func (m *scanModel) physics(d *Device, s *Scan) float64 {
	return m.Curves[s.Kernel.place()].seconds(d, s)
}

// scanOf is the model of one class together with its kernels.
type scanOf struct {
	*scanModel
	class Class
}

func (m scanOf) params(i int) []Param {
	return m.Curves[i].params(scanClasses[m.class].first + ScanKernel(i))
}

// seconds returns the time of one call, in seconds.
func (m scanOf) seconds(d *Device, s *Scan) float64 {
	return m.Curves[s.Kernel.place()].seconds(d, s) * math.Exp(m.correct(s))
}

func (m scanOf) lattice(pair func(small, large Scan)) {
	c := scanClasses[m.class]
	for k := c.first; k < c.first+c.n; k++ {
		doublings(0, 9, func(batch float64) {
			doublings(0, 16, func(tokens float64) {
				if k.Step() && tokens > 1 || !k.Step() && batch*tokens > 1<<17 {
					return
				}
				doublings(11, 14, func(channels float64) {
					s := Scan{Kernel: k, Batch: batch, Tokens: tokens, Heads: channels, HeadDim: 1, State: 16, Groups: 1}
					switch m.class {
					case ClassSSD:
						s.Heads, s.HeadDim, s.State, s.Groups = channels/64, 64, 128, 8
						if !k.Step() {
							s.Chunk = 128
						}
					case ClassConv:
						s.State = 4
					case ClassRule:
						s.Heads, s.HeadDim, s.State, s.Groups = channels/128, 128, 128, 16
					}
					each(pair, s, func(l *Scan) { l.Batch *= 2 }, func(l *Scan) { l.Heads *= 2 })
					if l := s; !k.Step() {
						l.Tokens *= 2
						if s.ragged() == l.ragged() { // a Mamba-1 scan of 64 tokens really takes longer than one of 128
							pair(s, l)
						}
					}
				})
			})
		})
	}
}
