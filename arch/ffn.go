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
)

func (a Activation) String() string { return [...]string{"silu", "relu", "relu2", "gelu"}[a] }

// MLP is a dense feed-forward network: gated (SwiGLU, act(g)⊙u) or plain.
//
// Weights: gated up [2·inner, width] (gate rows first), plain up [inner, width];
// down [width, inner].
type MLP struct {
	Inner int
	Gated bool
	Act   Activation
	Bias  bool
}

// Kind returns "swiglu" (gated) or "mlp".
func (m *MLP) Kind() string {
	if m.Gated {
		return "swiglu"
	}
	return "mlp"
}

func upRows(inner int, gated bool) int {
	if gated {
		return 2 * inner
	}
	return inner
}

// Weights implements FFN.
func (m *MLP) Weights(width int) []Weight {
	up := upRows(m.Inner, m.Gated)
	w := []Weight{{Name: "up", Shape: []int{up, width}}, {Name: "down", Shape: []int{width, m.Inner}}}
	if m.Bias {
		w = append(w, Weight{Name: "up_bias", Shape: []int{up}, Role: Vector},
			Weight{Name: "down_bias", Shape: []int{width}, Role: Vector})
	}
	return w
}

// Check implements FFN.
func (m *MLP) Check(int) error { return positive("inner", m.Inner) }

// MoE is a mixture of experts: a router picks TopK of Experts for each token; a
// shared expert, if any, sees every token.
//
// Weights: router [experts, width], per expert up and down as in MLP, shared_up and
// shared_down, shared_gate [1, width] where SharedGate (Qwen).
type MoE struct {
	Experts, TopK, Inner int
	SharedInner          int // 0: no shared expert
	SharedGate           bool
	Gated                bool
	Act                  Activation
	Bias                 bool // biases on the experts (gpt-oss)
	RouterBias           bool // bias in the router (gpt-oss), or score correction (DeepSeek, Nemotron-3)
}

// Kind returns "moe".
func (m *MoE) Kind() string { return "moe" }

// Weights implements FFN.
func (m *MoE) Weights(width int) []Weight {
	up := upRows(m.Inner, m.Gated)
	w := []Weight{{Name: "router", Shape: []int{m.Experts, width}}}
	if m.RouterBias {
		w = append(w, Weight{Name: "router_bias", Shape: []int{m.Experts}, Role: Vector})
	}
	w = append(w,
		Weight{Name: "up", Shape: []int{up, width}, Role: Expert, Copies: m.Experts},
		Weight{Name: "down", Shape: []int{width, m.Inner}, Role: Expert, Copies: m.Experts})
	if m.Bias {
		w = append(w,
			Weight{Name: "up_bias", Shape: []int{up}, Role: Vector, Copies: m.Experts},
			Weight{Name: "down_bias", Shape: []int{width}, Role: Vector, Copies: m.Experts})
	}
	if m.SharedInner > 0 {
		w = append(w,
			Weight{Name: "shared_up", Shape: []int{upRows(m.SharedInner, m.Gated), width}},
			Weight{Name: "shared_down", Shape: []int{width, m.SharedInner}})
		if m.SharedGate {
			w = append(w, Weight{Name: "shared_gate", Shape: []int{1, width}})
		}
	}
	return w
}

// Check implements FFN.
func (m *MoE) Check(int) error {
	if err := positive("experts", m.Experts, "top_k", m.TopK, "inner", m.Inner); err != nil {
		return err
	}
	if m.TopK > m.Experts {
		return fmt.Errorf("top_k %d is more than the %d experts", m.TopK, m.Experts)
	}
	if m.SharedInner < 0 || m.SharedInner > MaxDimension {
		return fmt.Errorf("shared_inner %d is out of range", m.SharedInner)
	}
	return nil
}
