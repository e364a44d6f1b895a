package hf

import "github.com/OWNER/ridgeline/arch"

// importQwen3Next: Qwen3NextConfig. Gated DeltaNet with full attention in every
// full_attention_interval-th layer, and mixtures with a gated shared expert.
func importQwen3Next(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 2, headDim: 256, ropeTheta: 10000}
	m, n := c.model(d)
	c.boolOr("use_sliding_window", false) // the class has no window
	return c.deltaHybrid(m, n, d, c.qwenExperts(n, 512, true))
}

// importQwen35MoEText: Qwen3_5MoeTextConfig, as Qwen3-Next with the maps of its Gated
// DeltaNet one by one. Class defaults: 256 experts of 512, 8 a token, a shared one of 512.
func importQwen35MoEText(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 2, headDim: 256, ropeTheta: 10000}
	m, n := c.model(d)
	c.absent("num_experts", 256)
	c.absent("num_experts_per_tok", 8)
	c.absent("moe_intermediate_size", 512)
	return c.deltaHybrid(m, n, d, c.qwenExperts(n, 512, true))
}

// importQwen35Text: Qwen3_5TextConfig, as Qwen3-Next with dense SwiGLU FFNs. Its
// multi-token prediction head is left out.
func importQwen35Text(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 4, headDim: 256, ropeTheta: 10000}
	m, n := c.model(d)
	return c.deltaHybrid(m, n, d, same(c.swiglu("intermediate_size")))
}

// deltaHybrid fills the layers of Qwen3-Next and Qwen3.5. Class defaults: head_dim 256,
// a quarter of it rotated, output gate on, linear_* 4, 128, 128, 16 and 32, and, without
// layer_types, every fourth layer (full_attention_interval) full attention.
func (c *config) deltaHybrid(m *arch.Model, n int, d hfDefaults, ffn func(int) arch.FFN) *arch.Model {
	a := c.attention(m, d)
	a.QKNorm = true
	a.OutputGate = c.boolOr("attn_output_gate", true)
	a.QKVBias = c.boolOr("attention_bias", false)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 0.25)
	g := arch.GatedDeltaNet{
		KHeads: c.sizeOr("linear_num_key_heads", 16),
		VHeads: c.sizeOr("linear_num_value_heads", 32),
		KDim:   c.sizeOr("linear_key_head_dim", 128),
		VDim:   c.sizeOr("linear_value_head_dim", 128),
		DConv:  c.sizeOr("linear_conv_kernel_dim", 4),
	}
	interval := c.sizeOr("full_attention_interval", 4)
	types := c.perLayer("layer_types", n, "linear_attention", "full_attention")
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i].FFN = ffn(i)
		if types != nil && types[i] == "full_attention" || types == nil && (i+1)%interval == 0 {
			at := a
			m.Layers[i].Mixer = at
		} else {
			m.Layers[i].Mixer = g
		}
	}
	return m
}
