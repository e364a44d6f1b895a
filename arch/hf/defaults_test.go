package hf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A field that a config leaves out has the default of its class in transformers, written
// down here by hand from configuration_*.py: leaving it out and writing the default give
// the same model, and writing another value does not.
func TestClassDefaults(t *testing.T) {
	type fields = map[string]any
	for _, c := range []struct {
		config, field string
		def, other    any
		with          fields // set in both, so that the field counts; nil removes
	}{
		{"Qwen2-7B", "sliding_window", 4096, 2048, fields{"use_sliding_window": true, "max_window_layers": 4}},
		{"Qwen2-7B", "max_window_layers", 28, 4, fields{"use_sliding_window": true, "sliding_window": 64, "num_hidden_layers": 30}},
		{"Mistral-7B-v0.1", "sliding_window", 4096, 2048, nil},
		{"Mistral-7B-v0.1", "num_key_value_heads", 8, 4, nil},
		{"gpt-oss-20b", "sliding_window", 128, 256, nil},
		{"gpt-oss-20b", "num_experts_per_tok", 4, 2, fields{"experts_per_token": nil}},
		{"Qwen3-30B-A3B", "decoder_sparse_step", 1, 2, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "decoder_sparse_step", 1, 2, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "full_attention_interval", 4, 2, fields{"layer_types": nil}},
		{"Qwen3-Next-80B-A3B-Instruct", "partial_rotary_factor", 0.25, 1, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "shared_expert_intermediate_size", 512, 256, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "linear_num_key_heads", 16, 8, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "linear_num_value_heads", 32, 16, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "linear_key_head_dim", 128, 64, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "linear_value_head_dim", 128, 64, nil},
		{"Qwen3-Next-80B-A3B-Instruct", "linear_conv_kernel_dim", 4, 3, nil},
		{"Bamba-9B", "partial_rotary_factor", 0.5, 1, fields{"attn_rotary_emb": nil}},
		{"Bamba-9B", "mamba_n_groups", 1, 2, nil},
		{"Bamba-9B", "mamba_d_state", 256, 128, nil},
		{"Bamba-9B", "mamba_d_conv", 4, 3, nil},
		{"granite-4.0-h-tiny", "shared_intermediate_size", 1024, 2048, nil},
		{"granite-4.0-h-tiny", "num_local_experts", 8, 16, nil},
		{"granite-4.0-h-tiny", "num_experts_per_tok", 2, 4, nil},
		{"Jamba-v0.1", "attn_layer_period", 8, 4, nil},
		{"Jamba-v0.1", "attn_layer_offset", 4, 3, nil},
		{"Jamba-v0.1", "expert_layer_period", 2, 4, nil},
		{"Jamba-v0.1", "expert_layer_offset", 1, 0, nil},
		{"Jamba-v0.1", "num_experts", 16, 8, nil},
		{"Jamba-v0.1", "num_experts_per_tok", 2, 1, nil},
		{"Jamba-v0.1", "mamba_d_state", 16, 8, nil},
		{"mamba-2.8b-hf", "state_size", 16, 8, nil},
		{"mamba-2.8b-hf", "conv_kernel", 4, 3, nil},
		{"Mamba-Codestral-7B-v0.1", "n_groups", 8, 4, nil},
		{"Mamba-Codestral-7B-v0.1", "state_size", 128, 64, nil},
		{"Nemotron-H-56B-Base-8K", "n_groups", 8, 4, nil},
		{"Nemotron-H-56B-Base-8K", "ssm_state_size", 128, 64, nil},
	} {
		t.Run(c.config+" "+c.field, func(t *testing.T) {
			var base fields
			if err := json.Unmarshal(bytes.ReplaceAll(readConfig(t, c.config), []byte("Infinity"), []byte("1e300")), &base); err != nil {
				t.Fatal(err)
			}
			delete(base, c.field)
			for k, v := range c.with {
				if base[k] = v; v == nil {
					delete(base, k)
				}
			}
			text := func(v any) string {
				if base[c.field] = v; v == nil {
					delete(base, c.field)
				}
				data, err := json.Marshal(base)
				if err != nil {
					t.Fatal(err)
				}
				m, err := Import("m", data)
				if err != nil {
					return err.Error()
				}
				m.Notes = nil
				data, err = json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprintf("%s\n%s", m.Summary(), data)
			}
			absent := text(nil)
			if d := cmp.Diff(text(c.def), absent); d != "" {
				t.Errorf("left out it is not %v:\n%s", c.def, d)
			}
			if text(c.other) == absent {
				t.Errorf("%v changes nothing: the field does not count here", c.other)
			}
		})
	}
}
