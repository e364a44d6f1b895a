package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/explore"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/gguf"
)

// Layers can be changed, repeated and removed; a design that is edited opens again, and one
// that would not is refused with the reason.
func TestExplorerEdits(t *testing.T) {
	e := newExplorer(t)
	layers := func(design string) []explore.Layer {
		return e.view(url.Values{"m": {design}}).Designs[0].Layers
	}
	edit := func(x explore.Edit) string {
		t.Helper()
		code, r := e.post("api/edit", x)
		if code != 200 {
			t.Fatalf("%+v: %s", x, r["error"])
		}
		return r["design"]
	}
	flash := layers("phi4-mini-flash")
	if len(flash) != 32 || flash[17].CacheOf != nil || !flash[17].Caches || flash[19].CacheOf == nil || flash[18].MemoryOf == nil || !flash[0].State {
		t.Fatalf("layers of phi4-mini-flash: %+v", flash[16:20])
	}
	if *flash[19].CacheOf == *flash[18].MemoryOf {
		t.Error("a cache and a memory of one layer")
	}
	d := edit(explore.Edit{Design: "phi4-mini-flash", Op: "mixer", Layer: 19, Value: "gmu"})
	if x := layers(d)[19]; x.Name != "gmu" || x.MemoryOf == nil {
		t.Errorf("layer 20 became %+v", x)
	}
	d = edit(explore.Edit{Design: d, Op: "repeat", Layer: 1})
	if x := layers(d); len(x) != 33 || x[2].Name != "swa" || *x[21].MemoryOf != 17 {
		t.Errorf("after repeating layer 2 there are %d layers", len(x))
	}
	d = edit(explore.Edit{Design: d, Op: "remove", Layer: 0})
	if x := layers(d); len(x) != 32 || x[0].Name != "swa" {
		t.Errorf("after removing layer 1 there are %d", len(x))
	}
	d = edit(explore.Edit{Design: d, Op: "layout", Value: "(mamba1 swa)*4 mamba1@memory full@cache (gmu cross)*3"})
	if x := layers(d); len(x) != 16 {
		t.Errorf("the new layout has %d layers", len(x))
	}
	if d := edit(explore.Edit{Design: "sambay(d=16)", Op: "knob", Key: "gmu_ratio", Value: "1"}); d != "sambay(d=16,gmu_ratio=1)" {
		t.Errorf("the knob made %s", d)
	}
	for _, x := range []explore.Edit{
		{Design: "phi4-mini-flash", Op: "mixer", Layer: 17, Value: "mamba1"}, // others read its cache
		{Design: "phi4-mini-flash", Op: "mixer", Layer: 99, Value: "swa"}, {Design: "phi4-mini-flash", Op: "mixer", Layer: 0, Value: "nosuch"},
		{Design: "phi4-mini-flash", Op: "layout", Value: "((("}, {Design: "phi4-mini-flash", Op: "nosuch"}, {Design: "phi4-mini", Op: "knob", Key: "d", Value: "8"},
		{Design: "sambay(d=16)", Op: "knob", Key: "width", Value: "-3"}, {Design: "sambay(d=16)", Op: "text", Value: "nonsense"}, {Design: "/etc/passwd", Op: "remove"},
	} {
		if code, r := e.post("api/edit", x); code != http.StatusUnprocessableEntity || r["error"] == "" {
			t.Errorf("%+v: %d %v", x, code, r)
		}
	}
}

// A dropped config.json or YAML file becomes a design; what is downloaded opens again and is
// what the command names.
func TestExplorerFiles(t *testing.T) {
	e := newExplorer(t)
	config := `{"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":512,"intermediate_size":1024,"num_hidden_layers":4,"num_attention_heads":8,"num_key_value_heads":4,"vocab_size":1000,"max_position_embeddings":4096,"tie_word_embeddings":true,"hidden_act":"silu"}`
	code, r := e.drop("config.json", []byte(config))
	if code != 200 {
		t.Fatal(r["error"])
	}
	q := url.Values{"m": {r["design"], "phi4-mini"}, "batch": {"4"}}
	v := e.view(q)
	if len(v.Designs) != 2 || len(v.Designs[0].Layers) != 4 {
		t.Fatalf("%+v", v.Designs)
	}
	_, text := e.get("api/download/yaml?design=0&" + q.Encode())
	m, err := modelfile.Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile(v.Designs[0].File, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), append(shellWords(v.Command)[1:], "--format", "json"), &out, &errs); code != 0 || !strings.Contains(out.String(), m.Name) {
		t.Fatalf("%s: %s", v.Command, errs.String())
	}
	got, err := json.Marshal(v.Compare)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(decoded(t, out.Bytes()), decoded(t, got)); d != "" {
		t.Errorf("the page differs from the command on its files:\n%s", d)
	}
	if code, csv := e.get("api/download/csv?" + q.Encode()); code != 200 || !strings.HasPrefix(csv, "figure,panel,series,") || strings.Count(csv, "\n") < 100 {
		t.Errorf("the rows are %d %.80s", code, csv)
	}
	if code, html := e.get("api/download/report?" + q.Encode()); code != 200 || !strings.HasPrefix(html, "<!doctype html>") {
		t.Errorf("the report is %d %.80s", code, html)
	}
	for name, text := range map[string]string{"model.gguf": "GGUF", "x.json": "{", "x.yaml": "a: [", "": "", "config.json": `{"model_type":"nosuch"}`, "x.bin": "x"} {
		if code, r := e.drop(name, []byte(text)); code != http.StatusUnprocessableEntity || r["error"] == "" || strings.Contains(r["error"], "\n") {
			t.Errorf("%s: %d %v", name, code, r)
		}
	}
}

// The header of a GGUF file is a design, whose weights take the bytes of the file's tensors.
func TestExplorerGGUF(t *testing.T) {
	e := newExplorer(t)
	const q80 = 8
	f := gguf.File{Version: 3, Metadata: map[string]any{"general.architecture": "llama", "llama.block_count": uint64(2), "llama.embedding_length": uint64(256),
		"llama.feed_forward_length": uint64(512), "llama.attention.head_count": uint64(4), "llama.attention.head_count_kv": uint64(2), "llama.context_length": uint64(2048), "llama.attention.layer_norm_rms_epsilon": 1e-5}}
	add := func(t formats.GGUF, name string, shape ...int64) {
		f.Tensors = append(f.Tensors, gguf.Tensor{Name: name, Type: t, Shape: shape})
	}
	add(q80, "token_embd.weight", 256, 1024)
	add(0, "output_norm.weight", 256)
	add(q80, "output.weight", 256, 1024)
	for i := range 2 {
		at := fmt.Sprintf("blk.%d.", i)
		add(0, at+"attn_norm.weight", 256)
		add(0, at+"ffn_norm.weight", 256)
		add(q80, at+"attn_q.weight", 256, 256)
		add(q80, at+"attn_k.weight", 256, 128)
		add(q80, at+"attn_v.weight", 256, 128)
		add(q80, at+"attn_output.weight", 256, 256)
		add(q80, at+"ffn_gate.weight", 256, 512)
		add(q80, at+"ffn_up.weight", 256, 512)
		add(q80, at+"ffn_down.weight", 512, 256)
	}
	code, r := e.drop("tiny.gguf", f.Encode())
	if code != 200 {
		t.Fatal(r["error"])
	}
	v := e.view(url.Values{"m": {r["design"]}})
	var bytes int64
	for i := range f.Tensors {
		bytes += f.Tensors[i].Bytes()
	}
	if got := v.Compare.Rows[0].Memory.WeightsBytes; got < 0.97*float64(bytes) || got > 1.03*float64(bytes) {
		t.Errorf("the weights take %v bytes, the file's tensors %d", got, bytes)
	}
}

// The command prints the address, answers there and ends when it is stopped.
func TestExploreCommand(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"explore", "phi4-mini", "sambay(d=16)", "--on", "h200", "--batch", "16", "--no-open"}, w, io.Discard)
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(line)
	resp, err := http.Get(address + "api/choices")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var c explore.Choices
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil {
		t.Fatal(err)
	}
	if want := "batch=16&m=phi4-mini&m=sambay%28d%3D16%29&on=h200"; c.Start != want || len(c.Devices) < 10 || len(c.Presets) < 5 || len(c.Controls) < 10 {
		t.Errorf("starts with %s (%d devices, %d presets, %d controls)", c.Start, len(c.Devices), len(c.Presets), len(c.Controls))
	}
	stop()
	select {
	case <-code:
	case <-time.After(10 * time.Second):
		t.Error("the page does not end")
	}
}
