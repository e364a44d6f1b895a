package hf

import "github.com/OWNER/ridgeline/arch"

// importMiniMax: MiniMaxConfig. Lightning attention but for the layers that layer_types names
// (without it, every other one from the first is full), experts in each; a norm replaces the
// stream before each part reads it. The alpha and beta factors are folded into the weights.
func importMiniMax(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 8, ropeTheta: 1e6}
	c.absent("vocab_size", 32000)
	m, n := c.model(d)
	types := c.perLayer("layer_types", n, "linear_attention", "full_attention")
	return c.miniMax(m, n, d, arch.StreamNorm, func(i int) bool { return attends(types, i, i%2 == 0) },
		"full_attn_", "linear_attn_", "mlp_")
}

// importMiniMaxM1: MiniMaxM1Config, and that of MiniMax-Text-01. As MiniMax under the names of
// its first release; attn_type_list has 0 for lightning attention and 1 for full.
func importMiniMaxM1(c *config) *arch.Model {
	d := hfDefaults{maxContext: 10240000, kvHeads: 8, ropeTheta: 1e6}
	m, n := c.model(d)
	block := arch.PreNorm
	if c.boolOr("postnorm", false) {
		block = arch.StreamNorm
	}
	list := c.list("attn_type_list")
	if len(list) != n {
		c.fail("%sattn_type_list has %d entries for %d layers", c.prefix, len(list), n)
		return m
	}
	full := make([]bool, n)
	for i, v := range list {
		if v != 0.0 && v != 1.0 {
			c.fail("%sattn_type_list[%d] is %s, not 0 or 1", c.prefix, i, show(v))
		}
		full[i] = v == 1.0
	}
	return c.miniMax(m, n, d, block, func(i int) bool { return full[i] },
		"layernorm_full_attention_", "layernorm_linear_attention_", "layernorm_mlp_")
}

func (c *config) miniMax(m *arch.Model, n int, d hfDefaults, block arch.Block, full func(int) bool, factors ...string) *arch.Model {
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	a.RotaryDim = c.sizeOr("rotary_dim", a.RotaryDim)
	// The norm behind lightning attention has the default ε of its class, whatever the config.
	x := arch.Lightning{Heads: a.Heads, HeadDim: a.HeadDim, Numerics: arch.LightningNumerics{NormEps: 1e-6}}
	f := arch.MoE{
		Experts: c.size("num_local_experts"), TopK: c.size("num_experts_per_tok"), Inner: c.size("intermediate_size"),
		Gated: true, Act: c.activation("hidden_act", arch.SiLU),
	}
	for i, to := range []*float64{&m.Numerics.FullScale, &m.Numerics.LinearScale, &m.Numerics.FFNScale} {
		alpha, beta := c.floatOr(factors[i]+"alpha", c.floatOr(factors[i]+"alpha_factor", 1)), c.floatOr(factors[i]+"beta", c.floatOr(factors[i]+"beta_factor", 1))
		if alpha <= 0 {
			c.fail("%s%salpha must be positive, is %g", c.prefix, factors[i], alpha)
			return m
		}
		*to = beta / alpha
		if block == arch.PreNorm && alpha != 1 {
			c.fail("%s%salpha %g is not modelled without postnorm", c.prefix, factors[i], alpha)
		}
	}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: x, FFN: f, Block: block}
		if full(i) {
			m.Layers[i].Mixer = a
		}
	}
	return m
}
