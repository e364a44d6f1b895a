package hf

import "github.com/OWNER/ridgeline/arch"

// importJetMoE: JetMoeConfig. The same number of experts, and of them picked for a token, in
// attention and in the feed-forward network; a bias on the sum of each.
func importJetMoE(c *config) *arch.Model {
	for name, v := range map[string]float64{"vocab_size": 32000, "hidden_size": 2048, "num_hidden_layers": 12} {
		c.absent(name, v)
	}
	kv, top := c.sizeOr("num_key_value_heads", 16), c.sizeOr("num_experts_per_tok", 2)
	if n := c.sizeOr("num_attention_heads", kv*top); n != kv*top { // which the class sets itself
		c.note("%snum_attention_heads %d is passed over: num_key_value_heads times num_experts_per_tok, %d, count", c.prefix, n, kv*top)
	}
	c.fields["num_attention_heads"] = float64(kv * top)
	d := hfDefaults{maxContext: 4096, kvHeads: 16, ropeTheta: 10000, tied: true}
	m, n := c.model(d)
	dim := c.sizeOr("kv_channels", c.sizeOr("head_dim", 128))
	if h := c.sizeOr("head_dim", dim); h != dim {
		c.fail("%skv_channels %d and head_dim %d differ", c.prefix, dim, h)
	}
	r := arch.Attention{HeadDim: dim}
	c.rotary(&r, d.ropeTheta, 1)
	a := arch.MoA{
		Experts: c.sizeOr("num_local_experts", 8), TopK: top, KVHeads: kv, HeadDim: dim,
		RotaryDim: r.RotaryDim, RotaryBase: r.RotaryBase, Bias: true, Numerics: arch.MoANumerics{Rope: r.Numerics.Rope},
	}
	f := arch.MoE{
		Experts: a.Experts, TopK: top, Inner: c.sizeOr("intermediate_size", 5632), Gated: true,
		Act: c.activation("activation_function", arch.SiLU), SumBias: true,
	}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: a, FFN: f}
	}
	return m
}
