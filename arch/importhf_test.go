package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func importFile(t *testing.T, name string) *Model {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/configs", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ImportHF(name, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestImportCountsExactly(t *testing.T) {
	for name, want := range map[string]int64{
		"Phi-4-mini-instruct": 3836021760, "Phi-4-mini-flash-reasoning": 3852562944,
		"Meta-Llama-3.1-8B": 8030261248, "Meta-Llama-3.1-70B": 70553706496,
		"Qwen3-0.6B": 596049920, "Qwen3-8B": 8190735360, "Qwen3-32B": 32762123264,
		"Mixtral-8x7B-v0.1": 46702792704, "gpt-oss-20b": 20914757184,
		"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": 0, "Nemotron-H-56B-Base-8K": 0, "Qwen3.5-27B": 0,
	} {
		m := importFile(t, name)
		p := m.Params()
		if want == 0 {
			t.Logf("%s: %d active %d %v %v", name, p.Total, p.Active, p.Parts, m.Notes)
			continue
		}
		if p.Total != want {
			t.Errorf("%s: %d parameters, published %d (off by %d)", name, p.Total, want, p.Total-want)
		}
		if p.Embedding+p.NonEmbedding != p.Total {
			t.Errorf("%s: parts do not sum", name)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	llama, err := os.ReadFile("testdata/configs/Meta-Llama-3.1-8B.json")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		s := strings.Replace(string(llama), old, new, 1)
		if s == string(llama) {
			t.Fatalf("%q is not there", old)
		}
		return s
	}
	for in, want := range map[string]string{
		"":                                    "the file is empty",
		"{":                                   "line 1, column",
		"[]":                                  "line 1, column",
		"null":                                "not an object",
		"{} {}":                               "something follows",
		"{}":                                  "model_type is missing",
		`{"model_type": "gpt2"}`:              "not supported (know bamba",
		strings.Repeat("[", 100000):           "nested more than",
		strings.Repeat(`{"a":`, 100000) + "1": "nested more than",
		edit(`"num_hidden_layers": 32`, `"num_hidden_layers": 1000000000`):           "num_hidden_layers: 1000000000 is more than",
		edit(`"num_hidden_layers": 32`, `"num_hidden_layers": -1`):                   "num_hidden_layers: -1",
		edit(`"num_hidden_layers": 32`, `"num_hidden_layers": 0`):                    "num_hidden_layers must be positive",
		edit(`"num_hidden_layers": 32`, `"num_hidden_layers": "x"`):                  "num_hidden_layers: \"x\" is not",
		edit(`"num_hidden_layers": 32`, `"num_hidden_layers": 1e999`):                "num_hidden_layers: 1e999",
		edit(`"num_hidden_layers": 32`, `"num_hidden_layers": NaN`):                  "num_hidden_layers: \"NaN\"",
		edit(`"num_hidden_layers": 32,`, ``):                                         "num_hidden_layers is missing",
		edit(`"num_key_value_heads": 8`, `"num_key_value_heads": 7`):                 "heads 32 does not divide into kv_heads 7",
		edit(`"hidden_size": 4096`, `"hidden_size": 4097`):                           "num_attention_heads: 32 does not divide hidden_size 4097",
		edit(`"mlp_bias": false`, `"kv_lora_rank": 512`):                             "field kv_lora_rank (512) is not modelled",
		edit(`"mlp_bias": false`, `"attention_chunk": true`):                         "field attention_chunk is not modelled",
		edit(`"mlp_bias": false`, `"hidden_act2": {"a": 1}`):                         "field hidden_act2 is not modelled",
		edit(`"hidden_act": "silu"`, `"hidden_act": "snake"`):                        `activation "snake" is not modelled`,
		edit(`"mlp_bias": false`, `"quantization_config": {"quant_method": "gptq"}`): "field quantization_config",
	} {
		start := time.Now()
		_, err := ImportHF("f", []byte(in))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %v, want %s", in, err, want)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%.60q took %v", in, d)
		}
	}
	m, err := ImportHF("f", []byte(edit(`"mlp_bias": false`, `"kv_lora_rank": 0, "style": "x", "limit": [] , "time_step_limit": [0.0, Infinity]`)))
	if err != nil || len(m.Notes) != 1 {
		t.Errorf("%v, notes %v", err, m.Notes)
	}
}

// The layers of every real config, as runs.
func TestImportLayers(t *testing.T) {
	for name, want := range map[string]string{
		"Phi-4-mini-instruct":                 "full*32",
		"Phi-4-mini-flash-reasoning":          "(mamba1 swa)*8 mamba1 full (gmu cross)*7",
		"Meta-Llama-3.1-8B":                   "full*32",
		"Meta-Llama-3.1-70B":                  "full*80",
		"Qwen3-0.6B":                          "full*28",
		"Qwen3-8B":                            "full*36",
		"Qwen3-32B":                           "full*64",
		"Mixtral-8x7B-v0.1":                   "full*32",
		"gpt-oss-20b":                         "(swa full)*12",
		"Qwen3.5-27B":                         "(gated_deltanet*3 full)*16",
		"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "?",
		"Nemotron-H-56B-Base-8K":              "?",
	} {
		m := importFile(t, name)
		if got := m.Summary(); got != want && want != "?" {
			t.Errorf("%s: %s, want %s", name, got, want)
		} else if want == "?" {
			t.Log(got)
		}
	}
	m := importFile(t, "Phi-4-mini-instruct")
	a := m.Layers[0].Mixer.(*Attention)
	if a.Window != 0 || a.DeclaredWindow != 262144 || a.RotaryDim != 96 {
		t.Errorf("Phi-4-mini: window %d, declared %d, rotary %d", a.Window, a.DeclaredWindow, a.RotaryDim)
	}
	f := importFile(t, "Phi-4-mini-flash-reasoning")
	for i, l := range f.Layers {
		switch mx := l.Mixer.(type) {
		case *GMU:
			if s, _ := mx.Memory.Layer(); s != 16 || mx.DMem != 5120 {
				t.Errorf("layer %d: memory of %d, %d wide", i, s, mx.DMem)
			}
		case *Attention:
			if s, ok := mx.KVSource.Layer(); ok != (i > 17) || ok && s != 17 {
				t.Errorf("layer %d reads the cache of %d (%v)", i, s, ok)
			}
			if (mx.Window == 512) != (i < 16) || !mx.Differential {
				t.Errorf("layer %d: %+v", i, mx)
			}
		}
	}
}

func FuzzImportHF(f *testing.F) {
	files, _ := filepath.Glob("testdata/configs/*.json")
	for _, p := range files {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ImportHF("f", b)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n") {
				t.Fatalf("%q", err)
			}
			return
		}
		if p := m.Params(); p.Total <= 0 {
			t.Fatalf("%d parameters", p.Total)
		}
	})
}
