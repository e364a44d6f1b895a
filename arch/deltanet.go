package arch

import "fmt"

// GatedDeltaNet is the gated delta rule of Yang et al., arXiv:2412.06464: a matrix
// state of k_dim × v_dim per value head.
//
// Weights: qkvz [2·k_heads·k_dim + 2·v_heads·v_dim, width], ba [2·v_heads, width],
// conv over q, k and v without bias, dt_bias and a_log [v_heads], norm [v_dim], out
// [width, v_heads·v_dim].
type GatedDeltaNet struct {
	KHeads, VHeads, KDim, VDim, DConv int
	NoNorm                            bool // as in Mamba2
	// DoubleBeta lets β reach 2, so that a state can change its sign (OLMo Hybrid; Grazzi et al.,
	// arXiv:2411.12537).
	DoubleBeta bool

	Numerics GatedDeltaNetNumerics
}

// GatedDeltaNetNumerics change what the mixer computes and nothing of what it costs.
type GatedDeltaNetNumerics struct {
	NormEps float64 // ε of its norm; 0 is the model's
}

// Kind returns "gated_deltanet".
func (g GatedDeltaNet) Kind() string { return "gated_deltanet" }

// DKey is k_heads·k_dim.
func (g GatedDeltaNet) DKey() int { return g.KHeads * g.KDim }

// DValue is v_heads·v_dim.
func (g GatedDeltaNet) DValue() int { return g.VHeads * g.VDim }

// ConvChannels is the width of the convolution: q, k and v.
func (g GatedDeltaNet) ConvChannels() int { return 2*g.DKey() + g.DValue() }

// Weights implements Mixer.
func (g GatedDeltaNet) Weights(width int) []Weight {
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
func (g GatedDeltaNet) Check(int) error {
	if err := positive("k_heads", g.KHeads, "v_heads", g.VHeads, "k_dim", g.KDim, "v_dim", g.VDim, "d_conv", g.DConv); err != nil {
		return err
	}
	if g.VHeads%g.KHeads != 0 {
		return fmt.Errorf("v_heads %d does not divide into k_heads %d groups", g.VHeads, g.KHeads)
	}
	return nil
}

// Name implements Mixer.
func (g GatedDeltaNet) Name() string { return g.Kind() }

// Shape implements Mixer.
func (g GatedDeltaNet) Shape() string {
	return fmt.Sprintf("%d × %d keys, %d × %d values", g.KHeads, g.KDim, g.VHeads, g.VDim)
}

func (g *GatedDeltaNet) fields() []Field {
	return []Field{
		{Key: "k_heads", Value: &g.KHeads, Doc: "query and key heads"},
		{Key: "v_heads", Value: &g.VHeads, Shown: true, Default: func(int) any { return g.KHeads }, Doc: "value heads"},
		{Key: "k_dim", Value: &g.KDim, Doc: "elements of a key"},
		{Key: "v_dim", Value: &g.VDim, Shown: true, Default: func(int) any { return g.KDim }, Doc: "elements of a value"},
		{Key: "d_conv", Value: &g.DConv, Default: always(4), Shown: true, Doc: "taps of the convolution"},
		ownNormField(&g.NoNorm),
		flag("double_beta", &g.DoubleBeta, "β from 0 to 2 instead of 0 to 1"),
	}
}

func (g GatedDeltaNet) edit(change func([]Field)) Mixer {
	change(g.fields())
	return g
}

func (g GatedDeltaNet) detached() Mixer { return g }

// Stores implements Mixer.
func (g GatedDeltaNet) Stores() Storage {
	return Storage{StateElements: g.VHeads * g.KDim * g.VDim, ConvElements: g.ConvChannels() * (g.DConv - 1)}
}

// Reads implements Mixer.
func (g GatedDeltaNet) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is the output of the scan, before gate and norm.
func (g GatedDeltaNet) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return g.DValue()
	}
	return 0
}

func (g GatedDeltaNet) ownNorm() bool { return !g.NoNorm }

func (g GatedDeltaNet) withOwnNorm(present bool) Mixer {
	g.NoNorm = !present
	return g
}
