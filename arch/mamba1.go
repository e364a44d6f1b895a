package arch

import "fmt"

// Mamba1 is the selective state-space mixer of Gu & Dao, arXiv:2312.00752.
//
// Weights: in [2·d_inner, width], conv [d_inner, d_conv], x [heads·(dt_rank + 2·d_state),
// d_inner/heads], dt [d_inner, dt_rank] + bias, a_log [d_inner, d_state], d [d_inner],
// out [width, d_inner].
type Mamba1 struct {
	DInner, DState, DConv, DtRank int
	ConvBias, ProjBias            bool
	InnerNorms                    bool // RMSNorm on dt, B and C (Jamba)
	BareNorms                     bool // the same without weights (Falcon Mamba)
	// Heads is the number of parts of the channels that have a Δ, B and C of their own, each
	// computed from that part alone (Zamba); 0 stands for one. The maps x and dt of the parts
	// follow one another.
	Heads int

	Numerics Mamba1Numerics
}

// Mamba1Numerics change what the mixer computes and nothing of what it costs.
type Mamba1Numerics struct {
	InnerEps float64 // ε of the norms without weights; 0 is the model's
}

// Kind returns "mamba1".
func (m Mamba1) Kind() string { return "mamba1" }

// Weights implements Mixer.
func (m Mamba1) Weights(width int) []Weight {
	w := []Weight{
		{Name: "in", Shape: []int{2 * m.DInner, width}},
		{Name: "conv", Shape: []int{m.DInner, m.DConv}, Role: Vector},
		{Name: "x", Shape: []int{m.Parts() * (m.DtRank + 2*m.DState), m.DInner / m.Parts()}},
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

// Parts returns how many parts of the channels have a Δ, B and C of their own.
func (m Mamba1) Parts() int { return max(m.Heads, 1) }

// Check implements Mixer.
func (m Mamba1) Check(int) error {
	if err := positive("d_inner", m.DInner, "d_state", m.DState, "d_conv", m.DConv, "dt_rank", m.DtRank); err != nil {
		return err
	}
	switch {
	case m.Heads < 0 || m.DInner%m.Parts() != 0:
		return fmt.Errorf("d_inner %d does not divide into heads %d", m.DInner, m.Heads)
	case m.Heads > 1 && (m.InnerNorms || m.BareNorms):
		return fmt.Errorf("norms on Δ, B and C are not modelled with heads %d", m.Heads)
	}
	return nil
}

// Name implements Mixer.
func (m Mamba1) Name() string { return m.Kind() }

// Shape implements Mixer.
func (m Mamba1) Shape() string {
	return fmt.Sprintf("d_inner %d, state %d", m.DInner, m.DState)
}

func (m *Mamba1) fields() []Field {
	expand := 2
	return []Field{
		{Key: "expand", Value: &expand, Default: always(2), InputOnly: true, Doc: "d_inner in widths"},
		{Key: "d_inner", Value: &m.DInner, Instead: "expand", Default: func(width int) any { return product(expand, width) },
			Doc: "channels of the scan"},
		{Key: "d_state", Value: &m.DState, Default: always(16), Shown: true, Vary: func(n int) { m.DState = n },
			Doc: "state elements of a channel"},
		{Key: "d_conv", Value: &m.DConv, Default: always(4), Shown: true, Doc: "taps of the convolution"},
		{Key: "dt_rank", Value: &m.DtRank, Default: func(width int) any { return DtRank(width) }, Doc: "rank of the time step's map"},
		{Key: "heads", Value: &m.Heads, AllowZero: true, Default: always(0), Doc: "parts of the channels with Δ, B and C of their own; 0: one"},
		{Key: "conv_bias", Value: &m.ConvBias, Default: always(true), Doc: "bias of the convolution"},
		flag("proj_bias", &m.ProjBias, "bias on the projections in and out"),
		flag("inner_norms", &m.InnerNorms, "norms on Δ, B and C"),
		flag("bare_norms", &m.BareNorms, "norms without weights on Δ, B and C, unless inner_norms"),
	}
}

func (m Mamba1) edit(change func([]Field)) Mixer {
	change(m.fields())
	return m
}

func (m Mamba1) detached() Mixer { return m }

// Stores implements Mixer.
func (m Mamba1) Stores() Storage {
	return Storage{StateElements: m.DInner * m.DState, ConvElements: m.DInner * (m.DConv - 1)}
}

// Reads implements Mixer.
func (m Mamba1) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is the output of the scan, before gate and norm.
func (m Mamba1) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return m.DInner
	}
	return 0
}

// DtRank returns the rank that Mamba itself chooses for the map to the time step: a sixteenth of
// the width, rounded up.
func DtRank(width int) int { return (width + 15) / 16 }

// product multiplies two sizes. A result above MaxDimension means that the product is too large;
// with sizes of at most 2³¹ on a 64-bit machine, nothing overflows.
func product(a, b int) int {
	if a > MaxDimension || b > MaxDimension {
		return MaxDimension + 1
	}
	return a * b
}
