package hf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

func readConfig(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "configs", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func importConfig(t testing.TB, name string) *arch.Model {
	t.Helper()
	m, err := Import(name, readConfig(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

// layerWord says in one word what a layer is.
func layerWord(l arch.Layer) string {
	var parts []string
	for _, mx := range arch.Parts(l.Mixer) {
		parts = append(parts, mixerWord(mx))
	}
	word := strings.Join(parts, "|")
	if l.FFN != nil {
		if word != "" {
			word += "+"
		}
		word += l.FFN.Kind()
	}
	return word
}

func mixerWord(mx arch.Mixer) string {
	switch mx := mx.(type) {
	case arch.Attention:
		if s, ok := mx.KVSource.Layer(); ok {
			return fmt.Sprintf("cross@%d", s)
		}
		if mx.Window > 0 {
			return fmt.Sprintf("swa%d", mx.Window)
		}
		return "full"
	case arch.GMU:
		s, _ := mx.Memory.Layer()
		return fmt.Sprintf("gmu@%d", s)
	}
	return mx.Kind()
}

// layout writes a model's layers with repeats folded: "(a b)*3 c".
func layout(m *arch.Model) string {
	var words, out []string
	for _, l := range m.Layers {
		words = append(words, layerWord(l))
	}
	for len(words) > 0 {
		size, times := 1, 1
		for block := 1; block <= 16 && 2*block <= len(words); block++ {
			n := 1
			for (n+1)*block <= len(words) && slices.Equal(words[:block], words[n*block:(n+1)*block]) {
				n++
			}
			if n > 1 && n*block > size*times {
				size, times = block, n
			}
		}
		part := strings.Join(words[:size], " ")
		if size > 1 {
			part = "(" + part + ")"
		}
		if times > 1 {
			part += fmt.Sprintf("*%d", times)
		}
		out, words = append(out, part), words[size*times:]
	}
	return strings.Join(out, " ")
}

// TestImportHF: parameter counts are those the makers publish or the checkpoints hold.
// The configs are the released ones, whole or cut to the fields that matter.
func TestImportHF(t *testing.T) {
	tests := []struct {
		name           string
		params, active int64
		layers         string
	}{
		{"Phi-4-mini-instruct", 3_836_021_760, 3_836_021_760, "full+swiglu*32"},
		{"Phi-4-mini-flash-reasoning", 3_852_562_944, 3_852_562_944,
			"(mamba1+swiglu swa512+swiglu)*8 mamba1+swiglu full+swiglu (gmu@16+swiglu cross@17+swiglu)*7"},
		{"Meta-Llama-3.1-8B", 8_030_261_248, 8_030_261_248, "full+swiglu*32"},
		{"Meta-Llama-3.1-70B", 70_553_706_496, 70_553_706_496, "full+swiglu*80"},
		{"Mistral-7B-v0.1", 7_241_732_096, 7_241_732_096, "swa4096+swiglu*32"},
		{"Qwen2-7B", 7_615_616_512, 7_615_616_512, "full+swiglu*28"},
		{"Qwen3-0.6B", 596_049_920, 596_049_920, "full+swiglu*28"},
		{"Qwen3-8B", 8_190_735_360, 8_190_735_360, "full+swiglu*36"},
		{"Qwen3-32B", 32_762_123_264, 32_762_123_264, "full+swiglu*64"},
		{"Mixtral-8x7B-v0.1", 46_702_792_704, 12_879_925_248, "full+moe*32"},
		{"Qwen3-30B-A3B", 30_532_122_624, 3_353_032_704, "full+moe*48"},
		{"gpt-oss-20b", 20_914_757_184, 4_187_440_704, "(swa128+moe full+moe)*12"},
		{"Qwen3-Next-80B-A3B-Instruct", 79_674_391_296, 3_874_929_408,
			"(gated_deltanet+moe gated_deltanet+moe gated_deltanet+moe full+moe)*12"},
		{"Qwen3.5-27B", 26_895_998_464, 26_895_998_464,
			"(gated_deltanet+swiglu gated_deltanet+swiglu gated_deltanet+swiglu full+swiglu)*16"},
		{"mamba-2.8b-hf", 2_768_345_600, 2_768_345_600, "mamba1*64"},
		{"Mamba-Codestral-7B-v0.1", 7_285_403_648, 7_285_403_648, "mamba2*64"},
		{"Jamba-v0.1", 51_570_323_328, 12_110_311_296,
			"(mamba1+swiglu mamba1+moe mamba1+swiglu mamba1+moe full+swiglu mamba1+moe mamba1+swiglu mamba1+moe)*4"},
		{"Bamba-9B", 9_780_235_392, 9_780_235_392,
			"mamba2+swiglu*9 (full+swiglu mamba2+swiglu mamba2+swiglu mamba2+swiglu mamba2+swiglu mamba2+swiglu mamba2+swiglu mamba2+swiglu mamba2+swiglu)*2 full+swiglu mamba2+swiglu*4"},
		{"granite-4.0-h-tiny", 6_939_037_248, 1_465_470_528,
			"(mamba2+moe mamba2+moe mamba2+moe mamba2+moe mamba2+moe full+moe mamba2+moe mamba2+moe mamba2+moe mamba2+moe)*4"},
		{"Falcon-H1-0.5B-Base", 521_411_104, 521_411_104, "full|mamba2+swiglu*36"},
		{"Nemotron-H-56B-Base-8K", 56_324_350_464, 56_324_350_464,
			"(mamba2 mlp mamba2 mlp mamba2 mlp mamba2 full mlp mamba2 mlp)*10 (mamba2 mlp)*4"},
		// The scores' corrections (23 × 128) are in the checkpoint and counted.
		{"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 31_577_940_288, 3_580_076_352,
			"(mamba2 moe mamba2 moe mamba2 full moe)*5 (mamba2 moe)*3 mamba2 full (moe mamba2)*4 moe"},
	}
	tested := map[string]bool{}
	for _, tt := range tests {
		tested[tt.name+".json"] = true
		m := importConfig(t, tt.name)
		if m.Name != tt.name {
			t.Errorf("name is %q, want %q", m.Name, tt.name)
		}
		if got := m.Params().Total; got != tt.params {
			t.Errorf("%s has %d parameters, want %d", tt.name, got, tt.params)
		}
		if got := m.ActiveParams().Total; got != tt.active {
			t.Errorf("%s has %d active parameters, want %d", tt.name, got, tt.active)
		}
		if got := layout(m); got != tt.layers {
			t.Errorf("%s layers:\n got %s\nwant %s", tt.name, got, tt.layers)
		}
	}
	files, err := os.ReadDir("testdata/configs")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !tested[f.Name()] {
			t.Errorf("%s is not tested", f.Name())
		}
	}
}

// firstAttention returns a model's first attention.
func firstAttention(t *testing.T, m *arch.Model) arch.Attention {
	t.Helper()
	for _, a := range m.Attentions() {
		return a
	}
	t.Fatalf("%s has no attention", m.Name)
	return arch.Attention{}
}

func TestImportHFAttention(t *testing.T) {
	tests := map[string]arch.Attention{
		"Phi-4-mini-instruct": {Heads: 24, KVHeads: 8, HeadDim: 128, DeclaredWindow: 262144, RotaryDim: 96, RotaryBase: 10000},
		"Phi-4-mini-flash-reasoning": {Heads: 40, KVHeads: 20, HeadDim: 64, Window: 512, Differential: true,
			QKVBias: true, OutBias: true},
		"Meta-Llama-3.1-8B": {Heads: 32, KVHeads: 8, HeadDim: 128, RotaryDim: 128, RotaryBase: 500000},
		"Qwen2-7B": {Heads: 28, KVHeads: 4, HeadDim: 128, DeclaredWindow: 131072, QKVBias: true, RotaryDim: 128,
			RotaryBase: 1e6},
		"Qwen3-0.6B": {Heads: 16, KVHeads: 8, HeadDim: 128, QKNorm: true, RotaryDim: 128, RotaryBase: 1e6},
		"gpt-oss-20b": {Heads: 64, KVHeads: 8, HeadDim: 64, Window: 128, QKVBias: true, OutBias: true, Sinks: true,
			RotaryDim: 64, RotaryBase: 150000},
		"Qwen3.5-27B": {Heads: 24, KVHeads: 4, HeadDim: 256, QKNorm: true, OutputGate: true, RotaryDim: 64,
			RotaryBase: 1e7},
		"Bamba-9B":               {Heads: 32, KVHeads: 8, HeadDim: 128, RotaryDim: 64, RotaryBase: 10000},
		"Nemotron-H-56B-Base-8K": {Heads: 64, KVHeads: 8, HeadDim: 128},
		"Jamba-v0.1":             {Heads: 32, KVHeads: 8, HeadDim: 128},
		"granite-4.0-h-tiny":     {Heads: 12, KVHeads: 4, HeadDim: 128},
		"Falcon-H1-0.5B-Base":    {Heads: 8, KVHeads: 2, HeadDim: 64, RotaryDim: 64, RotaryBase: 1e11},
	}
	for name, want := range tests {
		if diff := cmp.Diff(want, firstAttention(t, importConfig(t, name)), cmpopts.IgnoreFields(arch.Attention{}, "Numerics")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestImportHFModel(t *testing.T) {
	type facts struct {
		Tied            bool
		Norm            arch.NormKind
		MaxContext      int
		Weight, StateIs precision.DType
		ExpertsUp       formats.Format
		Notes           []string
	}
	tests := map[string]facts{
		"Phi-4-mini-flash-reasoning": {Tied: true, Norm: arch.LayerNorm, MaxContext: 65536, Weight: precision.BF16},
		"gpt-oss-20b":                {MaxContext: 131072, ExpertsUp: formats.MXFP4()},
		"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": {MaxContext: 262144, Weight: precision.BF16,
			StateIs: precision.FP32},
		"mamba-2.8b-hf": {Tied: true, Weight: precision.FP32},
		"Bamba-9B":      {MaxContext: 262144, Weight: precision.BF16},
		"Qwen3.5-27B": {MaxContext: 262144, Weight: precision.BF16, StateIs: precision.FP32, Notes: []string{
			"vision_config: the vision encoder is left out: text only",
			"text_config.mtp_num_hidden_layers: the multi-token prediction head is left out",
		}},
	}
	for name, want := range tests {
		m := importConfig(t, name)
		up, _ := m.Layers[0].Stored.Of("ffn.up")
		got := facts{m.Tied, m.Norm, m.MaxContext, m.WeightDType, m.StateDType, up.Format, m.Notes}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// edit changes fields of a config: a nil value removes the field.
func edit(t testing.TB, name string, changes map[string]string) []byte {
	t.Helper()
	text := string(readConfig(t, name))
	for field, value := range changes {
		line := fmt.Sprintf("%q:", field)
		i := strings.Index(text, line)
		if value == "" {
			if i < 0 {
				t.Fatalf("%s has no field %s", name, field)
			}
			end := i + strings.IndexByte(text[i:], '\n')
			text = text[:i] + text[end+1:]
			continue
		}
		if i >= 0 {
			end := i + strings.IndexByte(text[i:], '\n')
			text = text[:i] + line + " " + value + "," + text[end:]
			continue
		}
		text = strings.Replace(text, "{", "{\n"+line+" "+value+",", 1)
	}
	return []byte(text)
}

// TestImportHFVariants: what a changed field changes.
func TestImportHFVariants(t *testing.T) {
	flash := make([]string, 32)
	for i := range flash {
		flash[i] = "null"
		if i%2 == 1 && i < 16 {
			flash[i] = "256"
		}
	}
	tests := []struct {
		name    string
		config  string
		changes map[string]string
		got     func(*arch.Model) any
		want    any
	}{
		{"a per-layer window list", "Phi-4-mini-flash-reasoning",
			map[string]string{"sliding_window": "[" + strings.Join(flash, ",") + "]"},
			func(m *arch.Model) any { return layout(m) },
			"(mamba1+swiglu swa256+swiglu)*8 mamba1+swiglu full+swiglu (gmu@16+swiglu cross@17+swiglu)*7"},
		{"mamba_dt_rank auto", "Phi-4-mini-flash-reasoning", map[string]string{"mamba_dt_rank": `"auto"`},
			func(m *arch.Model) any { return m.Params().Total }, int64(3_852_562_944)},
		{"no kv heads: as many as heads", "Meta-Llama-3.1-8B", map[string]string{"num_key_value_heads": ""},
			func(m *arch.Model) any { return m.Layers[0].Mixer.(arch.Attention).KVHeads }, 32},
		{"null kv heads", "Qwen3-8B", map[string]string{"num_key_value_heads": "null"},
			func(m *arch.Model) any { return m.Layers[0].Mixer.(arch.Attention).KVHeads }, 32},
		{"no head_dim in Qwen3: 128", "Qwen3-0.6B", map[string]string{"head_dim": ""},
			func(m *arch.Model) any { return m.Layers[0].Mixer.(arch.Attention).HeadDim }, 128},
		{"tying takes the head away", "Meta-Llama-3.1-8B", map[string]string{"tie_word_embeddings": "true"},
			func(m *arch.Model) any { return m.Params().Head }, int64(0)},
		{"Mistral's null window", "Mistral-7B-v0.1", map[string]string{"sliding_window": "null"},
			func(m *arch.Model) any { return layout(m) }, "full+swiglu*32"},
		{"Mistral's default window", "Mistral-7B-v0.1", map[string]string{"sliding_window": ""},
			func(m *arch.Model) any { return layout(m) }, "swa4096+swiglu*32"},
		{"Qwen2 windows from max_window_layers on", "Qwen2-7B",
			map[string]string{"use_sliding_window": "true", "sliding_window": "4096", "max_window_layers": "20"},
			func(m *arch.Model) any { return layout(m) }, "full+swiglu*20 swa4096+swiglu*8"},
		{"Qwen3-Next's default shared expert", "Qwen3-Next-80B-A3B-Instruct", map[string]string{"shared_expert_intermediate_size": ""},
			func(m *arch.Model) any { return m.Layers[0].FFN.(arch.MoE).SharedInner }, 512},
		{"Qwen3-MoE has no shared expert", "Qwen3-30B-A3B", nil,
			func(m *arch.Model) any { return m.Layers[0].FFN.(arch.MoE).SharedInner }, 0},
		{"Nemotron without shared experts", "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", map[string]string{"n_shared_experts": "0"},
			func(m *arch.Model) any { return m.Layers[1].FFN.(arch.MoE).SharedInner }, 0},
		{"attention_bias", "Meta-Llama-3.1-8B", map[string]string{"attention_bias": "true"},
			func(m *arch.Model) any { return m.Params().Total - 8_030_261_248 }, int64(32 * (6144 + 4096))},
		{"mlp_bias", "Meta-Llama-3.1-8B", map[string]string{"mlp_bias": "true"},
			func(m *arch.Model) any { return m.Params().Total - 8_030_261_248 }, int64(32 * (2*14336 + 4096))},
		{"gpt-oss without layer_types alternates", "Mixtral-8x7B-v0.1",
			map[string]string{"model_type": `"gpt_oss"`, "sliding_window": "64", "head_dim": "64"},
			func(m *arch.Model) any { return layout(m) }, "(swa64+moe full+moe)*16"},
		{"Qwen3-Next without layer_types", "Qwen3-Next-80B-A3B-Instruct",
			map[string]string{"full_attention_interval": "2"},
			func(m *arch.Model) any { return layout(m) }, "(gated_deltanet+moe full+moe)*24"},
		{"dense layers of a mixture", "Qwen3-30B-A3B", map[string]string{"decoder_sparse_step": "2"},
			func(m *arch.Model) any { return layout(m) }, "(full+swiglu full+moe)*24"},
		{"Granite without experts", "granite-4.0-h-tiny", map[string]string{"num_local_experts": "0"},
			func(m *arch.Model) any { return m.Layers[0].FFN }, arch.MLP{Inner: 1024, Gated: true}},
		{"Granite with rope", "granite-4.0-h-tiny", map[string]string{"position_embedding_type": `"rope"`},
			func(m *arch.Model) any { return m.Layers[5].Mixer.(arch.Attention).RotaryDim }, 128},
		{"Falcon-H1's gated norm", "Falcon-H1-0.5B-Base", map[string]string{"mamba_rms_norm": "true"},
			func(m *arch.Model) any { return m.Params().Total - 521_411_104 }, int64(36 * 1536)},
		{"fp8", "Qwen3-8B", map[string]string{"quantization_config": `{"quant_method": "fp8"}`},
			func(m *arch.Model) any { return storedIn(m, "mixer.out") }, formats.FP8(0, 0, 32)},
		{"awq", "Qwen3-8B", map[string]string{"quantization_config": `{"quant_method": "awq", "bits": 4, "group_size": 128}`},
			func(m *arch.Model) any { return storedIn(m, "ffn.up") }, formats.AWQ(4, 128)},
		{"dtype", "Qwen3-8B", map[string]string{"torch_dtype": "", "dtype": `"float16"`},
			func(m *arch.Model) any { return m.WeightDType }, precision.FP16},
		{"NaN and Infinity where nobody looks", "Qwen3-8B", map[string]string{"initializer_range": "NaN", "rms_norm_eps": "-Infinity"},
			func(m *arch.Model) any { return len(m.Notes) }, 0},
		{"unknown fields that are off", "Qwen3-8B", map[string]string{"a": "null", "b": "false", "c": "0", "d": `""`, "e": "[]", "f": "{}"},
			func(m *arch.Model) any { return len(m.Notes) }, 0},
		{"an unknown string", "Qwen3-8B", map[string]string{"flavour": `"strange"`},
			func(m *arch.Model) any { return m.Notes }, []string{`flavour "strange" is not modelled`}},
		{"multi-token prediction", "Qwen3-8B", map[string]string{"num_nextn_predict_layers": "1"},
			func(m *arch.Model) any { return m.Notes },
			[]string{"num_nextn_predict_layers: the multi-token prediction head is left out"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Import("x", edit(t, tt.config, tt.changes))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.got(m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func storedIn(m *arch.Model, weight string) formats.Format {
	s, _ := m.Layers[3].Stored.Of(weight)
	return s.Format
}

func TestImportHFClassifier(t *testing.T) {
	data := strings.Replace(string(readConfig(t, "Qwen3-8B")), "Qwen3ForCausalLM", "Qwen3ForSequenceClassification", 1)
	m, err := Import("x", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`architectures is "Qwen3ForSequenceClassification": counted with a language-model head`}
	if diff := cmp.Diff(want, m.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}
