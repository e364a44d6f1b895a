package hf

import (
	"github.com/OWNER/ridgeline/arch"
)

// importMixtral: MixtralConfig. Every layer is a mixture of num_local_experts SwiGLU
// experts of intermediate_size; no biases.
func importMixtral(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096 * 32, kvHeads: 8, ropeTheta: 1e6}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	setWindow(m, &a, c.positionsOr("sliding_window", 0))
	f := arch.MoE{
		Experts: c.size("num_local_experts"),
		TopK:    c.size("num_experts_per_tok"),
		Inner:   c.size("intermediate_size"),
		Gated:   true,
		Act:     c.activation("hidden_act", arch.SiLU),
	}
	return decoder(m, n, a, same(f), nil)
}

// importQwen3MoE: Qwen3MoeConfig. Attention as Qwen3's; experts of
// moe_intermediate_size without a shared one.
func importQwen3MoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 4, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d) // head_dim: hidden_size / heads, unlike Qwen3Config
	c.qwen3Bias(&a, d)
	return decoder(m, n, a, c.qwenExperts(n, 0, false), c.qwenWindows(m, n))
}

// qwenExperts reads the FFNs of Qwen's mixtures: layer i is one unless it is in
// mlp_only_layers or (i+1) is no multiple of decoder_sparse_step (class default 1);
// the others are dense, of intermediate_size. A shared expert has a gate of its own; where
// the config does not say how wide it is, the class' default is shared, 0 for none.
func (c *config) qwenExperts(n, shared int, renormalised bool) func(int) arch.FFN {
	act := c.activation("hidden_act", arch.SiLU)
	moe := arch.MoE{
		Experts:     c.either("num_experts", "num_local_experts"),
		TopK:        c.size("num_experts_per_tok"),
		Inner:       c.size("moe_intermediate_size"),
		SharedInner: c.countOr("shared_expert_intermediate_size", shared),
		Gated:       true,
		Act:         act,
	}
	moe.SharedGate = moe.SharedInner > 0
	moe.Routing = c.shareRule(renormalised)
	step := c.sizeOr("decoder_sparse_step", 1)
	dense := c.indices("mlp_only_layers", n)
	mlp := arch.MLP{Gated: true, Act: act, Inner: c.countOr("intermediate_size", 0)}
	return func(i int) arch.FFN {
		if dense[i] || (i+1)%step != 0 {
			if mlp.Inner == 0 {
				c.missing("intermediate_size")
			}
			return mlp
		}
		return moe
	}
}

// importGptOss: GptOssConfig. Biases everywhere (attention_bias true by default), a
// learned sink per head, layers alternately windowed (class default 128) and full, and
// mixtures of biased experts with a clamped SwiGLU. The released checkpoints keep the
// experts in MXFP4 (quantization_config).
func importGptOss(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 8, headDim: 64, ropeTheta: 150000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", true)
	a.OutBias, a.Sinks = a.QKVBias, true
	c.rotary(&a, d.ropeTheta, 1)
	f := arch.MoE{
		Experts:    c.size("num_local_experts"),
		Inner:      c.size("intermediate_size"),
		Gated:      true,
		Act:        arch.ClampedSwiGLU,
		Bias:       true,
		RouterBias: true,
	}
	c.activation("hidden_act", arch.SiLU) // of the gate, which the class clamps
	// experts_per_token is the same number under its older name.
	f.TopK = c.sizeOr("experts_per_token", 4)
	if k := c.sizeOr("num_experts_per_tok", f.TopK); c.present("experts_per_token") && k != f.TopK {
		c.fail("%snum_experts_per_tok %d and experts_per_token %d differ", c.prefix, k, f.TopK)
	} else {
		f.TopK = k
	}
	window := 0
	if !c.present("sliding_window") {
		window = 128
	}
	window = c.positionsOr("sliding_window", window)
	types := c.perLayer("layer_types", n, "full_attention", "sliding_attention")
	decoder(m, n, a, same(f), func(i int, a *arch.Attention) {
		if windowed := types == nil && i%2 == 0 || types != nil && types[i] == "sliding_attention"; !windowed {
			return
		}
		if window == 0 {
			c.fail("%ssliding_window is null, but layer %d is windowed", c.prefix, i)
		}
		setWindow(m, a, window)
	})
	return m
}
