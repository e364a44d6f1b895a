package hf

import (
	"fmt"
	"strings"
	"testing"
)

// Which layers have an indexer is said by a list, by letters, or by a period and where it begins;
// the others see what the last one before them picked.
func TestLayersThatShareAnIndexer(t *testing.T) {
	for _, tt := range []struct{ fields, layout, refused string }{
		{``, "dsa*7", ""},
		{`"indexer_types": ["full", "full", "shared", "shared", "full", "shared", "full"],`, "dsa*2 dsa_shared*2 dsa dsa_shared dsa", ""},
		{`"index_topk_pattern": "FFSSFSF",`, "dsa*2 dsa_shared*2 dsa dsa_shared dsa", ""},
		{`"index_topk_pattern": ["full", "shared", "shared", "shared", "shared", "shared", "shared"],`, "dsa dsa_shared*6", ""},
		// max(i−2+1, 0) is 0, 0, 1, 2, 3, 4, 5: three divides it in layers 0, 1 and 4.
		{`"index_topk_freq": 3,`, "dsa*2 dsa_shared*2 dsa dsa_shared*2", ""},
		{`"index_topk_freq": 4, "index_skip_topk_offset": 3,`, "dsa*3 dsa_shared*3 dsa", ""},
		{`"indexer_types": ["shared", "full", "full", "full", "full", "full", "full"],`, "", "indexer_types"},
		{`"index_topk_pattern": "FFSXFSF",`, "", "index_topk_pattern[3]"},
		{`"index_topk_pattern": "FFS",`, "", "index_topk_pattern"},
	} {
		m, err := Import("x", fmt.Appendf(nil, `{"model_type": "glm_moe_dsa", %s "hidden_size": 64, "intermediate_size": 96, "moe_intermediate_size": 32,
			"num_hidden_layers": 7, "num_attention_heads": 4, "n_routed_experts": 8, "num_experts_per_tok": 2, "vocab_size": 99}`, tt.fields))
		switch {
		case tt.refused != "":
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s: error %v does not name %s", tt.fields, err, tt.refused)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.fields, err)
		case m.Summary() != tt.layout:
			t.Errorf("%s: %s, want %s", tt.fields, m.Summary(), tt.layout)
		}
	}
}

// What a configuration says twice must agree, and what its class does whatever it says is refused
// where it says otherwise.
func TestContradictionsAreRefused(t *testing.T) {
	for _, tt := range []struct{ config, refused string }{
		{`{"model_type": "glm_moe_dsa", "n_routed_experts": 8, "num_experts": 16, "hidden_size": 64, "intermediate_size": 96, "moe_intermediate_size": 32,
			"num_hidden_layers": 2, "num_attention_heads": 4, "num_experts_per_tok": 2, "vocab_size": 99}`, "num_experts 16"},
		{`{"model_type": "minimax_m2", "use_routing_bias": false, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 8,
			"vocab_size": 99}`, "use_routing_bias false"},
	} {
		if _, err := Import("x", []byte(tt.config)); err == nil || !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: error %v does not name %s", tt.config, err, tt.refused)
		}
	}
}

// Nemotron-H rotates nothing, and Transformers 5 writes rope_parameters all the same.
func TestNemotronHWithRopeParameters(t *testing.T) {
	m, err := Import("x", []byte(`{"model_type": "nemotron_h", "hidden_size": 64, "intermediate_size": 96, "layers_block_type": ["mamba", "mlp", "attention"],
		"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "mamba_num_heads": 4, "mamba_head_dim": 16, "n_groups": 2, "ssm_state_size": 8, "vocab_size": 99,
		"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range m.Attentions() {
		if a.RotaryDim != 0 {
			t.Errorf("attention rotates %d elements", a.RotaryDim)
		}
	}
}
