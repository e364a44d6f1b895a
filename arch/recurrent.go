package arch

import "fmt"

// Mamba1 is the selective state-space mixer of Gu & Dao, arXiv:2312.00752.
//
// Weights: in [2·d_inner, width], conv [d_inner, d_conv], x [dt_rank + 2·d_state,
// d_inner], dt [d_inner, dt_rank] + bias, a_log [d_inner, d_state], d [d_inner],
// out [width, d_inner].
type Mamba1 struct {
	DInner, DState, DConv, DtRank int
	ConvBias, ProjBias            bool
	InnerNorms                    bool // RMSNorm on dt, B and C (Jamba)
}

// Kind returns "mamba1".
func (m *Mamba1) Kind() string { return "mamba1" }

// Weights implements Mixer.
func (m *Mamba1) Weights(width int) []Weight {
	w := []Weight{
		{Name: "in", Shape: []int{2 * m.DInner, width}},
		{Name: "conv", Shape: []int{m.DInner, m.DConv}, Role: Vector},
		{Name: "x", Shape: []int{m.DtRank + 2*m.DState, m.DInner}},
		{Name: "dt", Shape: []int{m.DInner, m.DtRank}},
		{Name: "dt_bias", Shape: []int{m.DInner}, Role: Vector},
		{Name: "a_log", Shape: []int{m.DInner, m.DState}, Role: Vector},
		{Name: "d", Shape: []int{m.DInner}, Role: Vector},
		{Name: "out", Shape: []int{width, m.DInner}},
	}
	if m.ConvBias {
		w = append(w, Weight{Name: "conv_bias", Shape: []int{m.DInner}, Role: Vector})
	}
	if m.ProjBias {
		w = append(w, Weight{Name: "in_bias", Shape: []int{2 * m.DInner}, Role: Vector},
			Weight{Name: "out_bias", Shape: []int{width}, Role: Vector})
	}
	if m.InnerNorms {
		w = append(w, Weight{Name: "inner_norms", Shape: []int{m.DtRank + 2*m.DState}, Role: Vector})
	}
	return w
}

// Check implements Mixer.
func (m *Mamba1) Check(int) error {
	return positive("d_inner", m.DInner, "d_state", m.DState, "d_conv", m.DConv, "dt_rank", m.DtRank)
}

// Mamba2 is the state-space duality mixer of Dao & Gu, arXiv:2405.21060: a scalar
// decay per head, B and C shared by the heads of a group.
//
// Weights: in [2·d_inner + 2·groups·d_state + heads, width], conv over x, B and C,
// dt_bias, a_log, d [heads], norm [d_inner] (absent where NoNorm), out [width, d_inner].
type Mamba2 struct {
	Heads, HeadDim, DState, Groups, DConv int
	ConvBias, ProjBias                    bool
	// NoNorm leaves out the gated norm: the layers that feed an nGMU have it moved
	// behind the memory's gate (paper §2), and Falcon-H1 makes it optional.
	NoNorm bool
}

// Kind returns "mamba2".
func (m *Mamba2) Kind() string { return "mamba2" }

// DInner is heads·head_dim.
func (m *Mamba2) DInner() int { return m.Heads * m.HeadDim }

// ConvChannels is the width of the convolution: x, B and C.
func (m *Mamba2) ConvChannels() int { return m.DInner() + 2*m.Groups*m.DState }

// Weights implements Mixer.
func (m *Mamba2) Weights(width int) []Weight {
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
func (m *Mamba2) Check(int) error {
	if err := positive("heads", m.Heads, "head_dim", m.HeadDim, "d_state", m.DState, "groups", m.Groups, "d_conv", m.DConv); err != nil {
		return err
	}
	if m.Heads%m.Groups != 0 {
		return fmt.Errorf("heads %d does not divide into %d groups", m.Heads, m.Groups)
	}
	return nil
}

// GatedDeltaNet is the gated delta rule of Yang et al., arXiv:2412.06464: a matrix
// state of k_dim × v_dim per value head.
//
// Weights: qkvz [2·k_heads·k_dim + 2·v_heads·v_dim, width], ba [2·v_heads, width],
// conv over q, k and v without bias, dt_bias and a_log [v_heads], norm [v_dim], out
// [width, v_heads·v_dim].
type GatedDeltaNet struct {
	KHeads, VHeads, KDim, VDim, DConv int
	NoNorm                            bool // as Mamba2.NoNorm
}

// Kind returns "gated_deltanet".
func (g *GatedDeltaNet) Kind() string { return "gated_deltanet" }

// DKey is k_heads·k_dim.
func (g *GatedDeltaNet) DKey() int { return g.KHeads * g.KDim }

// DValue is v_heads·v_dim.
func (g *GatedDeltaNet) DValue() int { return g.VHeads * g.VDim }

// ConvChannels is the width of the convolution: q, k and v.
func (g *GatedDeltaNet) ConvChannels() int { return 2*g.DKey() + g.DValue() }

// Weights implements Mixer.
func (g *GatedDeltaNet) Weights(width int) []Weight {
	w := []Weight{
		{Name: "qkvz", Shape: []int{2*g.DKey() + 2*g.DValue(), width}},
		{Name: "ba", Shape: []int{2 * g.VHeads, width}},
		{Name: "conv", Shape: []int{g.ConvChannels(), g.DConv}, Role: Vector},
		{Name: "dt_bias", Shape: []int{g.VHeads}, Role: Vector},
		{Name: "a_log", Shape: []int{g.VHeads}, Role: Vector},
		{Name: "out", Shape: []int{width, g.DValue()}},
	}
	if !g.NoNorm {
		w = append(w, Weight{Name: "norm", Shape: []int{g.VDim}, Role: Vector})
	}
	return w
}

// Check implements Mixer.
func (g *GatedDeltaNet) Check(int) error {
	if err := positive("k_heads", g.KHeads, "v_heads", g.VHeads, "k_dim", g.KDim, "v_dim", g.VDim, "d_conv", g.DConv); err != nil {
		return err
	}
	if g.VHeads%g.KHeads != 0 {
		return fmt.Errorf("v_heads %d does not divide into k_heads %d groups", g.VHeads, g.KHeads)
	}
	return nil
}
