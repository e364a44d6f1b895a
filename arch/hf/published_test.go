package hf

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// Fields that public files carry beside the ones their class reads are passed over where they
// say the same, and refused by name where they do not.
func TestFieldsSaidTwiceMustAgree(t *testing.T) {
	base := map[string]map[string]any{}
	for _, c := range realCases(t) {
		var fields map[string]any
		if err := json.Unmarshal(c.Config, &fields); err != nil {
			t.Fatal(err)
		}
		base[strings.TrimPrefix(c.Name, "as published: ")] = fields
	}
	for _, f := range []struct {
		of, field string
		is        any
	}{
		{"gemma2-9b", "sliding_window_size", 1024},
		{"command-r7b", "layer_switch", 2},
		{"command-r7b", "order_of_interleaved_layers", "global_attn_first"},
		{"command-r7b", "use_parallel_block", false},
		{"command-r7b", "rotary_pct", 0.5},
		{"command-r7b", "position_embedding_type", "alibi"},
		{"recurrentgemma-2b", "_block_types", []any{"attention"}},
		{"recurrentgemma-2b", "embeddings_scale_by_sqrt_dim", false},
		{"lfm2-350m", "conv_dim_out", 512},
		{"falcon-40b", "ff_factor", 3},
		{"Zamba2-7B", "ffn_hidden_size", 12},
		{"Zamba2-7B", "gated_linear_unit", false},
	} {
		fields := maps.Clone(base[f.of])
		if fields == nil {
			t.Fatalf("no configuration of %s", f.of)
		}
		fields[f.field] = f.is
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Import(f.of, data); err == nil || !strings.Contains(err.Error(), f.field) {
			t.Errorf("%s with %s %v: error %v does not name the field", f.of, f.field, f.is, err)
		}
	}
}

// The pattern of full layers under the name of the first files decides where no other is given.
func TestLayerSwitchDecides(t *testing.T) {
	m, err := Import("x", []byte(`{"model_type": "cohere2", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
		"num_attention_heads": 4, "vocab_size": 99, "sliding_window": 16, "layer_switch": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := m.Summary(); s != "(swa full)*2" {
		t.Errorf("layers %s, want (swa full)*2", s)
	}
}
