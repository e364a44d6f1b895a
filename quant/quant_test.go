package quant

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

func load(t testing.TB, name string) (map[string]any, *Rules) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	r, err := Read("quantization_config", m)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m, r
}

// left is a module that stays as it was.
var left = formats.Format{}

// What real configurations say of modules that matter, read off by eye.
func TestRealConfigurations(t *testing.T) {
	gptq, awq := formats.GPTQ(4, 128), formats.AWQ(4, 128)
	block := formats.FP8(128, 128, 32)
	for _, c := range []struct {
		file   string
		kv     precision.DType
		module string
		class  Class
		want   formats.Format
	}{
		{"gptq_qwen2.5_0.5b", 0, "model.layers.3.self_attn.q_proj", Linear, gptq},
		{"gptq_qwen2.5_0.5b", 0, "lm_head", Head, left},
		{"gptq_qwen2.5_0.5b", 0, "model.embed_tokens", Embedding, left},
		{"gptq_qwen2.5_0.5b", 0, "model.layers.3.input_layernorm", Other, left},
		{"gptq_dynamic", 0, "model.layers.0.mlp.up_proj", Linear, gptq},
		{"gptq_dynamic", 0, "model.layers.1.mlp.up_proj", Linear, formats.GPTQ(8, 32)},
		{"gptq_dynamic", 0, "model.layers.12.mlp.up_proj", Linear, left},
		{"awq_qwen2.5_7b", 0, "model.layers.27.mlp.down_proj", Linear, awq},
		{"awq_qwen2.5_7b", 0, "lm_head", Head, left},
		{"fp8_qwen3_8b", 0, "model.layers.0.mlp.up_proj", Linear, block},
		{"fp8_qwen3_8b", 0, "lm_head", Head, left},
		{"fp8_minimax_m2.5", 0, "model.layers.5.block_sparse_moe.gate", Router, left},
		{"fp8_minimax_m2.5", 0, "model.layers.5.block_sparse_moe.gate", Linear, left},
		{"fp8_minimax_m2.5", 0, "model.layers.5.block_sparse_moe.experts.7.w1", Expert, block},
		{"fp8_devstral_2", 0, "model.language_model.layers.5.mlp.gate_proj", Linear, formats.FP8(0, 0, 32).WithExtra(4)},
		{"fp8_devstral_2", 0, "model.vision_tower.transformer.layers.0.attention.q_proj", Linear, left},
		{"fp8_ct_llama3.1_8b", 0, "model.layers.9.self_attn.o_proj", Linear, formats.FP8(1, 0, 16)},
		{"fp8_ct_llama3.1_8b", 0, "lm_head", Head, left},
		{"bnb4_llama3.1_8b", 0, "model.layers.9.self_attn.o_proj", Linear, formats.BNB4(true)},
		{"bnb4_llama3.1_8b", 0, "lm_head", Head, left},
		{"int4_ct_kimi_k2.5", 0, "language_model.model.layers.3.mlp.experts.17.up_proj", Expert, formats.Packed(4, 1, 32, false, false)},
		{"int4_ct_kimi_k2.5", 0, "language_model.model.layers.3.mlp.shared_experts.up_proj", Linear, left},
		{"int4_ct_kimi_k2.5", 0, "language_model.model.layers.0.mlp.up_proj", Linear, left},
		{"int4_ct_kimi_k2.5", 0, "language_model.model.layers.3.self_attn.o_proj", Linear, left},
		{"int4_ct_kimi_k2.5", 0, "lm_head", Head, left},
		{"mxfp4_ct_kimi_k3", 0, "language_model.model.layers.3.mlp.experts.17.up_proj", Expert, formats.MXFP4()},
		{"mxfp4_ct_kimi_k3", 0, "language_model.lm_head", Head, left},
		{"nvfp4_ct_qwen3_next", 0, "model.layers.0.linear_attn.in_proj_qkvz", Linear, left},
		{"nvfp4_ct_qwen3_next", 0, "model.layers.1.linear_attn.out_proj", Linear, formats.NVFP4()},
		{"nvfp4_ct_qwen3_next", 0, "model.layers.1.mlp.experts.5.down_proj", Expert, formats.NVFP4()},
		{"autoround_qwen3_next", 0, "model.layers.0.mlp.shared_expert_gate", Linear, left},
		{"autoround_qwen3_next", 0, "model.layers.0.mlp.experts.5.down_proj", Expert, awq},
		{"modelopt_glm_5.2", precision.FP8, "model.layers.0.mlp.up_proj", Linear, left},
		{"modelopt_glm_5.2", precision.FP8, "model.layers.10.self_attn.o_proj", Linear, left},
		{"modelopt_glm_5.2", precision.FP8, "model.layers.10.mlp.shared_experts.up_proj", Linear, left},
		{"modelopt_glm_5.2", precision.FP8, "model.layers.10.mlp.experts.3.up_proj", Expert, formats.NVFP4()},
		{"modelopt_mixed_minimax_m3", 0, "language_model.model.layers.0.mlp.up_proj", Linear, formats.MXFP8()},
		{"modelopt_mixed_minimax_m3", 0, "language_model.model.layers.3.block_sparse_moe.experts.1.w1", Expert, formats.NVFP4()},
		{"modelopt_mixed_minimax_m3", 0, "language_model.model.layers.10.block_sparse_moe.gate", Router, left},
		{"modelopt_mixed_minimax_m3", 0, "language_model.lm_head", Head, left},
		{"hf_quant_config_llama3.1_70b", precision.FP8, "model.layers.0.mlp.up_proj", Linear, formats.FP8(0, 0, 32).WithExtra(4)},
		{"hf_quant_config_llama3.1_70b", precision.FP8, "lm_head", Head, left},
		{"mlx", 0, "model.embed_tokens", Embedding, formats.MLX(4, 64)},
		{"mlx", 0, "model.layers.0.mlp.gate", Router, formats.MLX(8, 64)},
		{"mlx", 0, "model.layers.1.mlp.gate", Router, formats.MLX(4, 64)},
		{"mlx", 0, "model.layers.0.mlp.shared_expert_gate", Linear, left},
		{"mlx", 0, "lm_head", Head, formats.MLX(4, 64)},
	} {
		_, r := load(t, c.file)
		got, ok := r.Format(Module{c.module, c.class}, 4096, 4096)
		if got != c.want || ok != (c.want != left) {
			t.Errorf("%s: %s is stored as %q, want %q", c.file, c.module, got, c.want)
		}
		if r.KV != c.kv {
			t.Errorf("%s: the KV cache is %q, want %q", c.file, r.KV, c.kv)
		}
	}
}

// Rows that are no whole groups stay as they were in MLX.
func TestMLXNeedsWholeGroups(t *testing.T) {
	_, r := load(t, "mlx")
	if f, ok := r.Format(Module{"model.layers.0.mlp.up_proj", Linear}, 100, 96); ok {
		t.Errorf("rows of 96 in groups of 64 are stored as %q", f)
	}
}

func TestPrefix(t *testing.T) {
	for file, want := range map[string]string{
		"modelopt_mixed_minimax_m3": "language_model.model.", "awq_qwen2.5_7b": "", "int4_ct_kimi_k2.5": "",
	} {
		if _, r := load(t, file); r.Prefix() != want {
			t.Errorf("%s: prefix %q, want %q", file, r.Prefix(), want)
		}
	}
}

func TestSetsExpertsApart(t *testing.T) {
	for file, want := range map[string]bool{"modelopt_mixed_minimax_m3": true, "modelopt_glm_5.2": false, "int4_ct_kimi_k2.5": false, "awq_qwen2.5_7b": false} {
		if _, r := load(t, file); r.SetsExpertsApart() != want {
			t.Errorf("%s: %v, want %v", file, r.SetsExpertsApart(), want)
		}
	}
}

// Every refusal is one line that names the field.
func TestRefusals(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                                   "q has no quant_method",
		`{"quant_method": "quark"}`:            `q.quant_method "quark" is not modelled (ridgeline reads auto-round`,
		`{"quant_method": 4}`:                  "q.quant_method must be text, is 4",
		`{"quant_method": "gptq"}`:             "q.bits is missing",
		`{"quant_method": "gptq", "bits": 16}`: "q.bits must be an integer from 2 to 8, is 16",
		`{"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}`:                                                  `q.checkpoint_format "marlin" is not modelled`,
		`{"quant_method": "gptq", "bits": 4, "surprise": 3}`:                                                                  "field q.surprise is not modelled",
		`{"quant_method": "gptq", "bits": 4, "dynamic": {"(": {}}}`:                                                           `q.dynamic: "(" is not a regular expression`,
		`{"quant_method": "awq", "bits": 4, "modules_to_not_convert": 3}`:                                                     "q.modules_to_not_convert must be a list of names, is 3",
		`{"quant_method": "awq", "bits": 4, "modules_to_not_convert": [3]}`:                                                   "q.modules_to_not_convert[0] must be text, is 3",
		`{"quant_method": "bitsandbytes"}`:                                                                                    "q must have one of load_in_4bit and load_in_8bit",
		`{"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "af4"}`:                                `q.bnb_4bit_quant_type "af4" is not modelled`,
		`{"quant_method": "fp8", "weight_block_size": [128]}`:                                                                 "q.weight_block_size must be two positive integers, is a list",
		`{"quant_method": "fp8", "activation_scheme": "other"}`:                                                               `q.activation_scheme "other" is not modelled`,
		`{"quant_method": "compressed-tensors"}`:                                                                              "q.config_groups is missing",
		`{"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}}`:                          `q.sparsity_config.format "sparse-24-bitmask" is not modelled`,
		`{"quant_method": "compressed-tensors", "format": "marlin-24", "config_groups": {"a": {"weights": {"num_bits": 4}}}}`: `q.config_groups.a.weights: "int" of 4 bits in groups of 0 as "marlin-24" is not modelled`,
		`{"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {}, "ignore": ["re:["]}`:         `q.ignore[0]: "[" is not a regular expression`,
		`{"quant_method": "modelopt", "quant_algo": "W9"}`:                                                                    `q.quant_algo "W9" is not modelled`,
		`{"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "INT3"}`:                                    `q.kv_cache_quant_algo "INT3" is not modelled`,
		`{"quant_method": "modelopt", "quantized_layers": {"a": {"quant_algo": "W9"}}}`:                                       `q.quantized_layers.a.quant_algo "W9" is not modelled`,
		`{"quant_method": "auto-round", "bits": 4, "packing_format": "other"}`:                                                `q.packing_format "other" is not modelled`,
		`{"bits": 4, "group_size": 64, "mode": "other"}`:                                                                      `q.mode "other" is not modelled`,
		`{"quantization": {"quant_algo": "W9"}}`:                                                                              `q.quantization.quant_algo "W9" is not modelled`,
	} {
		var m map[string]any
		if err := json.Unmarshal([]byte(config), &m); err != nil {
			t.Fatal(config, err)
		}
		_, err := Read("q", m)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

// Lookaround, which Go's own engine lacks, works.
func TestLookaround(t *testing.T) {
	var m map[string]any
	config := `{"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["re:^(?!.*experts).*"],
		"config_groups": {"a": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32, "type": "int"}}}}`
	if err := json.Unmarshal([]byte(config), &m); err != nil {
		t.Fatal(err)
	}
	r, err := Read("q", m)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Format(Module{"model.layers.1.self_attn.q_proj", Linear}, 64, 64); ok {
		t.Error("attention is converted")
	}
	if _, ok := r.Format(Module{"model.layers.1.mlp.experts.0.up_proj", Expert}, 64, 64); !ok {
		t.Error("an expert is not converted")
	}
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m map[string]any
		if len(data) > 1<<16 || json.Unmarshal(data, &m) != nil {
			return
		}
		r, err := Read("q", m)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("error of more than a line: %q", err)
			}
			return
		}
		for class := Other; class <= Embedding; class++ {
			q, ok := r.Format(Module{"model.layers.1.mlp.experts.2.up_proj", class}, 100, 300)
			if ok && q.Bytes(100, 300) <= 0 {
				t.Fatalf("%q takes no bytes", q)
			}
		}
	})
}

// Real files with every value replaced by others, one at a time: an answer or an error
// of one line, never a panic.
func TestMutated(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	others := []any{nil, true, false, 0.0, -1.0, 3.5, 1e300, "", "re:(", "x\ny", []any{}, []any{1.0}, []any{"re:.*"}, map[string]any{}, map[string]any{"weights": 1.0}}
	for _, file := range files {
		m, _ := load(t, strings.TrimSuffix(filepath.Base(file), ".json"))
		var walk func(v any, set func(any))
		try := func() {
			r, err := Read("q", m)
			switch {
			case err != nil && (strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 400):
				t.Errorf("%s: error of more than a line: %q", file, err)
			case err == nil:
				r.Format(Module{"model.layers.0.mlp.experts.0.up_proj", Expert}, 7, 9)
			}
		}
		walk = func(v any, set func(any)) {
			for _, o := range others {
				set(o)
				try()
			}
			set(v)
			switch v := v.(type) {
			case map[string]any:
				for k, e := range v {
					walk(e, func(x any) { v[k] = x })
				}
			case []any:
				for i := range v[:min(len(v), 3)] {
					walk(v[i], func(x any) { v[i] = x })
				}
			}
		}
		for k, e := range m {
			walk(e, func(x any) { m[k] = x })
		}
	}
}
