package arch

import "fmt"

// GMUVariant selects which unit a GMU is.
type GMUVariant uint8

// The variants.
const (
	// GatedMemory is the paper's unit, Y = (M ⊙ SiLU(X·W1ᵀ))·W2 (paper §2).
	GatedMemory GMUVariant = iota
	// SigmoidGMU is the skill card's unit: c=W_c x; m=W_m mix; g=σ(W_g[c;m]);
	// out=W_o·SiLU(g⊙c+(1−g)⊙m), with biases. Its mix is the memory layer's mixer
	// output (the previous GMU's, as wide as the model).
	SigmoidGMU
)

// MemoryKind says which intermediate of the memory layer a GMU gates.
type MemoryKind uint8

// What a layer can hand on as memory.
const (
	NoMemory        MemoryKind = iota
	ScanMemory                 // recurrent output before its gate (and norm): sambay, mambay, -2, gdny
	AttentionMemory            // attention's inner output: sambay-a, sambay-aa
	MLPMemory                  // the MLP's linear branch: sambay-mlp
	OutputMemory               // the mixer's output, as wide as the model: sigmoid GMU
)

// GMU is a Gated Memory Unit. It stores nothing: the memory is made by another
// layer for the same token in the same step.
//
// Weights: in [d_mem, width], out [width, d_mem], norm [d_mem] where Normed. The
// sigmoid variant: current, mixed, out [width, width] and gate [width, 2·width],
// each with a bias.
type GMU struct {
	Memory  Ref        // layer the memory is from
	From    MemoryKind // which of its intermediates
	DMem    int        // width of the memory
	Normed  bool       // nGMU: RMSNorm after the product
	Variant GMUVariant
}

// Kind returns "gmu", "ngmu" or "sigmoid_gmu".
func (g *GMU) Kind() string {
	switch {
	case g.Variant == SigmoidGMU:
		return "sigmoid_gmu"
	case g.Normed:
		return "ngmu"
	}
	return "gmu"
}

// Weights implements Mixer.
func (g *GMU) Weights(width int) []Weight {
	if g.Variant == SigmoidGMU {
		return []Weight{
			{Name: "current", Shape: []int{width, width}},
			{Name: "current_bias", Shape: []int{width}, Role: Vector},
			{Name: "mixed", Shape: []int{width, width}},
			{Name: "mixed_bias", Shape: []int{width}, Role: Vector},
			{Name: "gate", Shape: []int{width, 2 * width}},
			{Name: "gate_bias", Shape: []int{width}, Role: Vector},
			{Name: "out", Shape: []int{width, width}},
			{Name: "out_bias", Shape: []int{width}, Role: Vector},
		}
	}
	w := []Weight{
		{Name: "in", Shape: []int{g.DMem, width}},
		{Name: "out", Shape: []int{width, g.DMem}},
	}
	if g.Normed {
		w = append(w, Weight{Name: "norm", Shape: []int{g.DMem}, Role: Vector})
	}
	return w
}

// Check implements Mixer.
func (g *GMU) Check(width int) error {
	if err := positive("d_mem", g.DMem); err != nil {
		return err
	}
	if g.Variant == SigmoidGMU && g.DMem != width {
		return fmt.Errorf("sigmoid GMU mixes outputs as wide as the model: d_mem %d, width %d", g.DMem, width)
	}
	return nil
}

// Parallel runs several mixers on the same normed input and adds their outputs
// (Falcon-H1: attention beside Mamba-2).
type Parallel struct {
	Mixers []Mixer
}

// Kind returns "parallel".
func (p *Parallel) Kind() string { return "parallel" }

// Weights implements Mixer. Names are prefixed with the position of the part.
func (p *Parallel) Weights(width int) []Weight {
	var all []Weight
	for i, m := range p.Mixers {
		for _, w := range m.Weights(width) {
			w.Name = fmt.Sprintf("%d.%s", i, w.Name)
			all = append(all, w)
		}
	}
	return all
}

// Check implements Mixer.
func (p *Parallel) Check(width int) error {
	if len(p.Mixers) < 2 {
		return fmt.Errorf("parallel needs at least two mixers, has %d", len(p.Mixers))
	}
	for _, m := range p.Mixers {
		if _, nested := m.(*Parallel); nested {
			return fmt.Errorf("parallel mixers do not nest")
		}
		if err := m.Check(width); err != nil {
			return err
		}
	}
	return nil
}
