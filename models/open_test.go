package models

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const hybridFile = `# a hybrid
name: my-hybrid
width: 2560
vocab: 200064
tied: true
norm: layernorm
max_context: 64Ki
layout: (mamba swa)*8 mamba@memory full@cache (gmu cross)*7
mixers:
  mamba: {kind: mamba1, d_state: 16, expand: 2, d_conv: 4, conv_bias: true}
  swa:   {kind: attention, heads: 40, kv_heads: 20, head_dim: 64, window: 512, differential: true}
  full:  {kind: attention, heads: 40, kv_heads: 20, head_dim: 64}
  cross: {kind: cross, of: cache}     # inherits heads etc. from the owner
  gmu:   {kind: gmu, memory: memory}  # d_mem follows the memory layer
ffn: {kind: swiglu, inner: 10240}
`

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unnamed := strings.Replace(hybridFile, "name: my-hybrid\n", "", 1)
	config, err := presetFiles.ReadFile("presets/phi4-mini.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, name string }{
		{"sambay-1b", "sambay-1b"},
		{"SambaY-1B", "sambay-1b"},
		{"phi4-mini", "phi4-mini"},
		{"sambay(d=16)", "sambay(d=16)"},
		{write("named.yaml", hybridFile), "my-hybrid"},
		{write("plain.yml", unnamed), "plain"},
		{write("some-model/config.json", string(config)), "some-model"},
		{filepath.Join(dir, "some-model"), "some-model"},
		{write("phi.json", string(config)), "phi"},
	} {
		m, err := Open(tt.what)
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		if m.Name != tt.name {
			t.Errorf("%s: named %q, want %q", tt.what, m.Name, tt.name)
		}
	}
	for _, tt := range []struct{ what, want string }{
		{"", `unknown model ""`},
		{"phi4-min", "did you mean phi4-mini"},
		{"sambya", ", sambay(d=16)"},
		{"llama", "did you mean llama-3.1-"},
		{"gpt5", `unknown model "gpt5" (`},
		{"sambay", "depth is missing: write sambay(d=16)"},
		{"foo(d=16)", `unknown family "foo"`},
		{"no/such.yaml", "no/such.yaml: no such file"},
		{"no/such", `unknown model "no/such"`},
		{dir, filepath.Join(dir, "config.json") + ": no such file"},
		{write("model.txt", "x"), "neither a .yaml model file, a .json config nor a .gguf file"},
		{write("big.yaml", strings.Repeat("#", maxModelFile+1)), "larger than 16 MiB"},
		{write("bad.json", "{"), "bad.json: "},
	} {
		_, err := Open(tt.what)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %s", tt.what, err, tt.want)
		}
	}
}

func TestPresets(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Presets() {
		if seen[p.Name] || p.Doc == "" || strings.ToLower(p.Name) != p.Name {
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
		m, err := Preset(p.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if m.Name != p.Name {
			t.Errorf("%s is named %q", p.Name, m.Name)
		}
		var file bytes.Buffer
		if err := modelfile.Write(&file, m); err != nil {
			t.Fatal(err)
		}
		back, err := modelfile.Parse("other.yaml", file.Bytes())
		if err != nil {
			t.Fatalf("%v in\n%s", err, &file)
		}
		// Model files say what a decoder costs, not the numbers that cost nothing.
		free := cmpopts.IgnoreTypes(arch.Numerics{}, arch.AttentionNumerics{}, arch.Mamba2Numerics{}, arch.Routing{})
		if d := cmp.Diff(m, back, cmpopts.EquateEmpty(), free); d != "" {
			t.Errorf("%s\n%s", d, &file)
		}
	}
}

// The released model, laid out as the paper's appendix says; its plain relatives; the
// form of Table 7.
func TestPhi4Presets(t *testing.T) {
	for _, tt := range []struct{ name, layout string }{
		{"phi4-mini", "full*32"},
		{"phi4-mini-flash", "(mamba1 swa)*8 mamba1 full (gmu cross)*7"},
		{"sambay-3.8b", "(mamba1 swa)*8 mamba1 full (gmu cross)*7"},
		{"samba-yoco-3.8b", "(mamba1 swa)*8 mamba1 full cross*14"},
	} {
		m, err := Preset(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Summary(); got != tt.layout {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.layout)
		}
		for i, l := range m.Layers {
			if a, ok := l.Mixer.(arch.Attention); ok && a.Differential != (tt.name == "phi4-mini-flash") {
				t.Errorf("%s layer %d: differential %v", tt.name, i, a.Differential)
			}
		}
	}
	m, err := Preset("phi4-mini")
	if err != nil {
		t.Fatal(err)
	}
	if m.CountingForm != 3221225472 {
		t.Errorf("counting form %d", m.CountingForm)
	}
	if got := m.Params().Total; got != 3_836_021_760 {
		t.Errorf("phi4-mini has %d parameters", got)
	}
	flash, err := Preset("phi4-mini-flash")
	if err != nil {
		t.Fatal(err)
	}
	if got := flash.Params().Total; got != 3_852_562_944 {
		t.Errorf("phi4-mini-flash has %d parameters", got)
	}
	// The released layout is the one the rule gives at ½.
	same, err := family.WithGMURatio(flash, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(flash, same); d != "" {
		t.Error(d)
	}
}

// The counting forms leave out small tensors and miscount a layer or two of each kind:
// at 1B they stay within 4 % of the exact count.
func TestCountingFormIsNearExact(t *testing.T) {
	for _, f := range family.Families() {
		m, err := family.Build(f.Name, family.Options{Depth: 16})
		if err != nil {
			t.Fatal(err)
		}
		form, ok := family.CountingForm(f.Name, 16, m.Width)
		if !ok {
			continue
		}
		if exact := float64(m.Params().NonEmbedding); math.Abs(form/exact-1) > 0.04 {
			t.Errorf("%s: form %.1f M, exact %.1f M", f.Name, form/1e6, exact/1e6)
		}
		if m.CountingForm != int64(form) {
			t.Errorf("%s: the model says %d, the form %v", f.Name, m.CountingForm, form)
		}
	}
}
