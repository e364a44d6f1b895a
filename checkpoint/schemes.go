package checkpoint

import (
	"github.com/OWNER/ridgeline/arch"
)

// llama has the names that most types use.
func llama() scheme {
	return scheme{
		layers: "model.layers.%d.",
		in: map[string]string{
			"attention": "self_attn.", "swiglu": "mlp.", "mlp": "mlp.", "moe": "mlp.",
			"mamba1": "mamba.", "mamba2": "mamba.", "gated_deltanet": "linear_attn.",
		},
		names: map[string]entry{
			"embed":      one("/model.embed_tokens.weight"),
			"final_norm": one("/model.norm.weight"), "final_norm_bias": one("/model.norm.bias"),
			"lm_head": one("/lm_head.weight"), "lm_head_bias": one("/lm_head.bias"),
			"mixer_norm": one("input_layernorm.weight"), "mixer_norm_bias": one("input_layernorm.bias"),
			"ffn_norm": one("post_attention_layernorm.weight"), "ffn_norm_bias": one("post_attention_layernorm.bias"),

			"attention.qkv":      one("q_proj.weight", "k_proj.weight", "v_proj.weight"),
			"attention.qkv_bias": one("q_proj.bias", "k_proj.bias", "v_proj.bias"),
			"attention.out":      one("o_proj.weight"),
			"attention.out_bias": one("o_proj.bias"),
			"attention.q_norm":   one("q_norm.weight"),
			"attention.k_norm":   one("k_norm.weight"),
			"attention.sinks":    one("sinks"),

			"swiglu.up":        one("gate_proj.weight", "up_proj.weight"),
			"swiglu.up_bias":   one("gate_proj.bias", "up_proj.bias"),
			"swiglu.down":      one("down_proj.weight"),
			"swiglu.down_bias": one("down_proj.bias"),
			"mlp.up":           one("up_proj.weight"),
			"mlp.up_bias":      one("up_proj.bias"),
			"mlp.down":         one("down_proj.weight"),
			"mlp.down_bias":    one("down_proj.bias"),

			"moe.router":      one("gate.weight"),
			"moe.router_bias": one("gate.e_score_correction_bias"),
			"moe.up":          one("experts.gate_up_proj"),
			"moe.down":        one("experts.down_proj"),
			"moe.shared_up":   one("shared_expert.gate_proj.weight", "shared_expert.up_proj.weight"),
			"moe.shared_down": one("shared_expert.down_proj.weight"),
			"moe.shared_gate": one("shared_expert_gate.weight"),

			"mamba1.in": one("in_proj.weight"), "mamba1.in_bias": one("in_proj.bias"),
			"mamba1.conv": one("conv1d.weight"), "mamba1.conv_bias": one("conv1d.bias"),
			"mamba1.x": one("x_proj.weight"), "mamba1.dt": one("dt_proj.weight"), "mamba1.dt_bias": one("dt_proj.bias"),
			"mamba1.a_log": one("A_log"), "mamba1.d": one("D"),
			"mamba1.out": one("out_proj.weight"), "mamba1.out_bias": one("out_proj.bias"),
			"mamba1.inner_norms": one("dt_layernorm.weight", "b_layernorm.weight", "c_layernorm.weight"),

			"mamba2.in": one("in_proj.weight"), "mamba2.in_bias": one("in_proj.bias"),
			"mamba2.conv": one("conv1d.weight"), "mamba2.conv_bias": one("conv1d.bias"),
			"mamba2.dt_bias": one("dt_bias"), "mamba2.a_log": one("A_log"), "mamba2.d": one("D"),
			"mamba2.norm": one("norm.weight"),
			"mamba2.out":  one("out_proj.weight"), "mamba2.out_bias": one("out_proj.bias"),

			"gated_deltanet.conv":    one("conv1d.weight"),
			"gated_deltanet.dt_bias": one("dt_bias"), "gated_deltanet.a_log": one("A_log"),
			"gated_deltanet.norm": one("norm.weight"),
			"gated_deltanet.out":  one("out_proj.weight"),
		},
	}
}

// phi3 stores q, k and v in one matrix, and gate and up in another.
func phi3() scheme {
	return llama().with(map[string]entry{
		"attention.qkv": one("qkv_proj.weight"),
		"swiglu.up":     one("gate_up_proj.weight"),
	})
}

// apertus stores two numbers for each activation; two further ones are fixed in the modelling
// code.
func apertus() scheme {
	s := llama().with(map[string]entry{
		"mixer_norm": one("attention_layernorm.weight"), "ffn_norm": one("feedforward_layernorm.weight"),
		"mlp.act": one("act_fn.alpha_p", "act_fn.alpha_n"),
	})
	s.buffers = []string{".act_fn.beta", ".act_fn.eps"}
	return s
}

func bitNet() scheme {
	return llama().with(map[string]entry{"attention.inner_norm": one("attn_sub_norm.weight"), "swiglu.inner_norm": one("ffn_sub_norm.weight")})
}

// sandwich names the norms after a layer's parts as well as those before them.
func sandwich(s scheme) scheme {
	return s.with(map[string]entry{
		"mixer_post_norm": one("post_attention_layernorm.weight"),
		"ffn_norm":        one("pre_feedforward_layernorm.weight"),
		"ffn_post_norm":   one("post_feedforward_layernorm.weight"),
	})
}

// glm stores gate and up in one matrix.
func glm() scheme {
	return llama().with(map[string]entry{"swiglu.up": one("gate_up_proj.weight")})
}

func glm4() scheme {
	return glm().with(map[string]entry{
		"mixer_post_norm": one("post_self_attn_layernorm.weight"),
		"ffn_norm":        one("post_attention_layernorm.weight"),
		"ffn_post_norm":   one("post_mlp_layernorm.weight"),
	})
}

func olmo2() scheme { return sandwich(llama()) }

// gptNeoX stores q, k and v of each head together.
func gptNeoX() scheme {
	s := llama().inside(map[string]string{"attention": "attention."}).with(map[string]entry{
		"embed":      one("/gpt_neox.embed_in.weight"),
		"final_norm": one("/gpt_neox.final_layer_norm.weight"), "final_norm_bias": one("/gpt_neox.final_layer_norm.bias"),
		"attention.qkv":      joined(byHead, "query_key_value.weight"),
		"attention.qkv_bias": joined(byHead, "query_key_value.bias"),
		"attention.out":      one("dense.weight"), "attention.out_bias": one("dense.bias"),
		"mlp.up": one("dense_h_to_4h.weight"), "mlp.up_bias": one("dense_h_to_4h.bias"),
		"mlp.down": one("dense_4h_to_h.weight"), "mlp.down_bias": one("dense_4h_to_h.bias"),
	})
	s.layers = "gpt_neox.layers.%d."
	return s
}

func starcoder2() scheme {
	return llama().with(map[string]entry{
		"mlp.up": one("c_fc.weight"), "mlp.up_bias": one("c_fc.bias"),
		"mlp.down": one("c_proj.weight"), "mlp.down_bias": one("c_proj.bias"),
	})
}

func phi() scheme {
	return headNorms(llama()).with(map[string]entry{
		"final_norm": one("/model.final_layernorm.weight"), "final_norm_bias": one("/model.final_layernorm.bias"),
		"attention.out": one("dense.weight"), "attention.out_bias": one("dense.bias"),
		"mlp.up": one("fc1.weight"), "mlp.up_bias": one("fc1.bias"),
		"mlp.down": one("fc2.weight"), "mlp.down_bias": one("fc2.bias"),
	})
}

// gpt2 stores every matrix with the input dimension first.
func gpt2() scheme {
	s := llama().inside(map[string]string{"attention": "attn."}).with(map[string]entry{
		"embed": one("/transformer.wte.weight"), "positions": one("/transformer.wpe.weight"),
		"final_norm": one("/transformer.ln_f.weight"), "final_norm_bias": one("/transformer.ln_f.bias"),
		"mixer_norm": one("ln_1.weight"), "mixer_norm_bias": one("ln_1.bias"),
		"ffn_norm": one("ln_2.weight"), "ffn_norm_bias": one("ln_2.bias"),
		"attention.qkv":      joined(plain(transposeEach), "c_attn.weight"),
		"attention.qkv_bias": one("c_attn.bias"),
		"attention.out":      joined(plain(transposeEach), "c_proj.weight"),
		"attention.out_bias": one("c_proj.bias"),
		"mlp.up":             joined(plain(transposeEach), "c_fc.weight"), "mlp.up_bias": one("c_fc.bias"),
		"mlp.down": joined(plain(transposeEach), "c_proj.weight"), "mlp.down_bias": one("c_proj.bias"),
	})
	s.layers = "transformer.h.%d."
	return s
}

func gptBigCode() scheme {
	return gpt2().with(map[string]entry{
		"attention.qkv": one("c_attn.weight"), "attention.out": one("c_proj.weight"),
		"mlp.up": one("c_fc.weight"), "mlp.down": one("c_proj.weight"),
	})
}

func gptJ() scheme {
	return gpt2().with(map[string]entry{
		"attention.qkv": one("q_proj.weight", "k_proj.weight", "v_proj.weight"),
		"attention.out": one("out_proj.weight"),
		"mlp.up":        one("fc_in.weight"), "mlp.up_bias": one("fc_in.bias"),
		"mlp.down": one("fc_out.weight"), "mlp.down_bias": one("fc_out.bias"),
	})
}

func opt() scheme {
	s := llama().inside(map[string]string{"mlp": ""}).with(map[string]entry{
		"embed": one("/model.decoder.embed_tokens.weight"), "positions": joined(plain(fromThird), "/model.decoder.embed_positions.weight"),
		"final_norm": one("/model.decoder.final_layer_norm.weight"), "final_norm_bias": one("/model.decoder.final_layer_norm.bias"),
		"mixer_norm": one("self_attn_layer_norm.weight"), "mixer_norm_bias": one("self_attn_layer_norm.bias"),
		"ffn_norm": one("final_layer_norm.weight"), "ffn_norm_bias": one("final_layer_norm.bias"),
		"attention.out": one("out_proj.weight"), "attention.out_bias": one("out_proj.bias"),
		"mlp.up": one("fc1.weight"), "mlp.up_bias": one("fc1.bias"),
		"mlp.down": one("fc2.weight"), "mlp.down_bias": one("fc2.bias"),
	})
	s.layers = "model.decoder.layers.%d."
	return s
}

func falcon() scheme {
	s := llama().inside(map[string]string{"attention": "self_attention."}).with(map[string]entry{
		"embed":      one("/transformer.word_embeddings.weight"),
		"final_norm": one("/transformer.ln_f.weight"), "final_norm_bias": one("/transformer.ln_f.bias"),
		"attention.qkv":      joined(byGroup, "query_key_value.weight"),
		"attention.qkv_bias": joined(byGroup, "query_key_value.bias"),
		"attention.out":      one("dense.weight"), "attention.out_bias": one("dense.bias"),
		"mlp.up": one("dense_h_to_4h.weight"), "mlp.up_bias": one("dense_h_to_4h.bias"),
		"mlp.down": one("dense_4h_to_h.weight"), "mlp.down_bias": one("dense_4h_to_h.bias"),
	})
	s.layers = "transformer.h.%d."
	s.at = func(p place) string {
		if p.layer < 0 || p.m.Layers[p.layer].Block != arch.ParallelNorms {
			return ""
		}
		return map[string]string{"mixer_norm": "ln_attn", "ffn_norm": "ln_mlp", "mixer_norm_bias": "ln_attn_bias", "ffn_norm_bias": "ln_mlp_bias"}[p.name]
	}
	return s.with(map[string]entry{
		"ln_attn": one("ln_attn.weight"), "ln_attn_bias": one("ln_attn.bias"),
		"ln_mlp": one("ln_mlp.weight"), "ln_mlp_bias": one("ln_mlp.bias"),
	})
}

func internLM2() scheme {
	s := llama().inside(map[string]string{"attention": "attention.", "swiglu": "feed_forward."}).with(map[string]entry{
		"embed": one("/model.tok_embeddings.weight"), "lm_head": one("/output.weight"),
		"mixer_norm": one("attention_norm.weight"), "ffn_norm": one("ffn_norm.weight"),
		"attention.qkv": joined(byGroup, "wqkv.weight"), "attention.qkv_bias": joined(byGroup, "wqkv.bias"),
		"attention.out": one("wo.weight"), "attention.out_bias": one("wo.bias"),
		"swiglu.up": one("w1.weight", "w3.weight"), "swiglu.down": one("w2.weight"),
	})
	return s
}

// baichuan stores queries, keys and values in one matrix.
func baichuan() scheme {
	return llama().with(map[string]entry{"attention.qkv": one("W_pack.weight")})
}

// qwen1 is the first Qwen: w2 is the gate and w1 the branch beside it.
func qwen1() scheme {
	s := llama().inside(map[string]string{"attention": "attn."}).with(map[string]entry{
		"embed": one("/transformer.wte.weight"), "final_norm": one("/transformer.ln_f.weight"),
		"mixer_norm": one("ln_1.weight"), "ffn_norm": one("ln_2.weight"),
		"attention.qkv": one("c_attn.weight"), "attention.qkv_bias": one("c_attn.bias"), "attention.out": one("c_proj.weight"),
		"swiglu.up": one("w2.weight", "w1.weight"), "swiglu.down": one("c_proj.weight"),
	})
	s.layers = "transformer.h.%d."
	return s
}

// chatGLM stores queries, keys and values in one matrix, and gate and up in another.
func chatGLM() scheme {
	s := llama().inside(map[string]string{"attention": "self_attention."}).with(map[string]entry{
		"embed": one("/transformer.embedding.word_embeddings.weight"), "lm_head": one("/transformer.output_layer.weight"),
		"final_norm": one("/transformer.encoder.final_layernorm.weight"), "final_norm_bias": one("/transformer.encoder.final_layernorm.bias"),
		"attention.qkv": one("query_key_value.weight"), "attention.qkv_bias": one("query_key_value.bias"),
		"attention.out": one("dense.weight"), "attention.out_bias": one("dense.bias"),
		"swiglu.up": one("dense_h_to_4h.weight"), "swiglu.up_bias": one("dense_h_to_4h.bias"),
		"swiglu.down": one("dense_4h_to_h.weight"), "swiglu.down_bias": one("dense_4h_to_h.bias"),
	})
	s.layers, s.buffers = "transformer.encoder.layers.%d.", []string{"rotary_pos_emb.inv_freq"}
	return s
}
