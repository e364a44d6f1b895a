package checkpoint

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

// llama4 stores its experts in one tensor, with the input dimension first.
func llama4() scheme {
	return llama().inside(map[string]string{"swiglu": "feed_forward.", "moe": "feed_forward."}).with(map[string]entry{
		"moe.router": one("router.weight"),
		"moe.up":     joined(plain(transposeEach), "experts.gate_up_proj"),
		"moe.down":   joined(plain(transposeEach), "experts.down_proj"),
	})
}

// headNorms names the tensors of a LayerNorm over all heads as Phi and Persimmon do.
func headNorms(s scheme) scheme {
	return s.with(map[string]entry{
		"attention.q_norm": one("q_layernorm.weight"), "attention.q_norm_bias": one("q_layernorm.bias"),
		"attention.k_norm": one("k_layernorm.weight"), "attention.k_norm_bias": one("k_layernorm.bias"),
	})
}

// persimmon stores q, k and v of each head together, as GPT-NeoX does.
func persimmon() scheme {
	return headNorms(llama()).with(map[string]entry{
		"final_norm": one("/model.final_layernorm.weight"), "final_norm_bias": one("/model.final_layernorm.bias"),
		"attention.qkv":      joined(byHead, "query_key_value.weight"),
		"attention.qkv_bias": joined(byHead, "query_key_value.bias"),
		"attention.out":      one("dense.weight"), "attention.out_bias": one("dense.bias"),
		"mlp.up": one("dense_h_to_4h.weight"), "mlp.up_bias": one("dense_h_to_4h.bias"),
		"mlp.down": one("dense_4h_to_h.weight"), "mlp.down_bias": one("dense_4h_to_h.bias"),
	})
}

// stableLM stores the norm of each head in a tensor of its own.
func stableLM() scheme {
	each := func(name string, heads func(arch.Attention) int) entry {
		return entry{named: func(p place) []string {
			var out []string
			for h := range heads(mixerOf[arch.Attention](p)) {
				out = append(out, fmt.Sprintf("%s.norms.%d.weight", name, h))
			}
			return out
		}}
	}
	return llama().with(map[string]entry{
		"attention.q_norm": each("q_layernorm", func(a arch.Attention) int { return a.Heads }),
		"attention.k_norm": each("k_layernorm", func(a arch.Attention) int { return a.KVHeads }),
	})
}

func mpt() scheme {
	s := llama().inside(map[string]string{"attention": "attn.", "mlp": "ffn."}).with(map[string]entry{
		"embed": one("/transformer.wte.weight"), "final_norm": one("/transformer.norm_f.weight"),
		"mixer_norm": one("norm_1.weight"), "ffn_norm": one("norm_2.weight"),
		"attention.qkv": one("Wqkv.weight"), "attention.out": one("out_proj.weight"),
	})
	s.layers = "transformer.blocks.%d."
	return s
}

// bloom stores q, k and v of each head together.
func bloom() scheme {
	s := persimmon().inside(map[string]string{"attention": "self_attention."}).with(map[string]entry{
		"embed":      one("/transformer.word_embeddings.weight"),
		"embed_norm": one("/transformer.word_embeddings_layernorm.weight"), "embed_norm_bias": one("/transformer.word_embeddings_layernorm.bias"),
		"final_norm": one("/transformer.ln_f.weight"), "final_norm_bias": one("/transformer.ln_f.bias"),
	})
	s.layers = "transformer.h.%d."
	return s
}

// diffLlama pairs each head of the first half with one of the second half; in our models, pairs
// are neighbours.
func diffLlama() scheme {
	return llama().with(map[string]entry{
		"attention.qkv":      joined(pairedHeads, "q_proj.weight", "k_proj.weight", "v_proj.weight"),
		"attention.qkv_bias": joined(pairedHeads, "q_proj.bias", "k_proj.bias", "v_proj.bias"),
		"attention.lambda":   one("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"),
	})
}

// pairedHeads puts the heads of the two halves of queries, keys and values next to each other.
func pairedHeads(p place) joiner {
	a := mixerOf[arch.Attention](p)
	return func(parts []Tensor) []float32 {
		var all []Tensor
		for _, t := range parts {
			size := a.HeadDim
			if len(t.Shape) > 1 {
				size *= t.Shape[1]
			}
			half := len(t.Data) / size / 2
			var d []float32
			for h := range half {
				d = append(d, t.Data[h*size:(h+1)*size]...)
				d = append(d, t.Data[(half+h)*size:(half+h+1)*size]...)
			}
			all = append(all, Tensor{Data: d})
		}
		return rows(all)
	}
}
