package arch

import "fmt"

// Activation is the non-linearity of an FFN.
type Activation uint8

// The activations.
const (
	SiLU Activation = iota
	ReLU
	ReLU2 // squared ReLU (Nemotron-H)
	GELU
	GELUTanh      // GELU by its tanh approximation
	ClampedSwiGLU // gpt-oss: (min(u,7)+1)·g·σ(1.702·g) with g ≤ 7, u from −7
	// XIELU has two learned numbers p and n (arXiv:2411.13010, Apertus). With α_p = softplus(p),
	// β = ½ and α_n = β + softplus(n), it is α_p·x² + β·x above 0 and (exp(x)−1−x)·α_n + β·x
	// below.
	XIELU
)

var activationNames = [...]string{"silu", "relu", "relu2", "gelu", "gelu_tanh", "clamped_swiglu", "xielu"}

func (a Activation) String() string { return activationNames[a] }

// Weights returns how many learned numbers the activation has.
func (a Activation) Weights() int {
	if a == XIELU {
		return 2
	}
	return 0
}

// Activations lists the activations.
func Activations() []Activation {
	return []Activation{SiLU, ReLU, ReLU2, GELU, GELUTanh, ClampedSwiGLU, XIELU}
}

// MLP is a dense feed-forward network: gated (SwiGLU, act(g)⊙u) or plain.
//
// Weights: gated up [2·inner, width] (gate rows first), plain up [inner, width];
// down [width, inner]; inner_norm [inner]; act [2] where the activation has weights (XIELU).
type MLP struct {
	Inner int
	Gated bool
	Act   Activation
	Bias  bool
	// Sparsity is the share of a token's inner values that are switched off before the
	// activation: those below mean + z·deviation of that token's values, where z is the quantile
	// of the normal distribution (Gemma 3n). The threshold is subtracted from the others. 0
	// switches off none.
	Sparsity float64
	// InnerNorm is an RMSNorm over the inner values, before the map down (BitNet).
	InnerNorm bool
}

// Kind returns "swiglu" (gated) or "mlp".
func (m MLP) Kind() string {
	if m.Gated {
		return "swiglu"
	}
	return "mlp"
}

// UpRows returns how many rows the map up to an inner width has: a gated network computes the
// gate and the linear branch.
func UpRows(inner int, gated bool) int {
	if gated {
		return 2 * inner
	}
	return inner
}

// Shape implements FFN.
func (m MLP) Shape() string { return fmt.Sprintf("%s %d", m.Kind(), m.Inner) }

func (m *MLP) fields() []Field {
	act := SiLU
	if !m.Gated {
		act = GELU
	}
	return []Field{
		{Key: "inner", Value: &m.Inner, Doc: "inner width"},
		{Key: "activation", Value: &m.Act, Default: always(act), Shown: !m.Gated, Doc: "silu, relu, relu2, gelu, gelu_tanh, clamped_swiglu or xielu"},
		flag("bias", &m.Bias, "bias on both maps"),
		flag("inner_norm", &m.InnerNorm, "norm in front of the map down"),
		{Key: "sparsity", Value: &m.Sparsity, Default: always(0.0), Doc: "share of the inner values that is switched off, by a threshold of the normal distribution"},
	}
}

func (m MLP) edit(change func([]Field)) FFN {
	change(m.fields())
	return m
}

// Routed implements FFN.
func (m MLP) Routed() int { return 0 }

// HandsOn implements FFN: a gated network's memory is its linear branch.
func (m MLP) HandsOn(kind MemoryKind) int {
	if kind == MLPMemory && m.Gated {
		return m.Inner
	}
	return 0
}

// Weights implements FFN.
func (m MLP) Weights(width int) []Weight {
	up := UpRows(m.Inner, m.Gated)
	w := []Weight{{Name: "up", Shape: []int{up, width}}, {Name: "down", Shape: []int{width, m.Inner}}}
	if m.Bias {
		w = append(w, Weight{Name: "up_bias", Shape: []int{up}, Role: Vector},
			Weight{Name: "down_bias", Shape: []int{width}, Role: Vector})
	}
	if m.InnerNorm {
		w = append(w, Weight{Name: "inner_norm", Shape: []int{m.Inner}, Role: Vector})
	}
	if n := m.Act.Weights(); n > 0 {
		w = append(w, Weight{Name: "act", Shape: []int{n}, Role: Vector})
	}
	return w
}

// Check implements FFN.
func (m MLP) Check(int) error {
	if m.Act == ClampedSwiGLU && !m.Gated {
		return fmt.Errorf("activation %s needs a gated network", m.Act)
	}
	if !(m.Sparsity >= 0 && m.Sparsity < 1) {
		return fmt.Errorf("sparsity %g is not from 0 to below 1", m.Sparsity)
	}
	return positive("inner", m.Inner)
}

// checkActivation returns an error for a gate without a branch to gate, and for an activation
// with weights anywhere but in an MLP.
func checkActivation(a Activation, gated bool) error {
	if a.Weights() > 0 {
		return fmt.Errorf("activation %s is of an mlp alone", a)
	}
	if a == ClampedSwiGLU && !gated {
		return fmt.Errorf("activation %s needs a gated network", a)
	}
	return nil
}

// MoE is a mixture of experts: a router picks TopK of Experts for each token; a
// shared expert, if any, sees every token.
//
// Zero experts, where there are any, stand behind the others in the router: a token that picks
// one takes its own input for the output (LongCat-Flash).
//
// Weights: router [experts + zero_experts, width], per expert up and down as in MLP, shared_up and
// shared_down, shared_gate [1, width] where SharedGate (Qwen), sum_bias [width] where SumBias.
type MoE struct {
	Experts, TopK, Inner int
	Zero                 int // experts whose output is their input
	SharedInner          int // 0 for no shared expert
	SharedGate           bool
	Latent               int // width at which the experts work, between two maps (Nemotron 3); 0 stands for the model's
	Gated                bool
	Act                  Activation
	Bias                 bool // biases on the experts (gpt-oss)
	RouterBias           bool // bias in the router (gpt-oss), or score correction (DeepSeek, Nemotron-3)
	SumBias              bool // bias on the sum of the experts (JetMoE)

	Routing Routing // how shares are computed from scores; costs nothing
}

// Routing says how a router chooses experts and computes their shares from its scores. It changes
// the result and nothing about the cost. The zero value is the softmax over all experts, where
// the shares of the top k are scaled to add up to 1.
type Routing struct {
	Sigmoid    bool    // shares are sigmoids of the scores, not their softmax
	Correction bool    // whether the router's bias influences the choice only, not the shares
	Raw        bool    // whether the shares of the top k are not scaled to add up to 1
	Scale      float64 // factor of the shares; 0 stands for 1
	// Experts can be divided into Groups, of which TopGroups are open to a token: those whose two
	// best scores have the largest sum, or, with GroupMax, those whose best score is largest.
	Groups, TopGroups int
	GroupMax          bool
	// Mixer chooses experts one after the other. The share of each is that of a softmax over the
	// experts not chosen before whose score is within 2·Jitter of the best (SparseMixer,
	// arXiv:2409.12136).
	Mixer  bool
	Jitter float64
	// ScaleInput says that an expert's share scales its input, not its output (Llama 4).
	ScaleInput bool
}

// Kind returns "moe".
func (m MoE) Kind() string { return "moe" }

// Shape implements FFN.
func (m MoE) Shape() string {
	if m.Zero > 0 {
		return fmt.Sprintf("moe %d of %d+%d × %d", m.TopK, m.Experts, m.Zero, m.Inner)
	}
	return fmt.Sprintf("moe %d of %d × %d", m.TopK, m.Experts, m.Inner)
}

// Scores returns how many experts the router scores, those included whose output is their input.
func (m MoE) Scores() int { return m.Experts + m.Zero }

func (m *MoE) fields() []Field {
	return []Field{
		{Key: "experts", Value: &m.Experts, Doc: "number of experts"},
		{Key: "top_k", Value: &m.TopK, Doc: "experts of one token"},
		{Key: "inner", Value: &m.Inner, Doc: "inner width of an expert"},
		{Key: "shared_inner", Value: &m.SharedInner, AllowZero: true, Default: always(0), Doc: "inner width of the shared expert"},
		{Key: "latent", Value: &m.Latent, AllowZero: true, Default: always(0), Doc: "width the experts work at, between two maps; 0 is the model's"},
		{Key: "gated", Value: &m.Gated, Default: always(true), Doc: "experts are act(g)⊙u"},
		{Key: "activation", Value: &m.Act, Default: always(SiLU), Doc: "silu, relu, relu2, gelu, gelu_tanh or clamped_swiglu"},
		flag("shared_gate", &m.SharedGate, "sigmoid gate on the shared expert"),
		flag("bias", &m.Bias, "bias on the experts"),
		flag("router_bias", &m.RouterBias, "bias in the router"),
		flag("sum_bias", &m.SumBias, "bias on the sum of the experts"),
		{Key: "zero_experts", Value: &m.Zero, AllowZero: true, Default: always(0), Doc: "experts beside the others that pass their input on"},
	}
}

func (m MoE) edit(change func([]Field)) FFN {
	change(m.fields())
	return m
}

// Routed implements FFN.
func (m MoE) Routed() int { return m.Experts }

// HandsOn implements FFN.
func (m MoE) HandsOn(MemoryKind) int { return 0 }

// Weights implements FFN.
func (m MoE) Weights(width int) []Weight {
	up := UpRows(m.Inner, m.Gated)
	w := []Weight{{Name: "router", Shape: []int{m.Scores(), width}}}
	if m.RouterBias {
		w = append(w, Weight{Name: "router_bias", Shape: []int{m.Scores()}, Role: Vector})
	}
	full, active := width, m.TopK
	if m.Zero > 0 { // mean number, if all experts are chosen equally often
		active = min(max(m.TopK*m.Experts/m.Scores(), 1), m.Experts)
	}
	if m.Latent > 0 {
		w = append(w, Weight{Name: "latent_down", Shape: []int{m.Latent, width}}, Weight{Name: "latent_up", Shape: []int{width, m.Latent}})
		width = m.Latent
	}
	w = append(w,
		Weight{Name: "up", Shape: []int{up, width}, Role: Expert, Copies: m.Experts, Active: active},
		Weight{Name: "down", Shape: []int{width, m.Inner}, Role: Expert, Copies: m.Experts, Active: active})
	if m.Bias {
		w = append(w,
			Weight{Name: "up_bias", Shape: []int{up}, Role: Vector, Copies: m.Experts, Active: active},
			Weight{Name: "down_bias", Shape: []int{width}, Role: Vector, Copies: m.Experts, Active: active})
	}
	if m.SharedInner > 0 {
		w = append(w,
			Weight{Name: "shared_up", Shape: []int{UpRows(m.SharedInner, m.Gated), full}},
			Weight{Name: "shared_down", Shape: []int{full, m.SharedInner}})
		if m.SharedGate {
			w = append(w, Weight{Name: "shared_gate", Shape: []int{1, full}})
		}
	}
	if m.SumBias {
		w = append(w, Weight{Name: "sum_bias", Shape: []int{full}, Role: Vector})
	}
	return w
}

// Check implements FFN.
func (m MoE) Check(int) error {
	if err := positive("experts", m.Experts, "top_k", m.TopK, "inner", m.Inner); err != nil {
		return err
	}
	if err := checkActivation(m.Act, m.Gated); err != nil {
		return err
	}
	if g := m.Routing.Groups; g > 0 && (m.Scores()%g != 0 || m.Routing.TopGroups < 1 || m.Scores()/g*m.Routing.TopGroups < m.TopK) {
		return fmt.Errorf("%d experts in %d groups of which %d are open do not hold top_k %d", m.Experts, g, m.Routing.TopGroups, m.TopK)
	}
	if m.Zero < 0 || m.Zero > MaxDimension {
		return fmt.Errorf("zero_experts %d is not from 0 to %d", m.Zero, MaxDimension)
	}
	if m.TopK > m.Scores() {
		return fmt.Errorf("top_k %d is more than the %d experts", m.TopK, m.Scores())
	}
	if m.Zero > 0 && m.Latent > 0 {
		return fmt.Errorf("zero_experts pass on what has the model's width: not with latent")
	}
	if m.Latent < 0 || m.Latent > MaxDimension {
		return fmt.Errorf("latent %d is out of range", m.Latent)
	}
	if m.SharedInner < 0 || m.SharedInner > MaxDimension {
		return fmt.Errorf("shared_inner %d is out of range", m.SharedInner)
	}
	return nil
}
