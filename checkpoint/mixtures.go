package checkpoint

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

// deepSeek has latent attention, and stores its shared experts as one.
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

// minimaxM3 norms with 1 + weight, and joins gate and up. The published files name the indexer and the
// mixture otherwise, and store experts one by one.
func minimaxM3() scheme {
	s := deepSeek().with(map[string]entry{
		"swiglu.up":     one("gate_up_proj.weight"),
		"moe.up":        one("experts.gate_up_proj"),
		"moe.shared_up": one("shared_experts.gate_up_proj.weight"),
	})
	s = onePlusNorms(s, "mixer_norm", "ffn_norm", "final_norm", "attention.q_norm", "attention.k_norm")
	change := map[string]entry{
		"block_sparse.index_q":      one("indexer.q_proj.weight").orIn(one("index_q_proj.weight")),
		"block_sparse.index_k":      one("indexer.k_proj.weight").orIn(one("index_k_proj.weight")),
		"block_sparse.index_q_norm": joined(plain(onePlus), "indexer.q_norm.weight").orIn(joined(plain(onePlus), "index_q_norm.weight")),
		"block_sparse.index_k_norm": joined(plain(onePlus), "indexer.k_norm.weight").orIn(joined(plain(onePlus), "index_k_norm.weight")),
	}
	for _, name := range []string{"qkv", "out", "q_norm", "k_norm"} {
		change["block_sparse."+name] = s.names["attention."+name]
	}
	return s.with(change).inside(map[string]string{"block_sparse": "self_attn."})
}

// jetMoE keeps the experts of attention and of the network in stacks of their own.
func jetMoE() scheme {
	return llama().inside(map[string]string{"moa": "self_attention."}).with(map[string]entry{
		"moa.router": one("experts.router.layer.weight"),
		"moa.q":      one("experts.input_linear.weight"), "moa.out": one("experts.output_linear.weight"),
		"moa.kv": one("kv_proj.weight"), "moa.out_bias": one("experts.bias"),
		"moe.router": one("router.layer.weight"),
		"moe.up":     one("input_linear.weight"), "moe.down": one("output_linear.weight"), "moe.sum_bias": one("bias"),
	})
}

// afmoe has norms before and after each part, and a gate on its attention.
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

// eachExpert lists the modules of all experts, one expert after the other.
func eachExpert(modules ...string) func(place) []string {
	return func(p place) []string {
		var names []string
		for e := range p.ffn.Routed() {
			for _, m := range modules {
				names = append(names, fmt.Sprintf("experts.%d.%s.weight", e, m))
			}
		}
		return names
	}
}

// gptOss stores its experts in one tensor, with the input dimension first; gate and up alternate.
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

func hunyuan() scheme {
	return llama().with(map[string]entry{"attention.q_norm": one("query_layernorm.weight"), "attention.k_norm": one("key_layernorm.weight")})
}

func hunyuanMoE() scheme {
	return hunyuan().with(map[string]entry{
		"moe.router":      one("gate.wg.weight"),
		"moe.shared_up":   one("shared_mlp.gate_proj.weight", "shared_mlp.up_proj.weight"),
		"moe.shared_down": one("shared_mlp.down_proj.weight"),
	})
}

// layerInput names the tensors of the embeddings that layers have of their own.
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

// gemma3n stores the maps of its streams in tensors of their own.
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

func gemma2() scheme {
	return onePlusNorms(sandwich(llama()), "mixer_norm", "mixer_post_norm", "ffn_norm", "ffn_post_norm", "final_norm",
		"attention.q_norm", "attention.k_norm")
}

// partQKV returns the name under which to look up the maps of attention that makes no keys, or no
// values, of its own.
func partQKV(p place) string {
	a, ok := arch.AttentionAlone(p.mixer)
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
