package hf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/arch"
)

func imported(t *testing.T, name string) *arch.Model {
	t.Helper()
	for _, c := range realCases(t) {
		if c.Name == name {
			m, err := Import(c.Name, c.Config)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	}
	t.Fatalf("no configuration %s", name)
	return nil
}

// Zamba 2 7B has two blocks, stored in its first two hybrid layers, and used in turn.
func TestBlocksAreUsedInTurn(t *testing.T) {
	var owners []int
	for _, b := range arch.Each[arch.SharedBlock](imported(t, "Zamba2-7B")) {
		owner := -1
		if l, ok := b.WeightsOf.Layer(); ok {
			owner = l
		}
		owners = append(owners, owner)
	}
	if d := cmp.Diff([]int{-1, -1, 6, 11, 6, 11, 6, 11, 6, 11, 6, 11, 6}, owners); d != "" {
		t.Errorf("layers whose weights the uses have (-want +got):\n%s", d)
	}
}

// What costs nothing shows in no count: which layers rotate, and what the recurrences do.
func TestNumericsOfRecurrentTypes(t *testing.T) {
	for _, a := range arch.Each[arch.MLA](imported(t, "default kimi_linear")) {
		if !a.Unrotated || a.RotaryBase != 0 {
			t.Fatalf("Kimi Linear's latent attention rotates: %+v", a)
		}
	}
	m := imported(t, "default olmo_hybrid")
	for i, g := range arch.Each[arch.GatedDeltaNet](m) {
		if !g.DoubleBeta || g.Numerics.NormEps != 1e-5 || m.Layers[i].Block != arch.PreNorm {
			t.Fatalf("OLMo Hybrid, layer %d: %+v in a %s block", i, g, m.Layers[i].Block)
		}
	}
	for i, a := range m.Attentions() {
		if m.Layers[i].Block != arch.PostNorm || !a.QKNormWide || a.RotaryDim != 128 {
			t.Fatalf("OLMo Hybrid, layer %d: %+v in a %s block", i, a, m.Layers[i].Block)
		}
	}
	m = imported(t, "default recurrent_gemma")
	if m.Numerics.EmbedScale != 50.5 { // √2560 = 50.596 in bfloat16
		t.Errorf("RecurrentGemma scales its embedding by %g", m.Numerics.EmbedScale)
	}
	for _, a := range m.Attentions() {
		if a.Window != 2048 || a.RotaryDim != 128 || !a.OutBias {
			t.Fatalf("RecurrentGemma: %+v", a)
		}
	}
	for _, x := range arch.Each[arch.MLSTM](imported(t, "default xlstm")) {
		if x.GateCap != 15 || x.KDim != 256 || x.VDim != 512 {
			t.Fatalf("xLSTM: %+v", x)
		}
	}
}

// What the recurrent types cannot be is refused by the field that says it.
func TestRecurrentTypesRefuse(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`{"model_type":"kimi_k3"}`, "attends to blocks of layers"},
		{`{"model_type":"kimi_linear","hidden_size":64,"vocab_size":9,"num_hidden_layers":4,"num_attention_heads":2,"intermediate_size":8,"moe_intermediate_size":8,
			"num_experts":4,"num_experts_per_token":2,"linear_attn_config":{"num_heads":2,"head_dim":8,"full_attn_layers":[4],"kda_layers":[1,2]}}`, "leave out layer 3"},
		{`{"model_type":"kimi_linear","hidden_size":64,"vocab_size":9,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":8,"moe_intermediate_size":8,
			"num_experts":4,"num_experts_per_token":2,"linear_attn_config":{"num_heads":2,"head_dim":8,"full_attn_layers":[2],"kda_layers":[1],"gate_lower_bound":-5}}`, "linear_attn_config.gate_lower_bound is not modelled"},
		{`{"model_type":"kimi_linear","hidden_size":64,"vocab_size":9,"num_hidden_layers":4,"num_attention_heads":2,"attn_res_block_size":12}`, "attn_res_block_size 12 is not modelled"},
		{`{"model_type":"zamba2","hidden_size":64,"vocab_size":9,"num_hidden_layers":6,"num_attention_heads":4}`, "layers_block_type is missing"},
		{`{"model_type":"zamba2","hidden_size":64,"vocab_size":9,"num_hidden_layers":1,"num_attention_heads":4,"layers_block_type":["hybrid"],"attention_head_dim":16}`, "attention_head_dim 16 is not the 32"},
		{`{"model_type":"zamba2","hidden_size":64,"vocab_size":9,"num_hidden_layers":2,"num_attention_heads":4,"layers_block_type":["mamba","hybrid"],"hybrid_layer_ids":[0]}`, "differ in layer 0"},
		{`{"model_type":"recurrent_gemma","hidden_size":64,"vocab_size":9,"num_hidden_layers":3,"num_attention_heads":4,"intermediate_size":7}`, "intermediate_size 7 is not even"},
		{`{"model_type":"rwkv5","hidden_size":64,"vocab_size":9,"num_hidden_layers":3,"model_version":"6"}`, "model_version \"6\" is not modelled"},
		{`{"model_type":"xlstm","hidden_size":64,"vocab_size":9,"num_hidden_layers":3,"use_bias":true}`, "use_bias is not modelled"},
	} {
		if _, err := Import("m", []byte(c.config)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s…: %v, want %q", c.config, err, c.want)
		}
	}
}
