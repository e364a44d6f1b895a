package models_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/gguf"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

// The quantisations that the tests give to configurations, as their tools write them.
var quantisations = map[string]string{
	"awq":     `{"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": true, "version": "gemm", "modules_to_not_convert": null}`,
	"gptq":    `{"quant_method": "gptq", "bits": 8, "group_size": -1, "desc_act": true, "sym": true}`,
	"fp8":     `{"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128], "fmt": "e4m3"}`,
	"bnb":     `{"quant_method": "bitsandbytes", "load_in_4bit": true, "load_in_8bit": false, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true}`,
	"mlx":     `{"bits": 4, "group_size": 64, "mode": "affine"}`,
	"nvfp4":   `{"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": {"type": "float", "num_bits": 8}, "ignore": ["lm_head", "model.layers.0*", "*self_attn*"]}`,
	"experts": `{"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}`,
}

// What a device holds of the weights, summed over the operations that read them, is what
// the checkpoint takes, summed over its weights: no operation reads a weight in another
// format than it is stored in, and none is forgotten.
func TestOperationsReadWhatIsStored(t *testing.T) {
	data, err := os.ReadFile("../arch/hf/testdata/real.json")
	if err != nil {
		t.Fatal(err)
	}
	data = []byte(strings.ReplaceAll(string(data), "Infinity", "1e300"))
	var cases []struct {
		Name   string                     `json:"name"`
		Config map[string]json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range cases {
		for method, q := range quantisations {
			if c.Config == nil {
				continue
			}
			c.Config["quantization_config"] = json.RawMessage(q)
			config, err := json.Marshal(c.Config)
			if err != nil {
				t.Fatal(err)
			}
			m, err := hf.Import(c.Name, config)
			if err != nil {
				continue // refused without a quantisation too
			}
			x, err := costmodel.Compile(m, hw, costmodel.Options{})
			if err != nil {
				t.Errorf("%s, %s: %v", c.Name, method, err)
				continue
			}
			compared++
			var want float64
			for _, s := range m.StoredShares() {
				want += float64(s.Bytes)
			}
			if got := x.Memory(costmodel.Workload{Batch: 1, Prompt: 1, Generate: 1}).WeightsBytes; math.Abs(got/want-1) > 1e-9 {
				t.Errorf("%s, %s: operations read %.0f bytes of weights, %.0f are stored", c.Name, method, got, want)
			}
		}
	}
	if compared < 400 {
		t.Errorf("%d models compared: too few to mean anything", compared)
	}
}

// ModelOpt's file beside config.json counts: Llama-3.1-70B in FP8 is 73 GB, not 141.
func TestQuantisationBesideTheConfiguration(t *testing.T) {
	config, err := os.ReadFile("../arch/hf/testdata/configs/Meta-Llama-3.1-70B.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config.json", string(config))
	size := func() float64 {
		m, err := models.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for _, s := range m.StoredShares() {
			n += s.Bytes
		}
		return float64(n)
	}
	if got := size(); math.Abs(got-141.1e9) > 0.1e9 {
		t.Errorf("without it: %.2f GB", got/1e9)
	}
	write("hf_quant_config.json", `{"producer": {"name": "modelopt", "version": "0.23.0"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}}`)
	// A byte a value, but two for embedding, head and the 161 norms; two scales of four
	// bytes for each of the seven maps of 80 layers.
	want := 70553706496.0 + 2*128256*8192 + 161*8192 + 7*80*8
	if got := size(); got != want {
		t.Errorf("with it: %.0f bytes, want %.0f", got, want)
	}
	write("hf_quant_config.json", `{"quantization": {"quant_algo": "FP9"}}`)
	_, err = models.Open(dir)
	if want := fmt.Sprintf(`%s.quantization.quant_algo "FP9" is not modelled`, filepath.Join(dir, "hf_quant_config.json")); err == nil || err.Error() != want {
		t.Errorf("a mistake in it: %v, want %q", err, want)
	}
}

// A GGUF file is a MODEL: named for the file, priced at the bytes of its tensors, and
// what its header lacks is said in a line with the file's name.
func TestGGUFFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tiny-Q8_0.gguf")
	const width, inner, vocab = 64, 96, 100
	f := &gguf.File{Version: 3, Metadata: map[string]any{"general.architecture": "qwen3", "qwen3.block_count": uint64(1), "qwen3.context_length": uint64(512),
		"qwen3.embedding_length": uint64(width), "qwen3.attention.head_count": uint64(4), "qwen3.attention.head_count_kv": uint64(2),
		"qwen3.attention.key_length": uint64(32), "qwen3.attention.value_length": uint64(32), "qwen3.attention.layer_norm_rms_epsilon": 1e-6}}
	want := int64(0)
	add := func(name string, kind formats.GGUF, shape ...int64) {
		x := gguf.Tensor{Name: name, Type: kind, Shape: shape}
		want += x.Bytes()
		f.Tensors = append(f.Tensors, x)
	}
	add("token_embd.weight", 8, width, vocab)
	add("output_norm.weight", 0, width)
	for name, shape := range map[string][]int64{"attn_q": {width, 128}, "attn_k": {width, 64}, "attn_v": {width, 64}, "attn_output": {128, width},
		"ffn_gate": {width, inner}, "ffn_up": {width, inner}, "ffn_down": {inner, width}} {
		add("blk.0."+name+".weight", 8, shape...)
	}
	for name, n := range map[string]int64{"attn_norm": width, "ffn_norm": width, "attn_q_norm": 32, "attn_k_norm": 32} {
		add("blk.0."+name+".weight", 0, n)
	}
	write := func() {
		if err := os.WriteFile(path, f.Encode(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	m, err := models.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mem := c.Memory(costmodel.Workload{Batch: 1, Prompt: 1, Generate: 1})
	if m.Name != "tiny-Q8_0" || math.Abs(mem.WeightsBytes-float64(want)) > 1e-6 || mem.CacheBytesPerToken != 2*2*32*2 {
		t.Errorf("%s: %g bytes of weights, want %d; %g of cache a token", m.Name, mem.WeightsBytes, want, mem.CacheBytesPerToken)
	}
	if got := c.BeyondContext(costmodel.Workload{Prompt: 500, Generate: 13}); got != 1 {
		t.Errorf("%d positions beyond a context of 512, want 1", got)
	}
	delete(f.Metadata, "qwen3.block_count")
	write()
	if _, err := models.Open(path); err == nil || !strings.HasPrefix(err.Error(), path+": qwen3: ") {
		t.Errorf("without a number of layers: %v", err)
	}
}
