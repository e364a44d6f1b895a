package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() *File {
	return &File{
		Version: 3,
		Metadata: map[string]any{
			"general.architecture":            "llama",
			"llama.block_count":               uint64(2),
			"llama.rope.freq_base":            500000.0,
			"llama.attention.head_count_kv":   Array{Len: 2, Values: []any{uint64(4), uint64(8)}},
			"tokenizer.ggml.tokens":           Array{Len: 3, Values: []any{"a", "b", "c"}},
			"tokenizer.ggml.add_bos_token":    true,
			"tokenizer.ggml.padding_token_id": int64(-1),
		},
		Tensors: []Tensor{
			{Name: "token_embd.weight", Type: 12, Shape: []int64{512, 1000}},
			{Name: "blk.0.attn_norm.weight", Type: 0, Shape: []int64{512}, Offset: 288000},
			{Name: "blk.0.ffn_up_exps.weight", Type: 14, Shape: []int64{512, 64, 8}, Offset: 290048},
		},
	}
}

func TestReadsWhatItEncodes(t *testing.T) {
	for _, big := range []bool{false, true} {
		for _, version := range []int{2, 3} {
			f := sample()
			f.Version, f.BigEndian = version, big
			got, err := Read(bytes.NewReader(f.Encode()))
			if err != nil {
				t.Fatalf("version %d, big endian %v: %v", version, big, err)
			}
			if d := cmp.Diff(f, got); d != "" {
				t.Errorf("version %d, big endian %v: (-want +got)\n%s", version, big, d)
			}
		}
	}
}

// A header written byte by byte, as the specification has it.
func TestByHand(t *testing.T) {
	var b bytes.Buffer
	le := binary.LittleEndian
	u32 := func(v uint32) { b.Write(le.AppendUint32(nil, v)) }
	u64 := func(v uint64) { b.Write(le.AppendUint64(nil, v)) }
	text := func(s string) { u64(uint64(len(s))); b.WriteString(s) }
	b.WriteString("GGUF")
	u32(3)
	u64(1) // tensors
	u64(5) // metadata
	text("general.architecture")
	u32(8)
	text("qwen3")
	text("qwen3.block_count")
	u32(4) // uint32
	u32(36)
	text("qwen3.attention.layer_norm_rms_epsilon")
	u32(6) // float32
	u32(0x358637bd)
	text("a.small")
	u32(1) // int8
	b.WriteByte(0xfe)
	text("tokenizer.ggml.token_type")
	u32(9) // array of int32
	u32(5)
	u64(2)
	u32(1)
	u32(3)
	text("output.weight")
	u32(2)
	u64(4096)
	u64(151936)
	u32(14) // Q6_K
	u64(0)
	f, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata["general.architecture"] != "qwen3" || f.Metadata["qwen3.block_count"] != uint64(36) || f.Metadata["a.small"] != int64(-2) {
		t.Errorf("metadata %v", f.Metadata)
	}
	if e := f.Metadata["qwen3.attention.layer_norm_rms_epsilon"].(float64); e < 0.99e-6 || e > 1.01e-6 {
		t.Errorf("epsilon %g", e)
	}
	if d := cmp.Diff(Array{Len: 2, Values: []any{int64(1), int64(3)}}, f.Metadata["tokenizer.ggml.token_type"]); d != "" {
		t.Error(d)
	}
	if got, want := f.Tensors[0].Bytes(), int64(151936*16*210); got != want {
		t.Errorf("output.weight takes %d bytes, want %d", got, want)
	}
}

// A long vocabulary is counted, not kept.
func TestLongArrays(t *testing.T) {
	f := sample()
	var words []any
	for i := range keepValues + 1 {
		words = append(words, fmt.Sprint("word", i))
	}
	f.Metadata["tokenizer.ggml.tokens"] = Array{Values: words}
	got, err := Read(bytes.NewReader(f.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if a := got.Metadata["tokenizer.ggml.tokens"].(Array); a.Len != len(words) || a.Values != nil {
		t.Errorf("an array of %d, %d kept", a.Len, len(a.Values))
	}
}

func TestRefusals(t *testing.T) {
	change := func(edit func(*File)) []byte {
		f := sample()
		edit(f)
		return f.Encode()
	}
	good := sample().Encode()
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":            {nil, "byte 0: the file ends within its header"},
		"another format":   {[]byte("PK\x03\x04 more"), `not a GGUF file: it starts with "PK\x03\x04"`},
		"version 1":        {change(func(f *File) { f.Version = 1 }), "byte 8: version 1 is not one of 2 and 3"},
		"cut short":        {good[:len(good)-3], "the file ends within its header"},
		"cut in a text":    {good[:40], "the file ends within its header"},
		"many tensors":     {append([]byte("GGUF\x03\x00\x00\x00"), bytes.Repeat([]byte{255}, 16)...), "byte 16: the number of tensors 18446744073709551615 is more than"},
		"five dimensions":  {change(func(f *File) { f.Tensors[0].Shape = []int64{1, 1, 1, 1, 1} }), `tensor "token_embd.weight" has 5 dimensions`},
		"an empty tensor":  {change(func(f *File) { f.Tensors[0].Shape = []int64{512, 0} }), `tensor "token_embd.weight" has a dimension of 0`},
		"a huge tensor":    {change(func(f *File) { f.Tensors[0].Shape = []int64{1 << 40, 1 << 40} }), `tensor "token_embd.weight" has a dimension of`},
		"an unknown type":  {change(func(f *File) { f.Tensors[0].Type = 99 }), `tensor "token_embd.weight" is of type 99, whose layout is not known`},
		"a ragged row":     {change(func(f *File) { f.Tensors[0].Shape = []int64{500, 1000} }), `tensor "token_embd.weight" has rows of 500, no whole blocks of q4_k`},
		"a tensor twice":   {change(func(f *File) { f.Tensors[1].Name = f.Tensors[0].Name }), `tensor "token_embd.weight" appears twice`},
		"unprintable name": {change(func(f *File) { f.Tensors[0].Name = "a\nb"; f.Tensors[0].Type = 99 }), `tensor "a\nb" is of type 99`},
	} {
		_, err := Read(bytes.NewReader(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A split file is read from any of its shards.
func TestShards(t *testing.T) {
	dir := t.TempDir()
	all := sample()
	for i := range 2 {
		f := &File{Version: 3, Metadata: map[string]any{"split.no": uint64(i), "split.count": uint64(2), "split.tensors.count": int64(3)}}
		if i == 0 {
			f.Metadata["general.architecture"] = "llama"
			f.Tensors = all.Tensors[:1]
		} else {
			f.Tensors = all.Tensors[1:]
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("m-%05d-of-00002.gguf", i+1)), f.Encode(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := filepath.Join(dir, "m-00002-of-00002.gguf")
	f, err := Open(second)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Tensors) != 3 || f.Metadata["general.architecture"] != "llama" {
		t.Errorf("%d tensors, metadata %v", len(f.Tensors), f.Metadata)
	}
	if err := os.Remove(filepath.Join(dir, "m-00001-of-00002.gguf")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(second); err == nil || !strings.Contains(err.Error(), "m-00001-of-00002.gguf: no such file") {
		t.Errorf("a missing shard: %v", err)
	}
	lone := filepath.Join(dir, "lone.gguf")
	if err := os.Rename(second, lone); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(lone); err == nil || !strings.Contains(err.Error(), "one of 2 shards, but not named") {
		t.Errorf("a renamed shard: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample().Encode())
	big := sample()
	big.BigEndian, big.Version = true, 2
	f.Add(big.Encode())
	f.Add(sample().Encode()[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Read(bytes.NewReader(data))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("error of more than a line: %q", err)
			}
			return
		}
		for i := range h.Tensors {
			if h.Tensors[i].Bytes() <= 0 {
				t.Fatalf("%+v takes no bytes", h.Tensors[i])
			}
		}
		again, err := Read(bytes.NewReader(h.Encode()))
		if err != nil {
			t.Fatalf("a header that was read is not read again: %v", err)
		}
		if len(again.Tensors) != len(h.Tensors) || len(again.Metadata) != len(h.Metadata) {
			t.Fatal("a header changes when it is written")
		}
	})
}
