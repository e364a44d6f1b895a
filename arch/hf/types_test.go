package hf

import (
	"strings"
	"testing"
)

// Configs as published, cut to the fields that shape the model, and the parameter counts
// of their checkpoints' safetensors indexes. within is 0 for exact, else a share: where
// only a rounded count is published.
func TestImportEveryType(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []struct {
		name, config, layers string
		params               int64
		within               float64
	}{
		{"mamba-2.8b-hf", `{"model_type":"mamba","hidden_size":2560,"num_hidden_layers":64,"vocab_size":50280,"state_size":16,"expand":2,"conv_kernel":4,
			"time_step_rank":160,"intermediate_size":5120,"use_bias":false,"use_conv_bias":true,"hidden_act":"silu"}`, "mamba1*64", 2768345600, 0},
		{"Mistral-7B-v0.1", `{"model_type":"mistral","hidden_size":4096,"num_hidden_layers":32,"vocab_size":32000,"num_attention_heads":32,"num_key_value_heads":8,
			"intermediate_size":14336,"sliding_window":4096,"max_position_embeddings":32768,"hidden_act":"silu"}`, "swa*32", 7241732096, 0},
		{"Qwen2-7B", `{"model_type":"qwen2","hidden_size":3584,"num_hidden_layers":28,"vocab_size":152064,"num_attention_heads":28,"num_key_value_heads":4,
			"intermediate_size":18944,"sliding_window":131072,"use_sliding_window":false,"max_window_layers":28,"max_position_embeddings":131072,"tie_word_embeddings":false}`, "full*28", 7615616512, 0},
		{"Qwen3-30B-A3B", `{"model_type":"qwen3_moe","hidden_size":2048,"num_hidden_layers":48,"vocab_size":151936,"num_attention_heads":32,"num_key_value_heads":4,"head_dim":128,
			"intermediate_size":6144,"moe_intermediate_size":768,"num_experts":128,"num_experts_per_tok":8,"decoder_sparse_step":1,"mlp_only_layers":[],"norm_topk_prob":true,
			"sliding_window":null,"use_sliding_window":false,"max_window_layers":48}`, "full*48", 30532122624, 0},
		{"mamba2-2.7b", `{"model_type":"mamba2","hidden_size":2560,"num_hidden_layers":64,"vocab_size":50288,"state_size":128,"expand":2,"conv_kernel":4,
			"num_heads":80,"head_dim":64,"n_groups":1,"tie_word_embeddings":true,"chunk_size":256}`, "mamba2*64", 2702599680, 1e-4},
		{"Jamba-v0.1", `{"model_type":"jamba","hidden_size":4096,"num_hidden_layers":32,"vocab_size":65536,"num_attention_heads":32,"num_key_value_heads":8,"intermediate_size":14336,
			"attn_layer_offset":4,"attn_layer_period":8,"expert_layer_offset":1,"expert_layer_period":2,"num_experts":16,"num_experts_per_tok":2,"mamba_d_conv":4,"mamba_d_state":16,
			"mamba_dt_rank":256,"mamba_expand":2,"mamba_conv_bias":true,"mamba_proj_bias":false,"sliding_window":null,"mamba_inner_layernorms":true}`, "(mamba1*4 full mamba1*3)*4", 51570323328, 0},
		{"Bamba-9B", `{"model_type":"bamba","hidden_size":4096,"num_hidden_layers":32,"vocab_size":128256,"num_attention_heads":32,"num_key_value_heads":8,"intermediate_size":14336,
			"attn_layer_indices":[9,18,27],"mamba_d_conv":4,"mamba_d_head":64,"mamba_d_state":128,"mamba_expand":2,"mamba_n_groups":1,"mamba_n_heads":128,"attn_rotary_emb":64}`,
			"mamba2*9 (full mamba2*8)*2 full mamba2*4", 9780000000, 0.002},
		{"granite-4.0-h-tiny", `{"model_type":"granitemoehybrid","hidden_size":1536,"num_hidden_layers":40,"vocab_size":100352,"num_attention_heads":12,"num_key_value_heads":4,
			"intermediate_size":512,"shared_intermediate_size":1024,"num_local_experts":64,"num_experts_per_tok":6,"mamba_n_heads":48,"mamba_d_head":64,"mamba_d_state":128,"mamba_n_groups":1,
			"mamba_expand":2,"tie_word_embeddings":true,"position_embedding_type":"nope","layer_types":[LAYERS]}`, "(mamba2*5 full mamba2*4)*4", 6940000000, 0.01},
		{"Falcon-H1-0.5B", `{"model_type":"falcon_h1","hidden_size":1024,"num_hidden_layers":36,"vocab_size":32784,"num_attention_heads":8,"num_key_value_heads":2,"head_dim":64,
			"intermediate_size":2048,"mamba_d_ssm":1536,"mamba_n_heads":24,"mamba_d_head":64,"mamba_d_state":128,"mamba_n_groups":1,"mamba_d_conv":4,"mamba_rms_norm":false,
			"tie_word_embeddings":false,"mlp_multipliers":[1,2],"lm_head_multiplier":0.03}`, "full+mamba2*36", 521411104, 0},
		{"Qwen3-Next-80B-A3B", `{"model_type":"qwen3_next","hidden_size":2048,"num_hidden_layers":48,"vocab_size":151936,"num_attention_heads":16,"num_key_value_heads":2,"head_dim":256,
			"intermediate_size":5120,"moe_intermediate_size":512,"shared_expert_intermediate_size":512,"num_experts":512,"num_experts_per_tok":10,"decoder_sparse_step":1,"mlp_only_layers":[],
			"full_attention_interval":4,"linear_conv_kernel_dim":4,"linear_key_head_dim":128,"linear_num_key_heads":16,"linear_num_value_heads":32,"linear_value_head_dim":128,"partial_rotary_factor":0.25}`,
			"(gated_deltanet*3 full)*12", 79674391296, 0},
	} {
		var types []string
		for i := range 40 {
			k := `"mamba"`
			if i%10 == 5 {
				k = `"attention"`
			}
			types = append(types, k)
		}
		m, err := Import(c.name, []byte(strings.Replace(c.config, "LAYERS", strings.Join(types, ","), 1)))
		if err != nil {
			t.Error(err)
			continue
		}
		_, typ, _ := strings.Cut(c.config, `"model_type":"`)
		typ, _, _ = strings.Cut(typ, `"`)
		seen[typ] = true
		if got := m.Summary(); got != c.layers {
			t.Errorf("%s: %s", c.name, got)
		}
		got := m.Params().Total
		if d := float64(got-c.params) / float64(c.params); d > c.within || d < -c.within {
			t.Errorf("%s: %d parameters, published %d", c.name, got, c.params)
		}
	}
	for _, c := range realCases(t) {
		seen[TypeOf(c.Config)] = true
	}
	for _, typ := range ModelTypes() {
		switch typ {
		case "llama", "phi3", "phi4flash", "qwen3", "qwen3_5", "qwen3_5_text", "mixtral", "gpt_oss", "nemotron_h": // real files above
		default:
			if !seen[typ] {
				t.Errorf("%s has no test", typ)
			}
		}
	}
}
