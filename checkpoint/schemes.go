package checkpoint

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

// Verified lists the types of which whole checkpoints were loaded and gave the logits of the
// modelling code. The tables of the others follow its names and were never held against it.
func Verified() []string {
	return []string{
		"bamba", "cohere2", "deepseek_v2", "deepseek_v3", "ernie4_5_moe", "exaone4", "falcon_h1", "gemma2", "gemma3_text", "gemma3n_text", "gemma4_text", "glm4_moe", "gpt_neox", "gpt_oss", "granitemoehybrid", "jamba",
		"lfm2", "llama", "llama4_text", "mamba", "mamba2", "minimax", "minimax_m2", "mistral", "mixtral", "nemotron_h", "olmo3", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_5_text",
		"qwen3_moe", "qwen3_next", "smollm3", "starcoder2", "zamba2",
	}
}

// schemes are the tables of all types.
func schemes() map[string]scheme {
	return map[string]scheme{
		"llama":            llama(),
		"llama4_text":      llama4(),
		"persimmon":        persimmon(),
		"mpt":              mpt(),
		"bloom":            bloom(),
		"diffllama":        diffLlama(),
		"afmoe":            afmoe(),
		"deepseek":         deepSeek(),
		"dots1":            deepSeek(),
		"ernie4_5_moe":     deepSeek().with(map[string]entry{"moe.router_bias": one("gate.moe_statics.e_score_correction_bias")}),
		"exaone_moe":       deepSeek(),
		"flex_olmo":        sandwich(llama()),
		"glm4_moe":         deepSeek(),
		"granitemoe":       graniteMoE(),
		"granitemoeshared": graniteMoE(),
		"minimax_m2":       llama().with(map[string]entry{"moe.router_bias": one("e_score_correction_bias")}),
		"mimo_v2_flash":    deepSeek(),
		"olmoe":            llama(),
		"phimoe":           llama().with(map[string]entry{"moe.router": one("router.weight")}),
		"qwen2_moe":        llama(),
		"solar_open":       deepSeek(),
		"deepseek_v2":      deepSeek(),
		"deepseek_v3":      deepSeek(),
		"kimi_k2":          deepSeek(),
		"kimi_linear":      kimiLinear(),
		"deepseek_v32":     deepSeek(),
		"glm_moe_dsa":      deepSeek(),
		"minicpm3":         deepSeek(),
		"glm4_moe_lite":    deepSeek(),
		"youtu":            deepSeek(),
		"mistral":          llama(),
		"qwen2":            llama(),
		"qwen3":            llama(),
		"phi3":             phi3(),
		"mixtral":          llama(),
		"qwen3_moe":        llama(),
		"gpt_oss":          gptOss(),
		"qwen3_next":       qwen3Next(),
		"rwkv":             rwkv(),
		"rwkv5":            rwkv(),
		"recurrent_gemma":  recurrentGemma(),
		"qwen3_5_text":     qwen35(),
		"mamba":            mamba(),
		"falcon_mamba":     mamba(),
		"mamba2":           mamba(),
		"jamba":            jamba(),
		"lfm2":             lfm2(),
		"bamba":            bamba(),
		"falcon_h1":        bamba(),
		"granitemoehybrid": graniteHybrid(),
		"nemotron_h":       nemotronH(),
		"arcee":            llama(),
		"cwm":              llama(),
		"ernie4_5":         llama(),
		"granite":          llama(),
		"helium":           llama(),
		"hunyuan_v1_dense": llama().with(map[string]entry{"attention.q_norm": one("query_layernorm.weight"), "attention.k_norm": one("key_layernorm.weight")}),
		"ministral3":       llama(),
		"minimax":          minimax(),
		"minimax_m1":       minimaxM1(),
		"mimo":             llama(),
		"minicpm":          llama(),
		"olmo":             llama(),
		"orion":            llama(),
		"seed_oss":         llama(),
		"smollm3":          llama(),
		"stablelm":         stableLM(),
		"gemma":            onePlusNorms(llama(), "mixer_norm", "ffn_norm", "final_norm"),
		"gemma2":           gemma2(),
		"gemma3_text":      gemma2(),
		"gemma3n_text":     gemma3n(),
		"gemma4_text":      gemma4(),
		"xlstm":            xlstm(),
		"zamba":            zamba(),
		"zamba2":           zamba2(),
		"vaultgemma":       onePlusNorms(llama(), "mixer_norm", "ffn_norm", "final_norm"),
		"glm":              phi3(),
		"glm4":             glm4(),
		"olmo2":            olmo2(),
		"olmo3":            olmo2(),
		"olmo_hybrid":      olmoHybrid(),
		"exaone4":          olmo2(),
		"cohere":           llama(),
		"cohere2":          llama(),
		"gpt_neox":         gptNeoX(),
		"starcoder2":       starcoder2(),
		"phi":              phi(),
		"gpt2":             gpt2(),
		"gpt_bigcode":      gptBigCode(),
		"gptj":             gptJ(),
		"opt":              opt(),
		"falcon":           falcon(),
		"internlm2":        internLM2(),
	}
}

// llama is the naming that most types follow.
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

// deepSeek has latent attention, and shared experts in one.
func deepSeek() scheme {
	return llama().inside(map[string]string{"mla": "self_attn."}).with(map[string]entry{
		"mla.q":      one("q_proj.weight"),
		"mla.q_down": one("q_a_proj.weight"), "mla.q_down_bias": one("q_a_proj.bias"),
		"mla.q_norm":  one("q_a_layernorm.weight"),
		"mla.q_up":    one("q_b_proj.weight"),
		"mla.kv_down": one("kv_a_proj_with_mqa.weight"), "mla.kv_down_bias": one("kv_a_proj_with_mqa.bias"),
		"mla.kv_norm": one("kv_a_layernorm.weight"),
		"mla.kv_up":   one("kv_b_proj.weight"),
		"mla.out":     one("o_proj.weight"), "mla.out_bias": one("o_proj.bias"),
		"mla.index_q": one("indexer.wq_b.weight"), "mla.index_k": one("indexer.wk.weight"),
		"mla.index_norm": one("indexer.k_norm.weight"), "mla.index_norm_bias": one("indexer.k_norm.bias"),
		"mla.index_weights": one("indexer.weights_proj.weight"),
		"moe.shared_up":     one("shared_experts.gate_proj.weight", "shared_experts.up_proj.weight"),
		"moe.shared_down":   one("shared_experts.down_proj.weight"),
	})
}

// graniteMoE stacks its experts as Granite's hybrids do.
func graniteMoE() scheme {
	return graniteHybrid().with(map[string]entry{
		"moe.router": one("block_sparse_moe.router.layer.weight"),
		"moe.up":     one("block_sparse_moe.input_linear.weight"),
		"moe.down":   one("block_sparse_moe.output_linear.weight"),
	})
}

// afmoe has norms on both sides of each part, and a gate on its attention.
func afmoe() scheme {
	return deepSeek().with(map[string]entry{
		"mixer_post_norm": one("post_attention_layernorm.weight"),
		"ffn_norm":        one("pre_mlp_layernorm.weight"),
		"ffn_post_norm":   one("post_mlp_layernorm.weight"),
		"attention.qkv":   one("q_proj.weight", "gate_proj.weight", "k_proj.weight", "v_proj.weight"),
		"moe.router":      one("router.gate.weight"),
		"moe.router_bias": one("expert_bias"),
	})
}

// phi3 keeps q, k and v, and gate and up, in one matrix each.
func phi3() scheme {
	return llama().with(map[string]entry{
		"attention.qkv": one("qkv_proj.weight"),
		"swiglu.up":     one("gate_up_proj.weight"),
	})
}

// sandwich names the norms behind a layer's parts beside those before.
func sandwich(s scheme) scheme {
	return s.with(map[string]entry{
		"mixer_post_norm": one("post_attention_layernorm.weight"),
		"ffn_norm":        one("pre_feedforward_layernorm.weight"),
		"ffn_post_norm":   one("post_feedforward_layernorm.weight"),
	})
}

func gemma2() scheme {
	return onePlusNorms(sandwich(llama()), "mixer_norm", "mixer_post_norm", "ffn_norm", "ffn_post_norm", "final_norm",
		"attention.q_norm", "attention.k_norm")
}

func glm4() scheme {
	return phi3().with(map[string]entry{
		"mixer_post_norm": one("post_self_attn_layernorm.weight"),
		"ffn_norm":        one("post_attention_layernorm.weight"),
		"ffn_post_norm":   one("post_mlp_layernorm.weight"),
	})
}

func olmo2() scheme { return sandwich(llama()) }

// olmoHybrid has OLMo 2's norms in its attention layers, and those of Llama in the others.
func olmoHybrid() scheme {
	s := llama().with(map[string]entry{
		"mixer_post_norm":     one("post_attention_layernorm.weight"),
		"ffn_post_norm":       one("post_feedforward_layernorm.weight"),
		"gated_deltanet.qkvz": one("q_proj.weight", "k_proj.weight", "v_proj.weight", "g_proj.weight"),
		"gated_deltanet.ba":   one("b_proj.weight", "a_proj.weight"),
		"gated_deltanet.conv": one("q_conv1d.weight", "k_conv1d.weight", "v_conv1d.weight"),
		"gated_deltanet.norm": one("o_norm.weight"), "gated_deltanet.out": one("o_proj.weight"),
	})
	return s
}

// recurrentGemma keeps the gates of a head with the input first, and the convolution as it is.
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

// xlstm keeps maps that read the same input one by one (weight_mode single).
func xlstm() scheme {
	s := llama().inside(map[string]string{"mlstm": "mlstm_layer.", "swiglu": "ffn."}).with(map[string]entry{
		"embed": one("/backbone.embeddings.weight"), "final_norm": one("/backbone.out_norm.weight"),
		"mixer_norm": one("norm_mlstm.weight"), "ffn_norm": one("norm_ffn.weight"),
		"mlstm.qkvo":       one("query.weight", "key.weight", "value.weight", "ogate_preact.weight"),
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

// eachExpert names the modules of every expert, one expert behind the other.
func eachExpert(modules ...string) func(place) []string {
	return func(p place) []string {
		var names []string
		for e := range p.ffn.(arch.MoE).Experts {
			for _, m := range modules {
				names = append(names, fmt.Sprintf("experts.%d.%s.weight", e, m))
			}
		}
		return names
	}
}

// gptNeoX keeps q, k and v of each head together.
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

// gpt2 keeps every matrix with the input first.
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
		"embed": one("/model.decoder.embed_tokens.weight"), "positions": one("/model.decoder.embed_positions.weight"),
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

// gptOss stacks its experts with the input first, gate and up in turn.
func gptOss() scheme {
	return llama().with(map[string]entry{
		"moe.router":      one("router.weight"),
		"moe.router_bias": one("router.bias"),
		"moe.up":          joined(plain(then(transposeEach, unzipEach)), "experts.gate_up_proj"),
		"moe.up_bias":     joined(plain(unzipEach), "experts.gate_up_proj_bias"),
		"moe.down":        joined(plain(transposeEach), "experts.down_proj"),
		"moe.down_bias":   one("experts.down_proj_bias"),
	})
}

// qwen3Next norms with 1 + weight, keeps each query head beside its gate, and groups the
// maps of a Gated DeltaNet by key head.
func qwen3Next() scheme {
	return onePlusNorms(llama(), "mixer_norm", "ffn_norm", "final_norm", "attention.q_norm", "attention.k_norm").with(map[string]entry{
		"attention.qkv":       joined(queriesThenGates, "q_proj.weight", "k_proj.weight", "v_proj.weight"),
		"gated_deltanet.qkvz": joined(deltaGroups, "in_proj_qkvz.weight"),
		"gated_deltanet.ba":   joined(deltaScalars, "in_proj_ba.weight"),
	})
}

// qwen35 is qwen3Next with the maps of a Gated DeltaNet one by one.
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

// nemotronH has one norm and one block a layer, all of them called mixer.
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

// layerInput names what belongs to the layers' own embeddings.
func layerInput(s scheme) scheme {
	return s.with(map[string]entry{
		"layer_embed":     one("/model.embed_tokens_per_layer.weight"),
		"layer_proj":      one("/model.per_layer_model_projection.weight"),
		"layer_proj_norm": one("/model.per_layer_projection_norm.weight"),
		"input.gate":      one("per_layer_input_gate.weight"), "input.out": one("per_layer_projection.weight"),
		"input_post_norm": one("post_per_layer_input_norm.weight"),
	})
}

func gemma4() scheme {
	s := layerInput(sandwich(llama())).inside(map[string]string{"mlp_moe": ""}).with(map[string]entry{
		"scale":                  one("layer_scalar"),
		"attention.q":            one("q_proj.weight"),
		"attention.qk":           one("q_proj.weight", "k_proj.weight"),
		"mlp_moe.up":             one("mlp.gate_proj.weight", "mlp.up_proj.weight"),
		"mlp_moe.down":           one("mlp.down_proj.weight"),
		"mlp_moe.experts.router": one("router.proj.weight"),
		"mlp_moe.experts.up":     one("experts.gate_up_proj"), "mlp_moe.experts.down": one("experts.down_proj"),
		"mlp_moe.mlp_norm": one("post_feedforward_layernorm_1.weight"), "mlp_moe.experts_norm": one("post_feedforward_layernorm_2.weight"),
		"mlp_moe.expert_norm":  one("pre_feedforward_layernorm_2.weight"),
		"mlp_moe.router_norm":  joined(routerNorm, "router.scale"),
		"mlp_moe.expert_scale": one("router.per_expert_scale"),
	})
	s.at = partQKV
	return s
}

// gemma3n keeps the maps of its streams one by one.
func gemma3n() scheme {
	each := func(name string) entry {
		return entry{named: func(p place) []string {
			var out []string
			for i := range p.m.AltUp.Streams - 1 {
				out = append(out, fmt.Sprintf("/model.%s.%d.weight", name, i))
			}
			return out
		}}
	}
	s := layerInput(sandwich(llama())).with(map[string]entry{
		"attention.q": one("q_proj.weight"),
		"altup_in":    each("altup_projections"), "altup_out": each("altup_unembed_projections"),
		"altup.norm": joined(streamNorm, "altup.router_norm.weight"), "altup.router": one("altup.modality_router.weight"),
		"altup.predict": one("altup.prediction_coefs.weight"), "altup.correct": one("altup.correction_coefs.weight"),
		"altup.scale": one("altup.correct_output_scale"),
		"laurel.left": one("laurel.linear_left.weight"), "laurel.right": one("laurel.linear_right.weight"),
		"laurel.norm": one("laurel.post_laurel_norm.weight"),
	})
	s.at = partQKV
	return s
}

// partQKV looks up the maps of attention that makes no keys, or no values, of its own.
func partQKV(p place) string {
	a, ok := p.mixer.(arch.Attention)
	switch {
	case !ok || p.name != "qkv":
		return ""
	case a.Cross():
		return "attention.q"
	case a.KeysAsValues:
		return "attention.qk"
	}
	return ""
}

// minimax keeps q, k and v of each head of lightning attention together, and buffers that
// follow from the configuration.
func minimax() scheme {
	s := llama().inside(map[string]string{"lightning": "self_attn."}).with(map[string]entry{
		"attention.out": joined(residualFactor, "o_proj.weight"),
		"moe.down":      joined(residualFactor, "experts.down_proj"),
		"lightning.qkv": joined(byHead, "qkv_proj.weight"), "lightning.gate_in": one("output_gate.weight"),
		"lightning.norm": one("norm.weight"), "lightning.out": joined(residualFactor, "out_proj.weight"),
	})
	s.buffers = []string{".slope_rate", ".query_decay", ".key_decay", ".diagonal_decay"}
	return s
}

// minimaxM1 names tensors as MiniMax' own checkpoints do (Text-01, M1): experts one by one.
func minimaxM1() scheme {
	return minimax().inside(map[string]string{"moe": "block_sparse_moe."}).with(map[string]entry{
		"moe.up": {named: eachExpert("w1", "w3")},
		"moe.down": {named: eachExpert("w2"), join: func(p place) joiner {
			factor := residualFactor(p)
			return func(parts []Tensor) []float32 { return factor([]Tensor{{Data: rows(parts)}}) }
		}},
	})
}
