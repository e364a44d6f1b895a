package arch

import "fmt"

// GMUVariant selects which unit a GMU is.
type GMUVariant uint8

// The variants.
const (
	// GatedMemory is the paper's unit, Y = (M ⊙ SiLU(X·W1ᵀ))·W2 (paper §2).
	GatedMemory GMUVariant = iota
	// SigmoidGMU is the unit of the skill card "efficient-long-context-reasoning" 0.0.2:
	//
	//	c = W_c·x,  m = W_m·mix,  g = σ(W_g·[c; m]),  out = W_o·SiLU(g⊙c + (1−g)⊙m)
	//
	// each map with a bias. mix is what the mixer of the memory layer adds to the residual
	// stream. Several such units form a chain: each takes the output of the one before it.
	SigmoidGMU
)

// MemoryKind says which intermediate of the memory layer a GMU gates.
type MemoryKind uint8

// The kinds of memory that a layer can give to later ones.
const (
	NoMemory        MemoryKind = iota
	ScanMemory                 // recurrent output before its gate (and norm): sambay, mambay, -2, gdny
	AttentionMemory            // attention's inner output: sambay-a, sambay-aa
	MLPMemory                  // the MLP's linear branch: sambay-mlp
	OutputMemory               // the mixer's output, as wide as the model: sigmoid GMU
)

var memoryNames = [...]string{NoMemory: "", ScanMemory: "scan", AttentionMemory: "attention", MLPMemory: "mlp", OutputMemory: "output"}

// String returns the name that model files use: "scan", "attention", "mlp" or "output".
func (k MemoryKind) String() string { return memoryNames[k] }

// MemoryKinds lists the kinds of memory.
func MemoryKinds() []MemoryKind {
	return []MemoryKind{ScanMemory, AttentionMemory, MLPMemory, OutputMemory}
}

// GMU is a Gated Memory Unit (paper §2). It stores nothing between steps: an earlier layer makes
// the memory that it gates, for the same token in the same step.
type GMU struct {
	Memory  Ref        // layer the memory is from
	From    MemoryKind // which of its intermediates
	DMem    int        // width of the memory
	Normed  bool       // nGMU: RMSNorm after the product
	Variant GMUVariant
}

// Kind returns "gmu", "ngmu" or "sigmoid_gmu".
func (g GMU) Kind() string {
	switch {
	case g.Variant == SigmoidGMU:
		return "sigmoid_gmu"
	case g.Normed:
		return "ngmu"
	}
	return "gmu"
}

// Weights implements Mixer.
func (g GMU) Weights(width int) []Weight {
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
func (g GMU) Check(width int) error {
	if err := positive("d_mem", g.DMem); err != nil {
		return err
	}
	if g.Variant == SigmoidGMU && g.DMem != width {
		return fmt.Errorf("sigmoid GMU mixes outputs as wide as the model: d_mem %d, width %d", g.DMem, width)
	}
	return nil
}

// Name implements Mixer.
func (g GMU) Name() string { return g.Kind() }

// Shape implements Mixer.
func (g GMU) Shape() string { return fmt.Sprintf("d_mem %d", g.DMem) }

// fields leaves out the layer of the memory, which files name by its label. NoMemory and a width
// of 0 stand for those of that layer.
func (g *GMU) fields() []Field {
	var fs []Field
	from := always(NoMemory)
	if g.Variant == SigmoidGMU {
		fs = append(fs, flag("normed", &g.Normed, "RMSNorm behind the gate"))
		from = always(OutputMemory)
	}
	return append(fs,
		Field{Key: "from", Value: &g.From, Default: from, Doc: "which output of the memory layer is gated"},
		Field{Key: "d_mem", Value: &g.DMem, Default: always(0), InputOnly: true, Doc: "width of the memory"})
}

func (g GMU) edit(change func([]Field)) Mixer {
	change(g.fields())
	return g
}

func (g GMU) detached() Mixer {
	g.Memory = 0
	return g
}

// Stores implements Mixer: the memory is of the current position, so nothing is kept.
func (g GMU) Stores() Storage { return Storage{} }

// Reads implements Mixer.
func (g GMU) Reads() Reads { return Reads{Memory: g.Memory, Kind: g.From} }

// HandsOn implements Mixer.
func (g GMU) HandsOn(MemoryKind) int { return 0 }

// readingMemory implements MemoryReader.
func (g GMU) readingMemory(layer Ref, kind MemoryKind, width int) Mixer {
	g.Memory, g.From, g.DMem = layer, kind, width
	return g
}

// fitsMemory implements MemoryReader.
func (g GMU) fitsMemory(width int) error {
	if g.DMem != width {
		return fmt.Errorf("has d_mem %d, but its memory is %d wide", g.DMem, width)
	}
	return nil
}

// Chains implements MemoryReader: sigmoid GMUs mix the output of the one before them.
func (g GMU) Chains() bool { return g.Variant == SigmoidGMU }
