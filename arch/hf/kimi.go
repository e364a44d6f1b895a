package hf

import "github.com/OWNER/ridgeline/arch"

// importKimiLinear: KimiLinearConfig. Kimi Delta Attention, and in the layers that
// linear_attn_config or layer_types names latent attention without a rotation; mixtures as
// DeepSeek-V3's behind the first first_k_dense_replace layers.
func importKimiLinear(c *config) *arch.Model {
	c.absent("model_max_length", 1048576)
	m, n := c.model(hfDefaults{maxContext: c.positionsOr("model_max_length", 0)})
	if b := c.countOr("attn_res_block_size", 0); b > 0 {
		c.fail("%sattn_res_block_size %d is not modelled: a residual stream that attends to blocks of layers", c.prefix, b)
	}
	if c.boolOr("mla_use_output_gate", false) {
		c.fail("%smla_use_output_gate is not modelled: a gate on latent attention", c.prefix)
	}
	c.boolOr("mla_use_nope", true) // the class rotates nothing, whatever this says
	d := mlaDefaults{hfDefaults{ropeTheta: 10000}, 0, 512, 128, 64, 128}
	a := c.latentAttention(m, d)
	a.Bias = false // the class has none, whatever attention_bias says
	a.Unrotated, a.RotaryBase, a.Numerics.Rope = true, 0, arch.RopeScaling{}
	k := arch.KDA{Heads: c.sizeOr("linear_num_heads", 32), HeadDim: c.sizeOr("linear_head_dim", 128), DConv: c.sizeOr("linear_conv_kernel_dim", 4)}
	full := map[int]bool{}
	if in, ok := c.sub("linear_attn_config"); ok {
		k.Heads, k.HeadDim, k.DConv = in.sizeOr("num_heads", k.Heads), in.sizeOr("head_dim", k.HeadDim), in.sizeOr("short_conv_kernel_size", k.DConv)
		full = in.kimiLayers(n)
	} else {
		for i := 3; i < n; i += 4 {
			full[i] = true
		}
	}
	types := c.perLayer("layer_types", n, "linear_attention", "full_attention", "kda_attention")
	ffn := c.kimiExperts(n)
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: k, FFN: ffn(i)}
		if attends(types, i, full[i]) {
			m.Layers[i].Mixer = a
		}
	}
	return m
}

// kimiLayers reads the numbers, from 1, of the layers with full attention. The two lists
// must name each layer once.
func (c *config) kimiLayers(n int) map[int]bool {
	kinds := make([]string, n)
	full := map[int]bool{}
	for _, name := range []string{"full_attn_layers", "kda_layers"} {
		for _, v := range c.list(name) {
			i := c.asWhole(name, v, 1, n) - 1
			if c.st.err != nil {
				return full
			}
			if kinds[i] != "" {
				c.fail("%s%s has layer %d, which %s has too", c.prefix, name, i+1, kinds[i])
				return full
			}
			kinds[i] = name
			full[i] = name == "full_attn_layers"
		}
	}
	for i, k := range kinds {
		if k == "" {
			c.fail("%sfull_attn_layers and kda_layers leave out layer %d", c.prefix, i+1)
			break
		}
	}
	return full
}

// kimiExperts reads the FFNs: DeepSeek-V3's rule under names of Kimi's own.
func (c *config) kimiExperts(n int) func(int) arch.FFN {
	act := c.activation("hidden_act", arch.SiLU)
	moe := arch.MoE{Experts: c.either("num_experts", "num_local_experts"), TopK: c.either("num_experts_per_token", "num_experts_per_tok"),
		Inner: c.size("moe_intermediate_size"), Gated: true, Act: act, RouterBias: true}
	moe.SharedInner = c.countOr("num_shared_experts", c.countOr("n_shared_experts", 1)) * moe.Inner
	moe.Routing = arch.Routing{Sigmoid: true, Correction: true, Raw: !c.boolOr("moe_renormalize", c.boolOr("norm_topk_prob", true)),
		Scale: c.floatOr("routed_scaling_factor", 2.446)}
	if g := c.sizeOr("num_expert_group", c.sizeOr("n_group", 1)); g > 1 {
		moe.Routing.Groups, moe.Routing.TopGroups = g, c.sizeOr("topk_group", 1)
	}
	c.sizeOr("topk_group", 1)
	if s := c.stringOr("moe_router_activation_func", "sigmoid"); s != "sigmoid" {
		c.fail("%smoe_router_activation_func %s is not modelled", c.prefix, quote(s))
	}
	if every := c.sizeOr("moe_layer_freq", 1); every != 1 {
		c.fail("%smoe_layer_freq %d is not modelled for this type", c.prefix, every)
	}
	first := c.countOr("first_k_dense_replace", 1)
	types := c.perLayer("mlp_layer_types", n, "dense", "sparse")
	mlp := arch.MLP{Gated: true, Act: act, Inner: c.sizeOr("dense_ffn_hidden", c.size("intermediate_size"))}
	return func(i int) arch.FFN {
		if types != nil && types[i] == "dense" || types == nil && i < first {
			return mlp
		}
		return moe
	}
}
