package arch

import "fmt"

// Mamba2 is the state-space duality mixer of Dao & Gu, arXiv:2405.21060: a scalar
// decay per head, B and C shared by the heads of a group.
//
// Weights: in [2·d_inner + 2·groups·d_state + heads, width], conv over x, B and C,
// dt_bias, a_log, d [heads], norm [d_inner] (absent where NoNorm), out [width, d_inner].
type Mamba2 struct {
	Heads, HeadDim, DState, Groups, DConv int
	ConvBias, ProjBias                    bool
	// NoNorm leaves out the gated norm: for layers that feed an nGMU, the norm is after the gate
	// of that memory instead (paper §2), and in Falcon-H1 it is optional.
	NoNorm bool

	Numerics Mamba2Numerics
}

// Mamba2Numerics change what the mixer computes and nothing of what it costs.
type Mamba2Numerics struct {
	NormGroups int     // into how many equal parts the norm divides its input; 0 stands for one
	NormFirst  bool    // whether the norm is before the gate, not after it
	NormEps    float64 // ε of its norm; 0 is the model's
}

// Kind returns "mamba2".
func (m Mamba2) Kind() string { return "mamba2" }

// DInner returns heads·head_dim.
func (m Mamba2) DInner() int { return m.Heads * m.HeadDim }

// ConvChannels returns the width of the convolution: x, B and C.
func (m Mamba2) ConvChannels() int { return m.DInner() + 2*m.Groups*m.DState }

// Weights implements Mixer.
func (m Mamba2) Weights(width int) []Weight {
	in := m.DInner() + m.ConvChannels() + m.Heads
	w := []Weight{
		{Name: "in", Shape: []int{in, width}},
		{Name: "conv", Shape: []int{m.ConvChannels(), m.DConv}, Role: Vector},
		{Name: "dt_bias", Shape: []int{m.Heads}, Role: Vector},
		{Name: "a_log", Shape: []int{m.Heads}, Role: Vector},
		{Name: "d", Shape: []int{m.Heads}, Role: Vector},
		{Name: "out", Shape: []int{width, m.DInner()}},
	}
	if !m.NoNorm {
		w = append(w, Weight{Name: "norm", Shape: []int{m.DInner()}, Role: Vector})
	}
	if m.ConvBias {
		w = append(w, Weight{Name: "conv_bias", Shape: []int{m.ConvChannels()}, Role: Vector})
	}
	if m.ProjBias {
		w = append(w, Weight{Name: "in_bias", Shape: []int{in}, Role: Vector},
			Weight{Name: "out_bias", Shape: []int{width}, Role: Vector})
	}
	return w
}

// Check implements Mixer.
func (m Mamba2) Check(int) error {
	if err := positive("heads", m.Heads, "head_dim", m.HeadDim, "d_state", m.DState, "groups", m.Groups, "d_conv", m.DConv); err != nil {
		return err
	}
	if m.Heads%m.Groups != 0 {
		return fmt.Errorf("heads %d does not divide into %d groups", m.Heads, m.Groups)
	}
	return nil
}

// Name implements Mixer.
func (m Mamba2) Name() string { return m.Kind() }

// Shape implements Mixer.
func (m Mamba2) Shape() string {
	return fmt.Sprintf("%d heads × %d, state %d", m.Heads, m.HeadDim, m.DState)
}

func (m *Mamba2) fields() []Field {
	expand := 2
	return []Field{
		{Key: "expand", Value: &expand, Default: always(2), InputOnly: true, Doc: "heads·head_dim in widths"},
		{Key: "heads", Value: &m.Heads, Shown: true, Instead: "expand", Default: func(width int) any {
			dim, inner := m.HeadDim, product(expand, width)
			if dim == 0 {
				dim = 64
			}
			if inner%dim != 0 {
				return fmt.Errorf("head_dim %d does not divide expand·width %d: set heads", dim, inner)
			}
			return inner / dim
		}, Doc: "heads of the scan"},
		{Key: "head_dim", Value: &m.HeadDim, Default: always(64), Shown: true, Doc: "channels of a head"},
		{Key: "d_state", Value: &m.DState, Default: always(128), Shown: true, Vary: func(n int) { m.DState = n },
			Doc: "state elements of a channel"},
		{Key: "groups", Value: &m.Groups, Default: always(1), Shown: true, Doc: "groups of heads that share B and C"},
		{Key: "d_conv", Value: &m.DConv, Default: always(4), Shown: true, Doc: "taps of the convolution"},
		{Key: "conv_bias", Value: &m.ConvBias, Default: always(true), Doc: "bias of the convolution"},
		flag("proj_bias", &m.ProjBias, "bias on the projections in and out"),
		ownNormField(&m.NoNorm),
	}
}

func (m Mamba2) edit(change func([]Field)) Mixer {
	change(m.fields())
	return m
}

func (m Mamba2) detached() Mixer { return m }

// Stores implements Mixer.
func (m Mamba2) Stores() Storage {
	return Storage{StateElements: m.DInner() * m.DState, ConvElements: m.ConvChannels() * (m.DConv - 1)}
}

// Reads implements Mixer.
func (m Mamba2) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is the output of the scan, before gate and norm.
func (m Mamba2) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return m.DInner()
	}
	return 0
}

func (m Mamba2) ownNorm() bool { return !m.NoNorm }

func (m Mamba2) withOwnNorm(present bool) Mixer {
	m.NoNorm = !present
	return m
}
