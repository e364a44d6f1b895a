package arch

import "fmt"

// ShortcutMoE is a dense gated network and a mixture of experts that read the same norm
// (LongCat-Flash, arXiv:2509.01322, section 2.2). The dense network's result is the layer's; the
// mixture's is set aside and added to the residual stream behind the layer that follows, so that
// its exchange of rows hides behind that layer's attention. Zero experts are beside the others:
// a token that picks one takes its own input for the output.
//
//	stream  += mlp(x)                         in this layer, x its norm
//	stream  += Σ share·expert(x)              at the end of the next
//
// Weights: up and down as MLP; experts.router [experts + zero_experts, width], experts.router_bias,
// experts.up and experts.down for each expert as in MoE.
type ShortcutMoE struct {
	Inner       int // of the dense network
	Experts     int
	Zero        int // experts that pass their input on
	TopK        int // of both kinds
	ExpertInner int
	Act         Activation

	Routing Routing // how shares come of scores; costs nothing
}

// Kind returns "shortcut_moe".
func (m ShortcutMoE) Kind() string { return "shortcut_moe" }

// Shape implements FFN.
func (m ShortcutMoE) Shape() string {
	return fmt.Sprintf("mlp %d, and moe %d of %d+%d × %d later", m.Inner, m.TopK, m.Experts, m.Zero, m.ExpertInner)
}

// Dense is the dense network.
func (m ShortcutMoE) Dense() MLP { return MLP{Inner: m.Inner, Gated: true, Act: m.Act} }

// Mixture is the mixture of experts.
func (m ShortcutMoE) Mixture() MoE {
	return MoE{Experts: m.Experts, Zero: m.Zero, TopK: m.TopK, Inner: m.ExpertInner, Gated: true, Act: m.Act, RouterBias: true, Routing: m.Routing}
}

func (m *ShortcutMoE) fields() []Field {
	return []Field{
		{Key: "inner", Value: &m.Inner, Doc: "inner width of the dense network"},
		{Key: "experts", Value: &m.Experts, Doc: "number of experts"},
		{Key: "zero_experts", Value: &m.Zero, AllowZero: true, Default: always(0), Doc: "experts beside them that pass their input on"},
		{Key: "top_k", Value: &m.TopK, Doc: "experts of one token, of both kinds"},
		{Key: "expert_inner", Value: &m.ExpertInner, Doc: "inner width of an expert"},
		{Key: "activation", Value: &m.Act, Default: always(SiLU), Doc: "silu, relu, relu2, gelu, gelu_tanh or clamped_swiglu"},
	}
}

func (m ShortcutMoE) edit(change func([]Field)) FFN {
	change(m.fields())
	return m
}

// HandsOn implements FFN.
func (m ShortcutMoE) HandsOn(MemoryKind) int { return 0 }

// Routed implements FFN.
func (m ShortcutMoE) Routed() int { return m.Experts }

// Weights implements FFN.
func (m ShortcutMoE) Weights(width int) []Weight {
	w := m.Dense().Weights(width)
	for _, e := range m.Mixture().Weights(width) {
		e.Name = "experts." + e.Name
		w = append(w, e)
	}
	return w
}

// Check implements FFN.
func (m ShortcutMoE) Check(width int) error {
	if err := positive("inner", m.Inner, "expert_inner", m.ExpertInner); err != nil {
		return err
	}
	return m.Mixture().Check(width)
}

// Deferred reports whether what a part of a layer makes is added to the stream behind the layer
// that follows.
func (l Layer) Deferred() bool {
	_, ok := l.FFN.(ShortcutMoE)
	return ok
}
