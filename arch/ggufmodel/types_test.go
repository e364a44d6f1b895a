package ggufmodel

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/gguf"
)

func gemma(name string, layers int, width, inner, heads, kv, dim, vocab int64, norms bool, meta map[string]any) *gguf.File {
	all := map[string]any{"block_count": layers, "embedding_length": int(width), "feed_forward_length": int(inner), "attention.head_count": int(heads),
		"attention.head_count_kv": int(kv), "attention.key_length": int(dim), "attention.value_length": int(dim), "attention.layer_norm_rms_epsilon": 1e-6}
	for k, v := range meta {
		all[k] = v
	}
	h := newHeader(name, all)
	for i := range layers {
		h.layer(i).v("attn_norm.weight", width)
		h.attention(width, heads, kv, dim, norms)
		h.v("post_attention_norm.weight", width)
		h.v("ffn_norm.weight", width)
		h.swiglu(width, inner)
		h.v("post_ffw_norm.weight", width)
	}
	return h.ends(width, vocab, true)
}

func gemma2() *gguf.File {
	return gemma("gemma2", 26, 2304, 9216, 8, 4, 256, 256000, false, map[string]any{"context_length": 8192, "attention.sliding_window": 4096,
		"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0})
}

func gemma3() *gguf.File {
	return gemma("gemma3", 26, 1152, 6912, 4, 1, 256, 262144, true, map[string]any{"context_length": 32768, "attention.sliding_window": 512, "rope.freq_base": 1e6})
}

func olmo2() *gguf.File {
	h := newHeader("olmo2", map[string]any{"block_count": 40, "context_length": 4096, "embedding_length": 5120, "feed_forward_length": 13824,
		"attention.head_count": 40, "attention.head_count_kv": 40, "attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 500000.0})
	for i := range 40 {
		h.layer(i).attention(5120, 40, 40, 128, false)
		h.v("attn_q_norm.weight", 5120)
		h.v("attn_k_norm.weight", 5120)
		h.v("post_attention_norm.weight", 5120)
		h.swiglu(5120, 13824)
		h.v("post_ffw_norm.weight", 5120)
	}
	return h.ends(5120, 100352, false)
}

// layerNorm adds a norm with a bias, linear a map with a bias.
func (h *header) layerNorm(name string, n int64) { h.v(name+".weight", n); h.v(name+".bias", n) }

func (h *header) linear(name string, in, out int64) {
	h.m(q4k, name+".weight", in, out)
	h.v(name+".bias", out)
}

func gpt2() *gguf.File {
	h := newHeader("gpt2", map[string]any{"block_count": 12, "context_length": 1024, "embedding_length": 768, "feed_forward_length": 3072,
		"attention.head_count": 12, "attention.layer_norm_epsilon": 1e-5})
	for i := range 12 {
		h.layer(i).layerNorm("attn_norm", 768)
		h.linear("attn_qkv", 768, 3*768)
		h.linear("attn_output", 768, 768)
		h.layerNorm("ffn_norm", 768)
		h.linear("ffn_up", 768, 3072)
		h.linear("ffn_down", 3072, 768)
	}
	h.at = ""
	h.m(f32, "position_embd.weight", 768, 1024)
	h.v("output_norm.bias", 768)
	return h.ends(768, 50257, true)
}

func gptNeoX() *gguf.File {
	h := newHeader("gptneox", map[string]any{"block_count": 32, "context_length": 2048, "embedding_length": 2560, "feed_forward_length": 10240,
		"attention.head_count": 32, "attention.layer_norm_epsilon": 1e-5, "use_parallel_residual": false, "rope.dimension_count": 80})
	for i := range 32 {
		h.layer(i).layerNorm("attn_norm", 2560)
		h.linear("attn_qkv", 2560, 3*2560)
		h.linear("attn_output", 2560, 2560)
		h.layerNorm("ffn_norm", 2560)
		h.linear("ffn_up", 2560, 10240)
		h.linear("ffn_down", 10240, 2560)
	}
	h.at = ""
	h.v("output_norm.bias", 2560)
	return h.ends(2560, 50432, false)
}

func phi2() *gguf.File {
	h := newHeader("phi2", map[string]any{"block_count": 32, "context_length": 2048, "embedding_length": 2560, "feed_forward_length": 10240,
		"attention.head_count": 32, "attention.head_count_kv": 32, "attention.layer_norm_epsilon": 1e-5, "rope.dimension_count": 32})
	for i := range 32 {
		h.layer(i).layerNorm("attn_norm", 2560)
		h.linear("attn_qkv", 2560, 3*2560)
		h.linear("attn_output", 2560, 2560)
		h.linear("ffn_up", 2560, 10240)
		h.linear("ffn_down", 10240, 2560)
	}
	h.at = ""
	h.v("output_norm.bias", 2560)
	h.v("output.bias", 51200)
	return h.ends(2560, 51200, false)
}

func commandR() *gguf.File {
	h := newHeader("command-r", map[string]any{"block_count": 32, "context_length": 8192, "embedding_length": 4096, "feed_forward_length": 14336,
		"attention.head_count": 32, "attention.head_count_kv": 8, "attention.layer_norm_epsilon": 1e-5})
	for i := range 32 {
		h.layer(i).v("attn_norm.weight", 4096)
		h.attention(4096, 32, 8, 128, false)
		h.swiglu(4096, 14336)
	}
	return h.ends(4096, 256000, true)
}

func exaone4() *gguf.File {
	h := newHeader("exaone4", map[string]any{"block_count": 64, "context_length": 131072, "embedding_length": 5120, "feed_forward_length": 27392,
		"attention.head_count": 40, "attention.head_count_kv": 8, "attention.key_length": 128, "attention.value_length": 128,
		"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 1e6, "attention.sliding_window": 4096})
	for i := range 64 {
		h.layer(i).attention(5120, 40, 8, 128, true)
		h.v("post_attention_norm.weight", 5120)
		h.swiglu(5120, 27392)
		h.v("post_ffw_norm.weight", 5120)
	}
	return h.ends(5120, 102400, false)
}

func glm4() *gguf.File {
	h := newHeader("glm4", map[string]any{"block_count": 40, "context_length": 131072, "embedding_length": 4096, "feed_forward_length": 13696,
		"attention.head_count": 32, "attention.head_count_kv": 2, "attention.layer_norm_rms_epsilon": 1.5625e-7, "rope.dimension_count": 64})
	for i := range 40 {
		h.layer(i).v("attn_norm.weight", 4096)
		h.attention(4096, 32, 2, 128, false)
		h.v("attn_q.bias", 4096)
		h.v("attn_k.bias", 256)
		h.v("attn_v.bias", 256)
		h.v("post_attention_norm.weight", 4096)
		h.v("ffn_norm.weight", 4096)
		h.m(q4k, "ffn_up.weight", 4096, 2*13696)
		h.m(q80, "ffn_down.weight", 13696, 4096)
		h.v("post_ffw_norm.weight", 4096)
	}
	return h.ends(4096, 151552, false)
}

func deepseek2() *gguf.File {
	h := newHeader("deepseek2", map[string]any{"block_count": 27, "context_length": 163840, "embedding_length": 2048, "feed_forward_length": 10944,
		"attention.head_count": 16, "attention.head_count_kv": 1, "attention.kv_lora_rank": 512, "attention.key_length": 576, "attention.value_length": 512,
		"attention.key_length_mla": 192, "attention.value_length_mla": 128, "attention.layer_norm_rms_epsilon": 1e-6, "rope.dimension_count": 64,
		"rope.freq_base": 10000.0, "expert_count": 64, "expert_used_count": 6, "expert_shared_count": 2, "expert_feed_forward_length": 1408, "leading_dense_block_count": 1})
	for i := range 27 {
		h.layer(i).v("attn_norm.weight", 2048)
		h.m(q4k, "attn_q.weight", 2048, 16*192)
		h.m(q4k, "attn_kv_a_mqa.weight", 2048, 576)
		h.v("attn_kv_a_norm.weight", 512)
		h.m(q80, "attn_k_b.weight", 128, 512, 16)
		h.m(q80, "attn_v_b.weight", 512, 128, 16)
		h.m(q4k, "attn_output.weight", 2048, 2048)
		h.v("ffn_norm.weight", 2048)
		if i == 0 {
			h.m(q4k, "ffn_gate.weight", 2048, 10944)
			h.m(q4k, "ffn_up.weight", 2048, 10944)
			h.m(q80, "ffn_down.weight", 10944, 2048)
			continue
		}
		h.m(f32, "ffn_gate_inp.weight", 2048, 64)
		for _, up := range []string{"ffn_gate", "ffn_up"} {
			h.m(q4k, up+"_exps.weight", 2048, 1408, 64)
			h.m(q4k, up+"_shexp.weight", 2048, 2816)
		}
		h.m(q80, "ffn_down_exps.weight", 1408, 2048, 64)
		h.m(q4k, "ffn_down_shexp.weight", 2816, 2048)
	}
	return h.ends(2048, 102400, false)
}

// kimiLinear is of the sizes that the configuration class has by default.
func kimiLinear() *gguf.File {
	h := newHeader("kimi-linear", map[string]any{"block_count": 27, "context_length": 1048576, "embedding_length": 2304, "feed_forward_length": 9216,
		"attention.head_count": 32, "attention.kv_lora_rank": 512, "attention.key_length": 576, "attention.value_length": 512, "attention.key_length_mla": 192,
		"attention.value_length_mla": 128, "attention.layer_norm_rms_epsilon": 1e-5, "rope.dimension_count": 64, "kda.head_dim": 128, "ssm.conv_kernel": 4,
		"expert_count": 256, "expert_used_count": 8, "expert_shared_count": 1, "expert_feed_forward_length": 1024, "leading_dense_block_count": 1})
	for i := range 27 {
		h.layer(i).v("attn_norm.weight", 2304)
		if i%4 == 0 && i > 0 {
			h.m(q4k, "attn_q.weight", 2304, 32*192)
			h.m(q4k, "attn_kv_a_mqa.weight", 2304, 576)
			h.v("attn_kv_a_norm.weight", 512)
			h.m(q80, "attn_k_b.weight", 128, 512, 32)
			h.m(q80, "attn_v_b.weight", 512, 128, 32)
		} else {
			for _, x := range []string{"q", "k", "v"} {
				h.m(q4k, "attn_"+x+".weight", 2304, 4096)
				h.m(f32, "ssm_conv1d_"+x+".weight", 4, 1, 4096, 1)
			}
			for _, x := range []string{"f", "g"} {
				h.m(q4k, "ssm_"+x+"_a.weight", 2304, 128)
				h.m(q80, "ssm_"+x+"_b.weight", 128, 4096)
			}
			h.m(q4k, "ssm_beta.weight", 2304, 32)
			h.m(f32, "ssm_a", 1, 32, 1, 1)
			h.v("ssm_dt.bias", 4096)
			h.v("ssm_norm.weight", 128)
		}
		h.m(q4k, "attn_output.weight", 4096, 2304)
		h.v("ffn_norm.weight", 2304)
		if i == 0 {
			h.swiglu(2304, 9216)
			continue
		}
		h.experts(2304, 1024, 256)
		h.v("exp_probs_b.bias", 256)
		h.m(q4k, "ffn_gate_shexp.weight", 2304, 1024)
		h.m(q4k, "ffn_up_shexp.weight", 2304, 1024)
		h.m(q4k, "ffn_down_shexp.weight", 1024, 2304)
	}
	return h.ends(2304, 163840, false)
}

func lfm2() *gguf.File {
	h := newHeader("lfm2", map[string]any{"block_count": 16, "context_length": 128000, "embedding_length": 2048, "feed_forward_length": 8192,
		"attention.head_count": 32, "attention.head_count_kv": []int{0, 0, 8, 0, 0, 8, 0, 0, 8, 0, 8, 0, 8, 0, 8, 0},
		"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 1e6, "shortconv.l_cache": 3})
	for i := range 16 {
		h.layer(i).v("attn_norm.weight", 2048)
		switch i {
		case 2, 5, 8, 10, 12, 14:
			h.attention(2048, 32, 8, 64, true)
		default:
			h.m(q4k, "shortconv.in_proj.weight", 2048, 3*2048)
			h.m(f32, "shortconv.conv.weight", 3, 2048)
			h.m(q4k, "shortconv.out_proj.weight", 2048, 2048)
		}
		h.v("ffn_norm.weight", 2048)
		h.swiglu(2048, 8192)
	}
	f := h.ends(2048, 65536, true)
	for i := range f.Tensors {
		if f.Tensors[i].Name == "output_norm.weight" {
			f.Tensors[i].Name = "token_embd_norm.weight" // the converter's name for it
		}
	}
	return f
}

func qwen2MoE() *gguf.File {
	h := newHeader("qwen2moe", map[string]any{"block_count": 24, "context_length": 32768, "embedding_length": 2048, "feed_forward_length": 5632,
		"attention.head_count": 16, "attention.head_count_kv": 16, "attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 1e6,
		"expert_count": 60, "expert_used_count": 4, "expert_feed_forward_length": 1408, "expert_shared_feed_forward_length": 5632})
	for i := range 24 {
		h.layer(i).v("attn_norm.weight", 2048)
		h.attention(2048, 16, 16, 128, false)
		for _, n := range []string{"attn_q.bias", "attn_k.bias", "attn_v.bias"} {
			h.v(n, 2048)
		}
		h.v("ffn_norm.weight", 2048)
		h.experts(2048, 1408, 60)
		h.m(q4k, "ffn_gate_shexp.weight", 2048, 5632)
		h.m(q4k, "ffn_up_shexp.weight", 2048, 5632)
		h.m(q6k, "ffn_down_shexp.weight", 5632, 2048)
		h.v("ffn_gate_inp_shexp.weight", 2048)
	}
	return h.ends(2048, 151936, false)
}

// Types that put their norms elsewhere, have biases, windows or positions: as their
// configurations say, parameter for parameter and layer for layer.
func TestOtherTypes(t *testing.T) {
	data, err := os.ReadFile("../hf/testdata/real.json")
	if err != nil {
		t.Fatal(err)
	}
	data = []byte(strings.ReplaceAll(string(data), "Infinity", "1e300"))
	var all []struct {
		Name   string          `json:"name"`
		Config json.RawMessage `json:"config"`
		Params int64           `json:"params"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	files := map[string]func() *gguf.File{"gemma2_2b": gemma2, "gemma3_1b_it": gemma3, "olmo2_13b": olmo2, "gpt2": gpt2, "redpajama_3b_v1": gptNeoX,
		"phi-2": phi2, "deepseek2-16b": deepseek2, "LFM2-1.2B": lfm2, "aya-23": commandR, "EXAONE-4.0-32B": exaone4, "default glm4": glm4, "qwen2moe": qwen2MoE,
		"default kimi_linear": kimiLinear}
	found := 0
	for _, c := range all {
		file, ok := files[c.Name]
		if !ok {
			continue
		}
		found++
		f, err := gguf.Read(bytes.NewReader(file().Encode()))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		m, err := Import(c.Name, f)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		corrections := int64(0) // of routers, which the modelling code keeps as buffers and does not count
		for _, l := range m.Layers {
			if e, ok := l.FFN.(arch.MoE); ok && e.RouterBias {
				corrections += int64(e.Experts)
			}
		}
		if n := m.Params().Total - corrections; n != c.Params {
			t.Errorf("%s: %d parameters, the modelling code has %d", c.Name, n, c.Params)
		}
		want, err := hf.Import(c.Name, c.Config)
		if err != nil {
			t.Logf("%s: the configuration is not read: %v", c.Name, err)
			continue
		}
		if d := cmp.Diff(want.Params(), m.Params()); d != "" {
			t.Errorf("%s: parameters (-configuration +gguf)\n%s", c.Name, d)
		}
		if a, b := want.Summary(), m.Summary(); a != b {
			t.Errorf("%s: layers %s, the configuration has %s", c.Name, b, a)
		}
		for i := range m.Layers {
			if a, b := want.Layers[i].Block, m.Layers[i].Block; a != b {
				t.Errorf("%s: layer %d is a %s, the configuration has %s", c.Name, i, b, a)
				break
			}
			if a, b := want.Layers[i].Mixer.Stores(), m.Layers[i].Mixer.Stores(); a != b {
				t.Errorf("%s: layer %d keeps %+v of a sequence, the configuration %+v", c.Name, i, b, a)
				break
			}
		}
		if want.LogitCap != m.LogitCap || want.Positions != m.Positions || want.Norm != m.Norm {
			t.Errorf("%s: logit cap %g, %d positions, %s; the configuration has %g, %d, %s", c.Name, m.LogitCap, m.Positions, m.Norm, want.LogitCap, want.Positions, want.Norm)
		}
	}
	if found != len(files) {
		t.Errorf("%d of %d configurations found", found, len(files))
	}
}
