package arch

import "fmt"

// RGLRU is the recurrent block of Griffin (De et al., arXiv:2402.19427 §2.4), which
// RecurrentGemma has: a gated linear recurrence with one state a channel, between a
// convolution and a gate,
//
//	i = σ(W_i·x), r = σ(W_r·x)            maps of each head alone, with biases
//	a = exp(−8·softplus(decay)·r)
//	h = a⊙h + √(1−a²)⊙(i⊙x)
//	y = act(gate branch)⊙h
//
// where x is the other branch behind a causal depthwise convolution without an activation.
// The first position takes no root: h = i⊙x.
//
// Weights, with d = heads·head_dim: in [2·d, width] (gate branch, x), conv [d, d_conv], gates
// [2·d, head_dim] (W_i of each head, then W_r), decay [d], out [width, d]; biases in_bias,
// conv_bias, gates_bias and out_bias.
type RGLRU struct {
	Heads, HeadDim, DConv int
	Act                   Activation // of the gate branch
}

// Kind returns "rglru".
func (g RGLRU) Kind() string { return "rglru" }

// Name implements Mixer.
func (g RGLRU) Name() string { return g.Kind() }

// Shape implements Mixer.
func (g RGLRU) Shape() string { return fmt.Sprintf("%d channels, %d heads", g.Inner(), g.Heads) }

// Inner returns the number of channels of the recurrence, heads·head_dim.
func (g RGLRU) Inner() int { return g.Heads * g.HeadDim }

// Weights implements Mixer.
func (g RGLRU) Weights(width int) []Weight {
	d := g.Inner()
	return []Weight{
		{Name: "in", Shape: []int{2 * d, width}},
		{Name: "in_bias", Shape: []int{2 * d}, Role: Vector},
		{Name: "conv", Shape: []int{d, g.DConv}, Role: Vector},
		{Name: "conv_bias", Shape: []int{d}, Role: Vector},
		{Name: "gates", Shape: []int{2 * d, g.HeadDim}},
		{Name: "gates_bias", Shape: []int{2 * d}, Role: Vector},
		{Name: "decay", Shape: []int{d}, Role: Vector},
		{Name: "out", Shape: []int{width, d}},
		{Name: "out_bias", Shape: []int{width}, Role: Vector},
	}
}

// Check implements Mixer.
func (g RGLRU) Check(int) error {
	if err := checkActivation(g.Act, false); err != nil {
		return err
	}
	return positive("heads", g.Heads, "head_dim", g.HeadDim, "d_conv", g.DConv)
}

func (g *RGLRU) fields() []Field {
	return []Field{
		{Key: "heads", Value: &g.Heads, Doc: "heads, each with maps of its own for the gates"},
		{Key: "head_dim", Value: &g.HeadDim, Doc: "channels of a head"},
		{Key: "d_conv", Value: &g.DConv, Default: always(4), Shown: true, Doc: "taps of the convolution"},
		{Key: "activation", Value: &g.Act, Default: always(GELUTanh), Doc: "silu, relu, relu2, gelu or gelu_tanh"},
	}
}

func (g RGLRU) edit(change func([]Field)) Mixer {
	change(g.fields())
	return g
}

func (g RGLRU) detached() Mixer { return g }

// Stores implements Mixer.
func (g RGLRU) Stores() Storage {
	return Storage{StateElements: g.Inner(), ConvElements: g.Inner() * (g.DConv - 1)}
}

// Reads implements Mixer.
func (g RGLRU) Reads() Reads { return Reads{} }

// HandsOn implements Mixer: its memory is the output of the recurrence, before the gate.
func (g RGLRU) HandsOn(kind MemoryKind) int {
	if kind == ScanMemory {
		return g.Inner()
	}
	return 0
}
