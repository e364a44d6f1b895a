package arch

import "fmt"

// MLPMoE is a dense gated network and a mixture of experts side by side (Gemma 4): each has a
// norm of its own behind it, and their sum is what the layer adds. The router and the experts
// read the stream through norms of their own, the dense network through the layer's.
//
//	norm₁(mlp(x)) + norm₂(Σ share·expert(norm₃(stream)))
//	share = softmax over the top k of router·norm₄(stream), times a number of the expert
//
// Weights: up and down as MLP, mlp_norm [width]; experts.router [experts, width],
// experts.up and .down for each expert; router_norm, expert_norm, experts_norm [width],
// expert_scale [experts].
type MLPMoE struct {
	Inner       int // of the dense network
	Experts     int
	TopK        int
	ExpertInner int
	Act         Activation
}

// Kind returns "mlp_moe".
func (m MLPMoE) Kind() string { return "mlp_moe" }

// Shape implements FFN.
func (m MLPMoE) Shape() string {
	return fmt.Sprintf("mlp %d beside moe %d of %d × %d", m.Inner, m.TopK, m.Experts, m.ExpertInner)
}

// Dense is the dense network.
func (m MLPMoE) Dense() MLP { return MLP{Inner: m.Inner, Gated: true, Act: m.Act} }

// Mixture is the mixture of experts.
func (m MLPMoE) Mixture() MoE {
	return MoE{Experts: m.Experts, TopK: m.TopK, Inner: m.ExpertInner, Gated: true, Act: m.Act}
}

func (m *MLPMoE) fields() []Field {
	return []Field{
		{Key: "inner", Value: &m.Inner, Doc: "inner width of the dense network"},
		{Key: "experts", Value: &m.Experts, Doc: "number of experts"},
		{Key: "top_k", Value: &m.TopK, Doc: "experts of one token"},
		{Key: "expert_inner", Value: &m.ExpertInner, Doc: "inner width of an expert"},
		{Key: "activation", Value: &m.Act, Default: always(SiLU), Doc: "silu, relu, relu2, gelu, gelu_tanh or clamped_swiglu"},
	}
}

func (m MLPMoE) edit(change func([]Field)) FFN {
	change(m.fields())
	return m
}

// Routed implements FFN.
func (m MLPMoE) Routed() int { return m.Experts }

// HandsOn implements FFN.
func (m MLPMoE) HandsOn(MemoryKind) int { return 0 }

// Weights implements FFN.
func (m MLPMoE) Weights(width int) []Weight {
	w := m.Dense().Weights(width)
	for _, e := range m.Mixture().Weights(width) {
		e.Name = "experts." + e.Name
		w = append(w, e)
	}
	for _, name := range []string{"mlp_norm", "router_norm", "expert_norm", "experts_norm"} {
		w = append(w, Weight{Name: name, Shape: []int{width}, Role: Vector})
	}
	return append(w, Weight{Name: "expert_scale", Shape: []int{m.Experts}, Role: Vector})
}

// Check implements FFN.
func (m MLPMoE) Check(width int) error {
	if err := positive("inner", m.Inner, "expert_inner", m.ExpertInner); err != nil {
		return err
	}
	return m.Mixture().Check(width)
}
