package checkpoint

// olmoHybrid has the norms of OLMo 2 in its attention layers, and those of Llama in the others.
func olmoHybrid() scheme {
	s := llama().with(map[string]entry{
		"mixer_post_norm":     one("post_attention_layernorm.weight"),
		"ffn_post_norm":       one("post_feedforward_layernorm.weight"),
		"gated_deltanet.qkvz": one("q_proj.weight", "k_proj.weight", "v_proj.weight", "g_proj.weight"),
		"gated_deltanet.ba":   one("b_proj.weight", "a_proj.weight"),
		"gated_deltanet.conv": one("conv1d.weight").orIn(one("q_conv1d.weight", "k_conv1d.weight", "v_conv1d.weight")),
		"gated_deltanet.norm": one("o_norm.weight"), "gated_deltanet.out": one("o_proj.weight"),
	})
	return s
}

// recurrentGemma stores the gates of a head with the input dimension first, and the convolution
// unchanged.
func recurrentGemma() scheme {
	s := llama().inside(map[string]string{"attention": "temporal_block.", "rglru": "temporal_block.", "swiglu": "mlp_block."}).with(map[string]entry{
		"final_norm": one("/model.final_norm.weight"),
		"mixer_norm": one("temporal_pre_norm.weight"), "ffn_norm": one("channel_pre_norm.weight"),
		"rglru.in": one("linear_y.weight", "linear_x.weight"), "rglru.in_bias": one("linear_y.bias", "linear_x.bias"),
		"rglru.conv": one("conv_1d.weight"), "rglru.conv_bias": one("conv_1d.bias"),
		"rglru.gates":      joined(plain(transposeAll), "rg_lru.input_gate_weight", "rg_lru.recurrent_gate_weight"),
		"rglru.gates_bias": one("rg_lru.input_gate_bias", "rg_lru.recurrent_gate_bias"),
		"rglru.decay":      one("rg_lru.recurrent_param"),
		"rglru.out":        one("linear_out.weight"), "rglru.out_bias": one("linear_out.bias"),
	})
	return onePlusNorms(s, "mixer_norm", "ffn_norm", "final_norm")
}

// xlstm stores maps that read the same input in tensors of their own (weight_mode single).
func xlstm() scheme {
	s := llama().inside(map[string]string{"mlstm": "mlstm_layer.", "swiglu": "ffn."}).with(map[string]entry{
		"embed": one("/backbone.embeddings.weight"), "final_norm": one("/backbone.out_norm.weight"),
		"mixer_norm": one("norm_mlstm.weight"), "ffn_norm": one("norm_ffn.weight"),
		"mlstm.qkvo":       one("q.weight", "k.weight", "v.weight", "ogate_preact.weight"),
		"mlstm.gates":      one("igate_preact.weight", "fgate_preact.weight"),
		"mlstm.gates_bias": one("igate_preact.bias", "fgate_preact.bias"),
		"mlstm.norm":       one("multihead_norm.weight"), "mlstm.out": one("out_proj.weight"),
		"swiglu.up": one("proj_up_gate.weight", "proj_up.weight"), "swiglu.down": one("proj_down.weight"),
	})
	s.layers = "backbone.blocks.%d."
	return s
}

// kimiLinear names tensors as Moonshot's own checkpoints do.
func kimiLinear() scheme {
	return deepSeek().inside(map[string]string{"kda": "self_attn.", "moe": "block_sparse_moe."}).with(map[string]entry{
		"kda.qkv":        one("q_proj.weight", "k_proj.weight", "v_proj.weight"),
		"kda.conv":       one("q_conv1d.weight", "k_conv1d.weight", "v_conv1d.weight"),
		"kda.decay_down": one("f_a_proj.weight"), "kda.decay_up": one("f_b_proj.weight"),
		"kda.gate_down": one("g_a_proj.weight"), "kda.gate_up": one("g_b_proj.weight"),
		"kda.beta": one("b_proj.weight"), "kda.dt_bias": one("dt_bias"), "kda.a_log": one("A_log"),
		"kda.norm": one("o_norm.weight"), "kda.out": one("o_proj.weight"),
		"moe.up": {named: eachExpert("w1", "w3")}, "moe.down": {named: eachExpert("w2")},
	})
}

// qwen3Next multiplies by 1 + weight in its norms, stores each query head next to its gate, and
// groups the maps of a Gated DeltaNet by key head.
func qwen3Next() scheme {
	return onePlusNorms(llama(), "mixer_norm", "ffn_norm", "final_norm", "attention.q_norm", "attention.k_norm").with(map[string]entry{
		"attention.qkv":       joined(queriesThenGates, "q_proj.weight", "k_proj.weight", "v_proj.weight"),
		"gated_deltanet.qkvz": joined(deltaGroups, "in_proj_qkvz.weight"),
		"gated_deltanet.ba":   joined(deltaScalars, "in_proj_ba.weight"),
	})
}

// qwen35 is like qwen3Next, but stores the maps of a Gated DeltaNet in tensors of their own.
func qwen35() scheme {
	return qwen3Next().with(map[string]entry{
		"gated_deltanet.qkvz": one("in_proj_qkv.weight", "in_proj_z.weight"),
		"gated_deltanet.ba":   one("in_proj_b.weight", "in_proj_a.weight"),
	})
}

func mamba() scheme {
	s := llama().inside(map[string]string{"mamba1": "mixer.", "mamba2": "mixer."}).with(map[string]entry{
		"embed":      one("/backbone.embeddings.weight"),
		"final_norm": one("/backbone.norm_f.weight"),
		"mixer_norm": one("norm.weight"),
	})
	s.layers = "backbone.layers.%d."
	return s
}

func jamba() scheme {
	return llama().inside(map[string]string{"swiglu": "feed_forward.", "moe": "feed_forward."}).with(map[string]entry{
		"final_norm": one("/model.final_layernorm.weight"),
		"ffn_norm":   one("pre_ff_layernorm.weight"),
		"moe.router": one("router.weight"),
	})
}

func bamba() scheme { return jamba() }

// falconH1 has factors in every part, which are multiplied into the weights.
func falconH1() scheme {
	return bamba().with(map[string]entry{
		"attention.qkv":      joined(keyScale(true), "q_proj.weight", "k_proj.weight", "v_proj.weight"),
		"attention.qkv_bias": joined(keyScale(false), "q_proj.bias", "k_proj.bias", "v_proj.bias"),
		"attention.out":      joined(partScale(attentionOut), "o_proj.weight"), "attention.out_bias": joined(partScale(attentionOut), "o_proj.bias"),
		"mamba2.in": joined(ssmScale(true), "in_proj.weight"), "mamba2.in_bias": joined(ssmScale(false), "in_proj.bias"),
		"mamba2.out": joined(partScale(ssmOut), "out_proj.weight"), "mamba2.out_bias": joined(partScale(ssmOut), "out_proj.bias"),
		"swiglu.up": joined(gateScale, "gate_proj.weight", "up_proj.weight"), "swiglu.up_bias": joined(gateScale, "gate_proj.bias", "up_proj.bias"),
		"swiglu.down": joined(partScale(mlpDown), "down_proj.weight"), "swiglu.down_bias": joined(partScale(mlpDown), "down_proj.bias"),
	})
}

func graniteHybrid() scheme {
	return llama().inside(map[string]string{"moe": "", "swiglu": ""}).with(map[string]entry{
		"moe.router":      one("block_sparse_moe.router.weight"),
		"moe.up":          one("block_sparse_moe.experts.gate_up_proj"),
		"moe.down":        one("block_sparse_moe.experts.down_proj"),
		"moe.shared_up":   one("shared_mlp.input_linear.weight"),
		"moe.shared_down": one("shared_mlp.output_linear.weight"),
		"swiglu.up":       one("shared_mlp.input_linear.weight"),
		"swiglu.down":     one("shared_mlp.output_linear.weight"),
	})
}

// nemotronH has one norm and one block in each layer; all of the blocks are called mixer.
func nemotronH() scheme {
	s := llama().inside(map[string]string{
		"attention": "mixer.", "mamba2": "mixer.", "mlp": "mixer.", "moe": "mixer.",
	}).with(map[string]entry{
		"embed":           one("/model.embeddings.weight"),
		"final_norm":      one("/model.norm_f.weight"),
		"mixer_norm":      one("norm.weight"),
		"ffn_norm":        one("norm.weight"),
		"moe.up":          one("experts.up_proj"),
		"moe.latent_down": one("fc1_latent_proj.weight"),
		"moe.latent_up":   one("fc2_latent_proj.weight"),
		"moe.shared_up":   one("shared_experts.up_proj.weight"),
		"moe.shared_down": one("shared_experts.down_proj.weight"),
	})
	return s
}

func lfm2() scheme {
	return llama().inside(map[string]string{"swiglu": "feed_forward.", "short_conv": "conv."}).with(map[string]entry{
		"final_norm": one("/model.embedding_norm.weight"),
		"mixer_norm": one("operator_norm.weight"), "ffn_norm": one("ffn_norm.weight"),
		"attention.out": one("out_proj.weight"), "attention.q_norm": one("q_layernorm.weight"), "attention.k_norm": one("k_layernorm.weight"),
		"swiglu.up": one("w1.weight", "w3.weight"), "swiglu.down": one("w2.weight"),
		"short_conv.in": one("in_proj.weight"), "short_conv.in_bias": one("in_proj.bias"),
		"short_conv.conv": one("conv.weight"), "short_conv.conv_bias": one("conv.bias"),
		"short_conv.out": one("out_proj.weight"), "short_conv.out_bias": one("out_proj.bias"),
	})
}

func lfm2MoE() scheme {
	return lfm2().inside(map[string]string{"moe": "feed_forward."}).with(map[string]entry{"moe.router_bias": one("expert_bias")})
}

// minimax stores q, k and v of each head of lightning attention together, and tensors that follow
// from the configuration.
func minimax() scheme {
	s := llama().inside(map[string]string{"lightning": "self_attn."}).with(map[string]entry{
		"attention.out": joined(residualFactor, "o_proj.weight"),
		"moe.down":      joined(residualFactor, "experts.down_proj"),
		"lightning.qkv": joined(byLightningHead, "qkv_proj.weight"), "lightning.gate_in": one("output_gate.weight"),
		"lightning.norm": one("norm.weight"), "lightning.out": joined(residualFactor, "out_proj.weight"),
	})
	s.buffers = []string{".slope_rate", ".query_decay", ".key_decay", ".diagonal_decay"}
	return s
}

// minimaxM1 names tensors as MiniMax' own checkpoints do (Text-01, M1), each expert by itself.
func minimaxM1() scheme {
	return minimax().inside(map[string]string{"moe": "block_sparse_moe."}).with(map[string]entry{
		"moe.up": {named: eachExpert("w1", "w3")},
		"moe.down": {named: eachExpert("w2"), join: func(p place) joiner {
			factor := residualFactor(p)
			return func(parts []Tensor) []float32 { return factor([]Tensor{{Data: rows(parts)}}) }
		}},
	})
}
