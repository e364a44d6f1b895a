package ggufmodel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/gguf"
)

// The types the tests store tensors in.
const (
	f32 formats.GGUF = 0
	q80 formats.GGUF = 8
	q4k formats.GGUF = 12
	q6k formats.GGUF = 14
)

// header makes a GGUF header as llama.cpp's converter writes it.
type header struct {
	arch string
	f    gguf.File
	at   string // prefix of the layer at hand
}

func newHeader(arch string, meta map[string]any) *header {
	h := &header{arch: arch, f: gguf.File{Version: 3, Metadata: map[string]any{"general.architecture": arch}}}
	for k, v := range meta {
		switch v := v.(type) {
		case int:
			h.f.Metadata[arch+"."+k] = uint64(v)
		case []int:
			a := gguf.Array{Len: len(v)}
			for _, n := range v {
				a.Values = append(a.Values, uint64(n))
			}
			h.f.Metadata[arch+"."+k] = a
		default:
			h.f.Metadata[arch+"."+k] = v
		}
	}
	return h
}

func (h *header) layer(i int) *header { h.at = fmt.Sprintf("blk.%d.", i); return h }

// m adds matrices [in, out …]; v adds fp32 vectors.
func (h *header) m(t formats.GGUF, name string, shape ...int64) {
	if shape[0]%int64(t.BlockValues()) != 0 {
		t = f32
	}
	h.f.Tensors = append(h.f.Tensors, gguf.Tensor{Name: h.at + name, Type: t, Shape: shape})
}

func (h *header) v(name string, n int64) { h.m(f32, name, n) }

func (h *header) attention(width, heads, kv, dim int64, norms bool) {
	h.m(q4k, "attn_q.weight", width, heads*dim)
	h.m(q4k, "attn_k.weight", width, kv*dim)
	h.m(q6k, "attn_v.weight", width, kv*dim)
	h.m(q4k, "attn_output.weight", heads*dim, width)
	if norms {
		h.v("attn_q_norm.weight", dim)
		h.v("attn_k_norm.weight", dim)
	}
}

func (h *header) swiglu(width, inner int64) {
	h.m(q4k, "ffn_gate.weight", width, inner)
	h.m(q4k, "ffn_up.weight", width, inner)
	h.m(q6k, "ffn_down.weight", inner, width)
}

func (h *header) experts(width, inner, n int64) {
	h.m(f32, "ffn_gate_inp.weight", width, n)
	h.m(q4k, "ffn_gate_exps.weight", width, inner, n)
	h.m(q4k, "ffn_up_exps.weight", width, inner, n)
	h.m(q6k, "ffn_down_exps.weight", inner, width, n)
}

func (h *header) mamba2(width, heads, dim, state, groups int64, norm bool) {
	inner := heads * dim
	h.m(q4k, "ssm_in.weight", width, 2*inner+2*groups*state+heads)
	h.m(f32, "ssm_conv1d.weight", 4, inner+2*groups*state)
	h.v("ssm_conv1d.bias", inner+2*groups*state)
	h.v("ssm_dt.bias", heads)
	h.m(f32, "ssm_a", 1, heads)
	h.m(f32, "ssm_d", 1, heads)
	if norm {
		h.m(f32, "ssm_norm.weight", inner/groups, groups)
	}
	h.m(q4k, "ssm_out.weight", inner, width)
}

func (h *header) mamba1(width, inner, state, rank int64, norms bool) {
	h.m(q4k, "ssm_in.weight", width, 2*inner)
	h.m(f32, "ssm_conv1d.weight", 4, inner)
	h.v("ssm_conv1d.bias", inner)
	h.m(q4k, "ssm_x.weight", inner, rank+2*state)
	h.m(q4k, "ssm_dt.weight", rank, inner)
	h.v("ssm_dt.bias", inner)
	h.m(f32, "ssm_a", state, inner)
	h.v("ssm_d", inner)
	if norms {
		h.v("ssm_dt_norm.weight", rank)
		h.v("ssm_b_norm.weight", state)
		h.v("ssm_c_norm.weight", state)
	}
	h.m(q4k, "ssm_out.weight", inner, width)
}

// ends adds what is outside the layers.
func (h *header) ends(width, vocab int64, tied bool) *gguf.File {
	h.at = ""
	h.m(q4k, "token_embd.weight", width, vocab)
	h.v("output_norm.weight", width)
	if !tied {
		h.m(q6k, "output.weight", width, vocab)
	}
	return &h.f
}

func llama8B() *gguf.File {
	h := newHeader("llama", map[string]any{"block_count": 32, "context_length": 131072, "embedding_length": 4096, "feed_forward_length": 14336,
		"attention.head_count": 32, "attention.head_count_kv": 8, "attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 500000.0, "rope.dimension_count": 128, "vocab_size": 128256})
	for i := range 32 {
		h.layer(i).v("attn_norm.weight", 4096)
		h.attention(4096, 32, 8, 128, false)
		h.v("ffn_norm.weight", 4096)
		h.swiglu(4096, 14336)
	}
	h.at = ""
	h.v("rope_freqs.weight", 64)
	return h.ends(4096, 128256, false)
}

func qwen3MoE() *gguf.File {
	h := newHeader("qwen3moe", map[string]any{"block_count": 48, "context_length": 40960, "embedding_length": 2048, "feed_forward_length": 6144,
		"attention.head_count": 32, "attention.head_count_kv": 4, "attention.key_length": 128, "attention.value_length": 128,
		"attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 1e6, "expert_count": 128, "expert_used_count": 8, "expert_feed_forward_length": 768})
	for i := range 48 {
		h.layer(i).v("attn_norm.weight", 2048)
		h.attention(2048, 32, 4, 128, true)
		h.v("ffn_norm.weight", 2048)
		h.experts(2048, 768, 128)
	}
	return h.ends(2048, 151936, false)
}

func jamba() *gguf.File {
	kv := make([]int, 32)
	for i := 4; i < 32; i += 8 {
		kv[i] = 8
	}
	h := newHeader("jamba", map[string]any{"block_count": 32, "context_length": 262144, "embedding_length": 4096, "feed_forward_length": 14336,
		"attention.head_count": 32, "attention.head_count_kv": kv, "attention.layer_norm_rms_epsilon": 1e-6, "ssm.conv_kernel": 4, "ssm.inner_size": 8192,
		"ssm.state_size": 16, "ssm.time_step_rank": 256, "expert_count": 16, "expert_used_count": 2})
	for i := range 32 {
		h.layer(i).v("attn_norm.weight", 4096)
		if i%8 == 4 {
			h.attention(4096, 32, 8, 128, false)
		} else {
			h.mamba1(4096, 8192, 16, 256, true)
		}
		h.v("ffn_norm.weight", 4096)
		if i%2 == 1 {
			h.experts(4096, 14336, 16)
		} else {
			h.swiglu(4096, 14336)
		}
	}
	return h.ends(4096, 65536, false)
}

func falconH1() *gguf.File {
	h := newHeader("falcon-h1", map[string]any{"block_count": 36, "context_length": 16384, "embedding_length": 1024, "feed_forward_length": 2048,
		"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 64, "attention.value_length": 64,
		"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 1e11, "ssm.conv_kernel": 4, "ssm.inner_size": 1536, "ssm.state_size": 128,
		"ssm.group_count": 1, "ssm.time_step_rank": 24})
	for i := range 36 {
		h.layer(i).v("attn_norm.weight", 1024)
		h.attention(1024, 8, 2, 64, false)
		h.mamba2(1024, 24, 64, 128, 1, false)
		h.v("ffn_norm.weight", 1024)
		h.swiglu(1024, 2048)
	}
	return h.ends(1024, 32784, false)
}

func graniteHybrid() *gguf.File {
	kv := make([]int, 40)
	for i := 5; i < 40; i += 10 {
		kv[i] = 4
	}
	h := newHeader("granitehybrid", map[string]any{"block_count": 40, "context_length": 131072, "embedding_length": 1536, "feed_forward_length": 512,
		"attention.head_count": 12, "attention.head_count_kv": kv, "attention.layer_norm_rms_epsilon": 1e-5, "ssm.conv_kernel": 4, "ssm.inner_size": 3072,
		"ssm.state_size": 128, "ssm.group_count": 1, "ssm.time_step_rank": 48, "expert_count": 64, "expert_used_count": 6, "expert_shared_feed_forward_length": 1024})
	for i := range 40 {
		h.layer(i).v("attn_norm.weight", 1536)
		if i%10 == 5 {
			h.attention(1536, 12, 4, 128, false)
		} else {
			h.mamba2(1536, 48, 64, 128, 1, true)
		}
		h.v("ffn_norm.weight", 1536)
		h.experts(1536, 512, 64)
		h.m(q4k, "ffn_gate_shexp.weight", 1536, 1024)
		h.m(q4k, "ffn_up_shexp.weight", 1536, 1024)
		h.m(q6k, "ffn_down_shexp.weight", 1024, 1536)
	}
	return h.ends(1536, 100352, true)
}

func phi4Mini() *gguf.File {
	h := newHeader("phi3", map[string]any{"block_count": 32, "context_length": 131072, "embedding_length": 3072, "feed_forward_length": 8192,
		"attention.head_count": 24, "attention.head_count_kv": 8, "attention.layer_norm_rms_epsilon": 1e-5, "rope.dimension_count": 96, "rope.freq_base": 10000.0,
		"attention.sliding_window": 262144})
	for i := range 32 {
		h.layer(i).v("attn_norm.weight", 3072)
		h.m(q4k, "attn_qkv.weight", 3072, 24*128+2*8*128)
		h.m(q4k, "attn_output.weight", 3072, 3072)
		h.v("ffn_norm.weight", 3072)
		h.m(q4k, "ffn_up.weight", 3072, 2*8192)
		h.m(q6k, "ffn_down.weight", 8192, 3072)
	}
	h.at = ""
	h.v("rope_factors_long.weight", 48)
	h.v("rope_factors_short.weight", 48)
	return h.ends(3072, 200064, true)
}

func gptOss() *gguf.File {
	h := newHeader("gpt-oss", map[string]any{"block_count": 24, "context_length": 131072, "embedding_length": 2880, "feed_forward_length": 2880,
		"attention.head_count": 64, "attention.head_count_kv": 8, "attention.key_length": 64, "attention.value_length": 64,
		"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 150000.0, "attention.sliding_window": 128, "expert_count": 32, "expert_used_count": 4})
	for i := range 24 {
		h.layer(i).v("attn_norm.weight", 2880)
		h.m(q80, "attn_q.weight", 2880, 4096)
		h.m(q80, "attn_k.weight", 2880, 512)
		h.m(q80, "attn_v.weight", 2880, 512)
		h.m(q80, "attn_output.weight", 4096, 2880)
		h.v("attn_q.bias", 4096)
		h.v("attn_k.bias", 512)
		h.v("attn_v.bias", 512)
		h.v("attn_output.bias", 2880)
		h.v("attn_sinks.weight", 64)
		h.v("post_attention_norm.weight", 2880)
		h.m(f32, "ffn_gate_inp.weight", 2880, 32)
		h.v("ffn_gate_inp.bias", 32)
		for _, n := range []string{"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"} {
			h.m(39, n+".weight", 2880, 2880, 32)
			h.m(f32, n+".bias", 2880, 32)
		}
	}
	return h.ends(2880, 201088, false)
}

func qwen3Next() *gguf.File {
	h := newHeader("qwen3next", map[string]any{"block_count": 48, "context_length": 262144, "embedding_length": 2048, "feed_forward_length": 5120,
		"attention.head_count": 16, "attention.head_count_kv": 2, "attention.key_length": 256, "attention.value_length": 256,
		"attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 1e7, "rope.dimension_count": 64, "expert_count": 512, "expert_used_count": 10,
		"expert_feed_forward_length": 512, "expert_shared_feed_forward_length": 512,
		"ssm.conv_kernel": 4, "ssm.state_size": 128, "ssm.group_count": 16, "ssm.time_step_rank": 32, "ssm.inner_size": 4096})
	for i := range 48 {
		h.layer(i).v("attn_norm.weight", 2048)
		if i%4 == 3 {
			h.m(q4k, "attn_q.weight", 2048, 2*16*256)
			h.m(q4k, "attn_k.weight", 2048, 2*256)
			h.m(q6k, "attn_v.weight", 2048, 2*256)
			h.m(q4k, "attn_output.weight", 16*256, 2048)
			h.v("attn_q_norm.weight", 256)
			h.v("attn_k_norm.weight", 256)
		} else {
			h.m(q4k, "attn_qkv.weight", 2048, 2*16*128+32*128)
			h.m(q4k, "attn_gate.weight", 2048, 32*128)
			h.m(q4k, "ssm_ba.weight", 2048, 64)
			h.m(f32, "ssm_conv1d.weight", 4, 2*16*128+32*128)
			h.v("ssm_dt.bias", 32)
			h.v("ssm_a", 32)
			h.v("ssm_norm.weight", 128)
			h.m(q4k, "ssm_out.weight", 4096, 2048)
		}
		h.v("post_attention_norm.weight", 2048)
		h.experts(2048, 512, 512)
		h.m(q4k, "ffn_gate_shexp.weight", 2048, 512)
		h.m(q4k, "ffn_up_shexp.weight", 2048, 512)
		h.m(q6k, "ffn_down_shexp.weight", 512, 2048)
		h.v("ffn_gate_inp_shexp.weight", 2048)
	}
	return h.ends(2048, 151936, false)
}

func nemotronH() *gguf.File {
	h := newHeader("nemotron_h", map[string]any{"block_count": 118, "context_length": 8192, "embedding_length": 8192, "feed_forward_length": 32768,
		"attention.head_count": 64, "attention.head_count_kv": 8, "attention.key_length": 128, "attention.value_length": 128,
		"attention.layer_norm_rms_epsilon": 1e-5, "ssm.conv_kernel": 4, "ssm.inner_size": 16384, "ssm.state_size": 256, "ssm.group_count": 8, "ssm.time_step_rank": 256})
	pattern := nemotronPattern()
	for i, c := range pattern {
		h.layer(i).v("attn_norm.weight", 8192)
		switch c {
		case '*':
			h.attention(8192, 64, 8, 128, false)
		case 'M':
			h.mamba2(8192, 256, 64, 256, 8, true)
		case '-':
			h.m(q4k, "ffn_up.weight", 8192, 32768)
			h.m(q6k, "ffn_down.weight", 32768, 8192)
		}
	}
	return h.ends(8192, 131072, false)
}

func nemotronPattern() string {
	data, err := os.ReadFile("../hf/testdata/configs/Nemotron-H-56B-Base-8K.json")
	if err != nil {
		panic(err)
	}
	fields, err := hf.ParseJSON(data)
	if err != nil {
		panic(err)
	}
	return fields["hybrid_override_pattern"].(string)
}

var samples = []struct {
	config string
	file   func() *gguf.File
}{
	{"Meta-Llama-3.1-8B", llama8B}, {"Qwen3-30B-A3B", qwen3MoE}, {"Jamba-v0.1", jamba}, {"Falcon-H1-0.5B-Base", falconH1},
	{"granite-4.0-h-tiny", graniteHybrid}, {"Phi-4-mini-instruct", phi4Mini}, {"gpt-oss-20b", gptOss}, {"Qwen3-Next-80B-A3B-Instruct", qwen3Next},
	{"Nemotron-H-56B-Base-8K", nemotronH},
}

// The model of a GGUF file is the one that the configuration of its checkpoint gives, and
// its weights take the bytes of the file's tensors.
func TestSameModelAsItsConfiguration(t *testing.T) {
	for _, s := range samples {
		data, err := os.ReadFile(filepath.Join("../hf/testdata/configs", s.config+".json"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := hf.Import(s.config, data)
		if err != nil {
			t.Fatal(err)
		}
		f := s.file()
		read, err := gguf.Read(bytes.NewReader(f.Encode()))
		if err != nil {
			t.Fatalf("%s: %v", s.config, err)
		}
		m, err := Import(s.config, read)
		if err != nil {
			t.Errorf("%s: %v", s.config, err)
			continue
		}
		if d := cmp.Diff(want.Params(), m.Params()); d != "" {
			t.Errorf("%s: parameters (-configuration +gguf)\n%s", s.config, d)
		}
		if a, b := want.Summary(), m.Summary(); a != b {
			t.Errorf("%s: layers %s, the configuration has %s", s.config, b, a)
		}
		if m.MaxContext != want.MaxContext && want.MaxContext > 0 {
			t.Errorf("%s: context %d, the configuration has %d", s.config, m.MaxContext, want.MaxContext)
		}
		for i := range m.Layers {
			if a, b := storage(want.Layers[i]), storage(m.Layers[i]); a != b {
				t.Errorf("%s: layer %d keeps %+v of a sequence, the configuration %+v", s.config, i, b, a)
				break
			}
		}
		var bytes, shares int64
		for i := range f.Tensors {
			if !strings.HasPrefix(f.Tensors[i].Name, "rope_") {
				bytes += f.Tensors[i].Bytes()
			}
		}
		for _, x := range m.StoredShares() {
			shares += x.Bytes
		}
		if bytes != shares {
			t.Errorf("%s: the tensors take %d bytes, the model's weights %d", s.config, bytes, shares)
		}
	}
}

func storage(l arch.Layer) arch.Storage {
	if l.Mixer == nil {
		return arch.Storage{}
	}
	return l.Mixer.Stores()
}

// What does not add up is refused in a line that names the tensor or the key.
func TestRefusals(t *testing.T) {
	drop := func(f *gguf.File, name string) {
		for i := range f.Tensors {
			if f.Tensors[i].Name == name {
				f.Tensors = append(f.Tensors[:i], f.Tensors[i+1:]...)
				return
			}
		}
	}
	for _, c := range []struct {
		name string
		edit func(*gguf.File)
		want string
	}{
		{"no architecture", func(f *gguf.File) { delete(f.Metadata, "general.architecture") }, "key general.architecture is missing"},
		{"another architecture", func(f *gguf.File) { f.Metadata["general.architecture"] = "lama" }, `architecture "lama" is none of the`},
		{"no width", func(f *gguf.File) { delete(f.Metadata, "llama.embedding_length") }, "llama: key llama.embedding_length is missing"},
		{"a width of text", func(f *gguf.File) { f.Metadata["llama.embedding_length"] = "x\ny" }, `llama: llama.embedding_length must be an integer from 0, is "x\ny"`},
		{"another width", func(f *gguf.File) { f.Metadata["llama.embedding_length"] = uint64(2048) }, "llama: tensor token_embd.weight is [4096 128256], not [2048, vocabulary]"},
		{"no embedding", func(f *gguf.File) { drop(f, "token_embd.weight") }, "llama: tensor token_embd.weight is missing"},
		{"another number of heads", func(f *gguf.File) { f.Metadata["llama.attention.head_count"] = uint64(16) }, "llama: layer 0: qkv has"},
		{"a tensor missing", func(f *gguf.File) { drop(f, "blk.3.attn_k.weight") }, "llama: layer 3: qkv has"},
		{"a norm missing", func(f *gguf.File) { drop(f, "blk.3.ffn_norm.weight"); drop(f, "blk.3.attn_norm.weight") }, "llama: layer 3 has the norms [], which is no order"},
		{"a tensor left over", func(f *gguf.File) {
			f.Tensors = append(f.Tensors, gguf.Tensor{Name: "blk.3.strange.weight", Shape: []int64{4}})
		}, "llama: tensor blk.3.strange.weight is not modelled"},
		{"fewer layers", func(f *gguf.File) { f.Metadata["llama.block_count"] = uint64(40) }, "llama: "},
		{"no epsilon", func(f *gguf.File) { delete(f.Metadata, "llama.attention.layer_norm_rms_epsilon") }, "llama: neither llama.attention.layer_norm_rms_epsilon nor"},
	} {
		f := llama8B()
		c.edit(f)
		_, err := Import("x", f)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// Any header gives a model that checks or an error of one line.
func FuzzImport(f *testing.F) {
	small := newHeader("jamba", map[string]any{"block_count": 2, "embedding_length": 64, "attention.head_count": 4, "attention.head_count_kv": []int{0, 2},
		"attention.layer_norm_rms_epsilon": 1e-6, "ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.time_step_rank": 8, "expert_count": 4, "expert_used_count": 2})
	small.layer(0).v("attn_norm.weight", 64)
	small.mamba1(64, 128, 16, 8, true)
	small.v("ffn_norm.weight", 64)
	small.swiglu(64, 128)
	small.layer(1).v("attn_norm.weight", 64)
	small.attention(64, 4, 2, 16, false)
	small.v("ffn_norm.weight", 64)
	small.experts(64, 32, 4)
	f.Add(small.ends(64, 100, true).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := gguf.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		m, err := Import("x", h)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("error of more than a line: %q", err)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
	})
}
