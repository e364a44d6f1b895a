package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportHFBroken: files that are no config at all.
func TestImportHFBroken(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"empty", "", "config is empty"},
		{"blank", " \n\t", "config is empty"},
		{"not an object", "[1]", "line 1:1: config is not a JSON object: it starts with '['"},
		{"not JSON", "width: 5", "line 1:1: config is not a JSON object: it starts with 'w'"},
		{"cut off", "{\n  \"a\": 1,\n  \"b\"", "line 3:6: expected ':' after field b, found end of file"},
		{"missing comma", "{\n  \"a\": 1\n  \"b\": 2}", "line 3:3: expected ',' or '}', found '\"'"},
		{"trailing comma", `{"a": 1,}`, "line 1:9: expected a field name in quotes, found '}'"},
		{"comma in a list", `{"a": [1,]}`, "line 1:10: expected a value, found ']'"},
		{"open list", `{"é": [1`, "line 1:9: expected ',' or ']', found end of file"},
		{"Python's True", `{"a": True}`, "line 1:7: expected a value, found 'T'"},
		{"broken number", `{"a": 1.2.3}`, "line 1:7: broken number 1.2.3"},
		{"open string", `{"a": "xyz`, "line 1:7: string is not closed"},
		{"line break in a string", "{\"a\": \"x\ny\"}", "line 1:9: line break or control character in a string"},
		{"broken escape", `{"a": "\q"}`, "line 1:7: broken escape in a string"},
		{"more after the end", "{}\n{}", "line 2:1: '{' after the end of the config"},
		{"twice", `{"a": 1, "a": 2}`, "line 1:10: field a is given twice"},
		{"deep", `{"a": ` + strings.Repeat("[", 100_000), "line 1:71: nested more than 64 deep"},
		{"deep objects", strings.Repeat(`{"a":`, 100_000), "line 1:326: nested more than 64 deep"},
		{"long", strings.Repeat(" ", 9<<20), "config is 9437184 bytes long, more than 8388608"},
		{"no type", "{}", "field model_type is missing"},
		{"null type", `{"model_type": null}`, "field model_type is missing"},
		{"type is a number", `{"model_type": 5}`, "model_type must be a string, is 5"},
		{"unknown type", `{"model_type": "gptt2"}`, fmt.Sprintf(`model_type "gptt2" is none of the %d that are read (the nearest is gpt2)`, len(ModelTypes()))},
		{"refused type", `{"model_type": "deepseek_v4"}`, `model_type "deepseek_v4" is not read: its caches are compressed along the sequence`},
		{"type on two lines", `{"model_type": "a\nb"}`, fmt.Sprintf(`model_type "a\nb" is none of the %d that are read`, len(ModelTypes()))},
		{"nothing but a type", `{"model_type": "llama"}`, "llama: field hidden_size is missing"},
		{"no text_config", `{"model_type": "qwen3_5"}`, "qwen3_5: field text_config is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkError(t, []byte(tt.data), tt.want) })
	}
}

func checkError(t *testing.T, data []byte, want string) {
	t.Helper()
	m, err := Import("x", data)
	if err == nil {
		t.Fatalf("imported as %d layers, want error %q", len(m.Layers), want)
	}
	if err.Error() != want {
		t.Errorf("error is\n  %s\nwant\n  %s", err, want)
	}
}

// TestImportHFBadFields: one field of a good config is wrong.
func TestImportHFBadFields(t *testing.T) {
	tests := []struct{ config, field, value, want string }{
		{"Meta-Llama-3.1-8B", "intermediate_size", "", "llama: field intermediate_size is missing"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "", "llama: field num_hidden_layers is missing"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "null", "llama: field num_hidden_layers is missing"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "1000000000", "llama: num_hidden_layers 1000000000 is more than 4096"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "1e999", "llama: num_hidden_layers must be an integer, is +Inf"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "Infinity", "llama: num_hidden_layers must be an integer, is +Inf"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "NaN", "llama: num_hidden_layers must be an integer, is NaN"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "0", "llama: num_hidden_layers must be positive, is 0"},
		{"Meta-Llama-3.1-8B", "num_hidden_layers", "[32]", "llama: num_hidden_layers must be an integer, is a list"},
		{"Meta-Llama-3.1-8B", "hidden_size", "-4096", "llama: hidden_size must be positive, is -4096"},
		{"Meta-Llama-3.1-8B", "hidden_size", `"4096"`, `llama: hidden_size must be an integer, is "4096"`},
		{"Meta-Llama-3.1-8B", "hidden_size", "4096.5", "llama: hidden_size must be an integer, is 4096.5"},
		{"Meta-Llama-3.1-8B", "hidden_size", "true", "llama: hidden_size must be an integer, is true"},
		{"Meta-Llama-3.1-8B", "hidden_size", "4097", "llama: hidden_size 4097 is not a multiple of num_attention_heads 32"},
		{"Meta-Llama-3.1-8B", "intermediate_size", "99999999999", "llama: intermediate_size 99999999999 is more than 16777216"},
		{"Meta-Llama-3.1-8B", "num_key_value_heads", "5", "llama: layer 0 (attention): heads 32 does not divide into kv_heads 5 groups"},
		{"Meta-Llama-3.1-8B", "tie_word_embeddings", "1", "llama: tie_word_embeddings must be true or false, is 1"},
		{"Meta-Llama-3.1-8B", "hidden_act", `"xielu"`, `llama: hidden_act "xielu" is not modelled`},
		{"Meta-Llama-3.1-8B", "torch_dtype", `"float12"`, `llama: torch_dtype "float12" is not a number format ridgeline knows`},
		{"Meta-Llama-3.1-8B", "dtype", `"float32"`, "llama: torch_dtype bf16 and dtype fp32 differ"},
		{"Meta-Llama-3.1-8B", "rope_theta", `"big"`, `llama: rope_theta must be a number, is "big"`},
		{"Meta-Llama-3.1-8B", "rope_theta", "-1", "llama: rope_theta must be positive, is -1"},
		{"Meta-Llama-3.1-8B", "partial_rotary_factor", "2", "llama: partial_rotary_factor must be from 0 to 1, is 2"},
		{"Meta-Llama-3.1-8B", "rope_parameters", `{"full_attention": {"rope_theta": 1}}`, "llama: rope_parameters differ by the kind of layer, and this type has one kind"},
		{"Meta-Llama-3.1-8B", "kv_lora_rank", "512", "llama: field kv_lora_rank is not modelled"},
		{"Meta-Llama-3.1-8B", "attention_chunk_size", "8192", "llama: field attention_chunk_size is not modelled"},
		{"Meta-Llama-3.1-8B", "use_fancy_thing", "true", "llama: field use_fancy_thing is not modelled"},
		{"Meta-Llama-3.1-8B", "layers_to_skip", "[3]", "llama: field layers_to_skip is not modelled"},
		{"Meta-Llama-3.1-8B", "a b\nc", "7", `llama: field "a b\nc" is not modelled`},
		{"Meta-Llama-3.1-8B", "quantization_config", `{"quant_method": "bitsandbytes"}`, "llama: quantization_config must have one of load_in_4bit and load_in_8bit"},
		{"Meta-Llama-3.1-8B", "quantization_config", `{"quant_method": "gptq", "bits": 1, "group_size": 128}`, "llama: quantization_config.bits must be an integer from 2 to 8, is 1"},
		{"Meta-Llama-3.1-8B", "quantization_config", "4", "llama: quantization_config must be an object, is 4"},
		{"Phi-4-mini-instruct", "attention_bias", "true", "phi3: field attention_bias is not modelled"},
		{"Phi-4-mini-instruct", "sliding_window", "0", "phi3: sliding_window must be positive, is 0"},
		{"Phi-4-mini-flash-reasoning", "num_hidden_layers", "30", "phi4flash: num_hidden_layers 30 is not a multiple of 4"},
		{"Phi-4-mini-flash-reasoning", "mb_per_layer", "3", "phi4flash: mb_per_layer 3 is not modelled, only 2"},
		{"Phi-4-mini-flash-reasoning", "sliding_window", "", "phi4flash: field sliding_window is missing"},
		{"Phi-4-mini-flash-reasoning", "sliding_window", "[512]", "phi4flash: sliding_window has 1 entries for 32 layers"},
		{"Phi-4-mini-flash-reasoning", "sliding_window", "[512" + strings.Repeat(",512", 31) + "]", "phi4flash: sliding_window[0] is 512, but layer 0 has no window"},
		{"Phi-4-mini-flash-reasoning", "sliding_window", "[null" + strings.Repeat(",null", 31) + "]", "phi4flash: sliding_window[1] must be an integer, is null"},
		{"Phi-4-mini-flash-reasoning", "num_key_value_heads", "5", "phi4flash: layer 1 (attention): differential attention pairs heads: heads 40 and kv_heads 5 must be even"},
		{"Qwen3-8B", "layer_types", `["full_attention"]`, "qwen3: layer_types has 1 entries for 36 layers"},
		{"Qwen3-8B", "layer_types", `["ring"` + strings.Repeat(`,"full_attention"`, 35) + "]", `qwen3: layer_types[0] is "ring", not one of full_attention, sliding_attention`},
		{"Qwen3-8B", "layer_types", `["sliding_attention"` + strings.Repeat(`,"full_attention"`, 35) + "]", "qwen3: layer_types has sliding_attention, but no sliding_window is in use"},
		{"Mixtral-8x7B-v0.1", "num_local_experts", "", "mixtral: field num_local_experts is missing"},
		{"Mixtral-8x7B-v0.1", "num_experts_per_tok", "9", "mixtral: layer 0 (moe): top_k 9 is more than the 8 experts"},
		{"Qwen3-30B-A3B", "mlp_only_layers", "[48]", "qwen3_moe: mlp_only_layers[0] 48 is more than 47"},
		{"gpt-oss-20b", "experts_per_token", "8", "gpt_oss: num_experts_per_tok 4 and experts_per_token 8 differ"},
		{"gpt-oss-20b", "sliding_window", "null", "gpt_oss: sliding_window is null, but layer 0 is windowed"},
		{"Qwen3.5-27B", "hidden_size", "0", "qwen3_5: text_config.hidden_size must be positive, is 0"},
		{"Qwen3.5-27B", "linear_num_key_heads", "7", "qwen3_5: layer 0 (gated_deltanet): v_heads 48 does not divide into k_heads 7 groups"},
		{"mamba-2.8b-hf", "d_inner", "1", "mamba: d_inner 1 and intermediate_size 5120 differ"},
		{"mamba-2.8b-hf", "ssm_cfg", `{"layer": "Mamba2"}`, "mamba: field ssm_cfg is not modelled"},
		{"Mamba-Codestral-7B-v0.1", "num_heads", "64", "mamba2: num_heads 64 × head_dim 64 is not expand × hidden_size 8192"},
		{"Nemotron-H-56B-Base-8K", "hybrid_override_pattern", `"M*"`, "nemotron_h: hybrid_override_pattern has 2 letters for 118 layers"},
		{"Nemotron-H-56B-Base-8K", "hybrid_override_pattern", `"` + strings.Repeat("X", 118) + `"`, "nemotron_h: hybrid_override_pattern[0] is 'X', not one of M * - E"},
		{"Nemotron-H-56B-Base-8K", "hybrid_override_pattern", "", "nemotron_h: field hybrid_override_pattern is missing"},
		{"Nemotron-H-56B-Base-8K", "mamba_proj_bias", "true", "nemotron_h: field mamba_proj_bias is not modelled"},
		{"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "n_routed_experts", "", "nemotron_h: field n_routed_experts is missing"},
		{"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "moe_gate_size", "1024", "nemotron_h: field moe_gate_size is not modelled"},
		{"Jamba-v0.1", "attn_layer_period", "0", "jamba: attn_layer_period must be positive, is 0"},
		{"Bamba-9B", "mamba_n_heads", "100", "bamba: mamba_n_heads 100 does not divide the inner width 8192"},
		{"Bamba-9B", "mamba_d_head", "32", "bamba: mamba_n_heads 128 × mamba_d_head 32 is not the inner width 8192"},
		{"granite-4.0-h-tiny", "position_embedding_type", `"alibi"`, `granitemoehybrid: position_embedding_type "alibi" is not modelled`},
		{"Falcon-H1-0.5B-Base", "projectors_bias", "true", "falcon_h1: projectors_bias true is not modelled with mamba_proj_bias false"},
		{"Falcon-H1-0.5B-Base", "attn_layer_indices", "[1]", "falcon_h1: field attn_layer_indices is not modelled"},
	}
	for _, tt := range tests {
		t.Run(tt.config+" "+tt.field+" "+tt.value[:min(len(tt.value), 20)], func(t *testing.T) {
			checkError(t, edit(t, tt.config, map[string]string{tt.field: tt.value}), tt.want)
		})
	}
}

// TestImportHFTooLarge: every size in range, their product not.
func TestImportHFTooLarge(t *testing.T) {
	checkError(t, edit(t, "Meta-Llama-3.1-8B", map[string]string{
		"hidden_size": "16777216", "num_attention_heads": "16777216", "num_key_value_heads": "16777216",
		"intermediate_size": "16777216", "head_dim": "16777216", "num_hidden_layers": "4096",
	}), "llama: the sizes make 7.7e+25 parameters, more than 1e+15")
}

// TestImportHFHostile puts hostile values in every field of every config: each gives a
// model or one line.
func TestImportHFHostile(t *testing.T) {
	files, err := filepath.Glob("testdata/configs/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configs: %v", err)
	}
	hostile := []any{nil, true, false, 0.0, -1.0, 1.0, 2.5, 3.0, 4096.0, 16777216.0, 1e9, 1e300, "", "x", "a\nb",
		[]any{}, []any{1.0}, []any{-1.0, "x", nil}, []any{[]any{}}, map[string]any{}, map[string]any{"rope_theta": "x"}}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		config, err := parseConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		objects := []map[string]any{config}
		if text, ok := config["text_config"].(map[string]any); ok {
			objects = append(objects, text)
		}
		delete(config, "time_step_limit") // holds Infinity, which json.Marshal refuses
		for _, object := range objects {
			for field, good := range object {
				for _, v := range hostile {
					object[field] = v
					bad, err := json.Marshal(config)
					if err != nil {
						t.Fatal(err)
					}
					checkImport(t, bad)
				}
				object[field] = good
			}
		}
	}
}

// FuzzImportHF: whatever the bytes, a model that passes its checks and can be counted,
// or an error of one line.
func FuzzImportHF(f *testing.F) {
	files, err := filepath.Glob("testdata/configs/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"model_type": "llama", "hidden_size": -1e400, "a": [NaN, Infinity, -Infinity, "\ud800"]}`))
	f.Fuzz(func(t *testing.T, data []byte) { checkImport(t, data) })
}

// checkImport imports a config and checks what comes of it.
func checkImport(t *testing.T, data []byte) {
	t.Helper()
	m, err := Import("x", data)
	if err != nil {
		if s := err.Error(); s == "" || strings.ContainsAny(s, "\n\r") || len(s) > 1000 {
			t.Errorf("error is not one line: %q", s)
		}
		return
	}
	if err := m.Check(); err != nil {
		t.Errorf("imported, but: %v", err)
	}
	all, active := m.Params(), m.ActiveParams()
	if active.Total <= 0 || active.Total > all.Total || all.Total > 1e15 {
		t.Errorf("%d parameters, %d active", all.Total, active.Total)
	}
}

// A program can ask an error which field it is about.
func TestErrorsNameTheField(t *testing.T) {
	for config, field := range map[string]string{
		`{"model_type":"llama"}`:                       "hidden_size",
		`{"model_type":"lama"}`:                        "model_type",
		`{"hidden_size":8}`:                            "model_type",
		strings.Replace(smallLlama, "}", `,"n":5}`, 1): "n",
	} {
		_, err := Import("x", []byte(config))
		var at *FieldError
		if !errors.As(err, &at) || at.Field != field {
			t.Errorf("%s: %v, want the field %s", config, err, field)
		}
	}
}

const smallLlama = `{"model_type":"llama","hidden_size":8,"num_hidden_layers":1,"vocab_size":8,"num_attention_heads":1,"intermediate_size":8}`
