package hf

import (
	"fmt"
	"strings"
	"testing"
)

// A checkpoint that lists its modules one by one is matched by the names that MiniMax-M3's files
// have: those it leaves out stay in 16 bits.
func TestModulesOfMiniMaxM3(t *testing.T) {
	var listed []string
	for _, m := range []string{"q_proj", "k_proj", "v_proj", "o_proj", "index_q_proj"} {
		listed = append(listed, fmt.Sprintf(`"language_model.model.layers.0.self_attn.%s": {"quant_algo": "MXFP8"}`, m))
	}
	for e := range 4 {
		for _, m := range []string{"w1", "w2", "w3"} {
			listed = append(listed, fmt.Sprintf(`"language_model.model.layers.0.block_sparse_moe.experts.%d.%s": {"quant_algo": "NVFP4", "group_size": 16}`, e, m))
		}
	}
	m, err := Import("x", fmt.Appendf(nil, `{"model_type": "minimax_m3_vl", "text_config": {"hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 1,
		"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "rotary_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2,
		"shared_intermediate_size": 32, "vocab_size": 99, "index_n_heads": 2, "index_head_dim": 32, "layer_types": ["minimax_m3_sparse"]},
		"quantization_config": {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {%s}}}`, strings.Join(listed, ", ")))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"mixer.qkv": "mxfp8", "mixer.out": "mxfp8", "mixer.index_q": "mxfp8", "mixer.index_k": "", "ffn.up": "nvfp4", "ffn.down": "nvfp4",
		"ffn.router": "", "ffn.shared_up": "", "ffn.shared_down": "",
	} {
		got := ""
		if x, ok := m.Layers[0].Stored.Of(name); ok {
			got = x.Format.String()
		}
		if got != want {
			t.Errorf("%s is stored as %q, want %q", name, got, want)
		}
	}
}

// The router of experts beside a dense network stays as it was where linear maps are converted.
func TestRouterBesideADenseNetwork(t *testing.T) {
	m, err := Import("x", []byte(`{"model_type": "longcat_flash", "hidden_size": 128, "ffn_hidden_size": 128, "num_layers": 1, "num_attention_heads": 4, "q_lora_rank": 128,
		"kv_lora_rank": 128, "qk_nope_head_dim": 32, "qk_rope_head_dim": 32, "v_head_dim": 32, "n_routed_experts": 4, "zero_expert_num": 2, "moe_topk": 2,
		"expert_ffn_hidden_size": 128, "vocab_size": 99,
		"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic", "fmt": "e4m3"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, converted := range map[string]bool{"ffn.up": true, "ffn.experts.up": true, "ffn.experts.down": true, "ffn.experts.router": false} {
		if _, ok := m.Layers[0].Stored.Of(name); ok != converted {
			t.Errorf("%s converted: %v, want %v", name, ok, converted)
		}
	}
}
