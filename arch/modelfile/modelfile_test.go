package modelfile

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/internal/plain"
)

const hybridYAML = `# a hybrid
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

func TestParseYAML(t *testing.T) {
	m, err := Parse("dir/file.yaml", []byte(hybridYAML))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "my-hybrid" || m.MaxContext != 65536 || m.Norm != arch.LayerNorm || !m.Tied || len(m.Layers) != 32 {
		t.Errorf("%+v", m)
	}
	if got, want := m.Summary(), "(mamba1 swa)*8 mamba1 full (gmu cross)*7"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if d := cmp.Diff(arch.Mamba1{DInner: 5120, DState: 16, DConv: 4, DtRank: 160, ConvBias: true}, m.Layers[0].Mixer); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(arch.GMU{Memory: arch.To(16), From: arch.ScanMemory, DMem: 5120}, m.Layers[18].Mixer); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(arch.Attention{Heads: 40, KVHeads: 20, HeadDim: 64, KVSource: arch.To(17)}, m.Layers[19].Mixer); d != "" {
		t.Error(d)
	}
}

func TestYAMLSigmoidChain(t *testing.T) {
	m, err := Parse("m.yaml", []byte(`
width: 64
vocab: 100
layout: full@mix sg full sg sg other
mixers:
  full: {kind: attention, heads: 2, head_dim: 32}
  sg: {kind: sigmoid_gmu, memory: mix}
  other: {kind: sigmoid_gmu, memory: mix, chain: false}
ffn: none
`))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "m" {
		t.Errorf("named %q", m.Name)
	}
	var got []arch.Ref
	for _, l := range m.Layers {
		if g, ok := l.Mixer.(arch.GMU); ok {
			got = append(got, g.Memory)
		}
	}
	if d := cmp.Diff([]arch.Ref{arch.To(0), arch.To(1), arch.To(3), arch.To(0)}, got); d != "" {
		t.Error(d)
	}
}

func TestYAMLErrors(t *testing.T) {
	edit := func(from, to string) string {
		if !strings.Contains(hybridYAML, from) {
			t.Fatalf("%q is not in the file", from)
		}
		return strings.Replace(hybridYAML, from, to, 1)
	}
	for _, tt := range []struct{ text, want string }{
		{"", "f.yaml: empty file"},
		{"5", `f.yaml:1: model: expected key: value, found "5"`},
		{"a: [1", "f.yaml:1: "},
		{"width: 4\nvocab: 4\n---\nb: 1", "f.yaml:4: a second document"},
		{edit("width: 2560\n", ""), "model: width is missing"},
		{edit("width: 2560", "width: -1"), "f.yaml:3: model: width: -1 is negative"},
		{edit("width: 2560", "width: 0"), "f.yaml:3: model: width must be positive, is 0"},
		{edit("tied: true", "tie: true"), `f.yaml:5: model: unknown field "tie" (know name, family, width`},
		{edit("tied: true", "tied: maybe"), `f.yaml:5: model: tied: "maybe" is neither true nor false`},
		{edit("layernorm", "batchnorm"), `f.yaml:6: model: unknown norm "batchnorm"`},
		{edit("layout: ", "layer: "), `model: unknown field "layer"`},
		{edit("window: 512", "window: 0"), "f.yaml:11: mixer swa: window 0 sees nothing"},
		{edit("d_state: 16", "d_state: 0"), "f.yaml:10: mixer mamba: d_state must be positive, is 0"},
		{edit("d_state: 16", "state: 16"), `f.yaml:10: mixer mamba: unknown field "state" (know kind, expand, d_inner, d_state`},
		{edit("kind: mamba1", "kind: mamba3"), `f.yaml:10: mixer mamba: unknown kind "mamba3" (know attention`},
		{edit("heads: 40, kv_heads: 20", "heads: 40, kv_heads: 19"), "f.yaml:11: mixer swa: heads 40 does not divide"},
		{edit(", of: cache", ""), "f.yaml:13: mixer cross: of is missing"},
		{edit("mamba@memory full@cache", "mamba@memory cross full@cache"), "f.yaml:8: layout column 28: cross reads cache, which comes no earlier in the layout"},
		{edit("(mamba swa)*8", "gmu (mamba swa)*8"), "f.yaml:8: layout column 1: gmu reads memory, which comes no earlier"},
		{edit("of: cache", "of: cash"), "f.yaml:8: layout column 44: cross reads cash, but no layer is labelled @cash"},
		{edit("of: cache", "of: memory"), "cross reads the cache of memory, but layer 16 (mamba1) stores none"},
		{edit("memory: memory}", "memory: memory, d_mem: 7}"), "gmu has d_mem 7, but the memory of memory is 5120 wide"},
		{edit("memory: memory}", "memory: memory, from: attention}"), "gmu reads the attention of memory, but layer 16 (mamba1) hands on none"},
		{edit("memory: memory}", "memory: memory, from: dreams}"), `unknown memory "dreams" (know scan, attention, mlp, output)`},
		{edit("(gmu cross)*7", "(gmu kross)*7"), `f.yaml:8: layout column 44: no mixer named "kross" (know mamba, swa, full, cross, gmu)`},
		{edit("inner: 10240", "inner: -3"), "f.yaml:15: ffn: inner: -3 is negative"},
		{edit("kind: swiglu", "kind: conv"), `f.yaml:15: ffn: unknown kind "conv"`},
		{edit("name: my-hybrid", "name: &a my"), "not a plain value"},
		{edit("width: 2560", "width: 2560\nwidth: 3"), "f.yaml:4: "},
		{strings.Repeat("[", 100000), "f.yaml:1: nested more than 64 deep"},
		{strings.Repeat("- ", 100000), "f.yaml:1: nested more than 64 deep"},
		{"width: 4\nvocab: 4\nlayout: a\nmixers:\n  a: {kind: none}\n", "layout column 1: a has neither mixer nor ffn"},
		{"width: 4\nvocab: 4\nlayout: p\nmixers:\n  p: {kind: parallel, parts: [p, q]}\n", "part p must be one mixer"},
	} {
		_, err := Parse("f.yaml", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v\nwant %s", err, tt.want)
		}
	}
}

// A program can ask an error where it is.
func TestErrorsSayWhere(t *testing.T) {
	_, err := Parse("f.yaml", []byte(strings.Replace(hybridYAML, "(gmu cross)*7", "(gmu kross)*7", 1)))
	var at *Error
	var layout *arch.LayoutError
	if !errors.As(err, &at) || at.File != "f.yaml" || at.Line != 8 || !errors.As(err, &layout) || layout.Column != 44 {
		t.Errorf("%#v", err)
	}
}

func roundTrip(t interface{ Fatalf(string, ...any) }, m *arch.Model) {
	var b bytes.Buffer
	if err := Write(&b, m); err != nil {
		t.Fatalf("%v", err)
	}
	back, err := Parse("other.yaml", b.Bytes())
	if err != nil {
		t.Fatalf("%v in\n%s", err, &b)
	}
	if d := cmp.Diff(m, back, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s\n%s", d, &b)
	}
}

func TestYAMLRoundTripFamilies(t *testing.T) {
	for _, f := range family.Families() {
		m, err := family.Build(f.Name, family.Options{Depth: 16})
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, m)
		var b bytes.Buffer
		if err := Write(&b, m); err != nil {
			t.Fatal(err)
		}
		if f.Name == "sambay" && !strings.Contains(b.String(), "layout: (mamba1 swa)*4 mamba1@memory full@cache (gmu cross)*3\n") {
			t.Errorf("not compact:\n%s", &b)
		}
	}
}

func TestYAMLRoundTripRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { roundTrip(t, genModel(t)) })
}

// genModel draws any model that passes Check.
func genModel(t *rapid.T) *arch.Model {
	m := &arch.Model{
		Name: text().Draw(t, "name"), Family: rapid.SampledFrom([]string{"", "sambay", "no"}).Draw(t, "family"),
		Width: 32 * rapid.IntRange(1, 20).Draw(t, "width"), Vocab: rapid.IntRange(1, 1000).Draw(t, "vocab"),
		Tied: rapid.Bool().Draw(t, "tied"), HeadBias: rapid.Bool().Draw(t, "head_bias"),
		Norm: arch.NormKind(rapid.IntRange(0, 1).Draw(t, "norm")), MaxContext: rapid.IntRange(0, 1<<20).Draw(t, "context"), MTP: rapid.IntRange(0, 3).Draw(t, "mtp"),
		CountingForm: rapid.Int64Range(0, 1<<40).Draw(t, "form"), Notes: rapid.SliceOfN(text(), 0, 2).Draw(t, "notes"),
	}
	n := rapid.IntRange(1, 12).Draw(t, "layers")
	for i := range n {
		for {
			l := arch.Layer{Mixer: genMixer(t, m, i, true), FFN: genFFN(t)}
			m.Layers = append(m.Layers[:i], l)
			if m.Check() == nil {
				break
			}
		}
	}
	return m
}

func genFFN(t *rapid.T) arch.FFN {
	b := func(s string) bool { return rapid.Bool().Draw(t, s) }
	n := func(s string) int { return rapid.IntRange(1, 4).Draw(t, s) }
	act := arch.Activation(rapid.IntRange(0, 3).Draw(t, "act"))
	switch rapid.IntRange(0, 3).Draw(t, "ffn") {
	case 0:
		return nil
	case 1:
		return arch.MoE{Experts: n("experts") + 4, TopK: n("top"), Inner: n("inner"), SharedInner: n("shared") - 1,
			SharedGate: b("sg"), Gated: b("gated"), Act: act, Bias: b("bias"), RouterBias: b("rb")}
	}
	return arch.MLP{Inner: n("inner"), Gated: b("gated"), Act: act, Bias: b("bias")}
}

func genMixer(t *rapid.T, m *arch.Model, i int, parallel bool) arch.Mixer {
	b := func(s string) bool { return rapid.Bool().Draw(t, s) }
	n := func(s string) int { return rapid.IntRange(1, 4).Draw(t, s) }
	switch k := rapid.IntRange(0, 7).Draw(t, "mixer"); k {
	case 0:
		return nil
	case 1:
		return arch.Mamba1{DInner: m.Width * n("expand"), DState: n("n"), DConv: n("k"), DtRank: n("dt"), ConvBias: b("cb"), ProjBias: b("pb"), InnerNorms: b("in")}
	case 2:
		return arch.Mamba2{Heads: 4, HeadDim: n("hd"), DState: n("n"), Groups: 1 + n("g")%2, DConv: n("k"), ConvBias: b("cb"), ProjBias: b("pb"), NoNorm: b("nn")}
	case 3:
		return arch.GatedDeltaNet{KHeads: 2, VHeads: 2 * n("vh"), KDim: n("kd"), VDim: n("vd"), DConv: n("k"), NoNorm: b("nn")}
	case 4:
		if i > 0 {
			at := rapid.IntRange(0, i-1).Draw(t, "from")
			kind := arch.MemoryKind(rapid.IntRange(1, 4).Draw(t, "kind"))
			if w := m.MemoryWidth(at, kind); w > 0 {
				v := arch.GatedMemory
				if w == m.Width && b("sigmoid") {
					v = arch.SigmoidGMU
				}
				return arch.GMU{Memory: arch.To(at), From: kind, DMem: w, Normed: b("normed"), Variant: v}
			}
		}
	case 5:
		if i > 0 {
			at := rapid.IntRange(0, i-1).Draw(t, "of")
			if o, ok := arch.CacheOwner(m.Layers[at].Mixer).(arch.Attention); ok {
				a := o
				a.KVSource = arch.To(at)
				a.Heads, a.QKNorm, a.DeclaredWindow, a.RotaryDim = o.KVHeads*2, b("qk"), n("dw")-1, 0
				return a
			}
		}
	case 6:
		if parallel {
			var parts []arch.Mixer
			for range 2 + n("parts")%2 {
				p := genMixer(t, m, i, false)
				if p == nil {
					p = arch.Mamba2{Heads: 1, HeadDim: m.Width, DState: 1, Groups: 1, DConv: 4}
				}
				parts = append(parts, p)
			}
			return arch.Parallel{Mixers: parts}
		}
	}
	return arch.Attention{Heads: 4 * n("h"), KVHeads: 4, HeadDim: 2 * n("hd"), Window: n("w") - 1, DeclaredWindow: n("dw") - 1,
		Differential: b("da"), QKVBias: b("qb"), OutBias: b("ob"), QKNorm: b("qk"), OutputGate: b("og"), Sinks: b("s"),
		RotaryDim: 2 * (n("rd") % 2), RotaryBase: rapid.SampledFrom([]float64{0, 10000, 1e6, 500000.125, 1e300, 1e-9}).Draw(t, "base")}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte(hybridYAML))
	f.Add([]byte("width: 8\nvocab: 8\nlayout: (a b)*2\nmixers: {a: {kind: none, ffn: {kind: mlp, inner: 3}}, b: {kind: mamba2, head_dim: 4}}\n"))
	f.Add([]byte("width: 8\nvocab: 8\nlayout: a@x s s\nmixers:\n  a: {kind: gated_deltanet, k_heads: 1, k_dim: 2}\n  s: {kind: sigmoid_gmu, memory: x}\n"))
	for _, name := range []string{"sambay-2", "sambay-mlp", "transformer-ls"} {
		m, err := family.Build(name, family.Options{Depth: 8})
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := Write(&b, m); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("f.yaml", data)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		roundTrip(t, m)
	})
}

// text is any text that a name may be.
func text() *rapid.Generator[string] {
	return rapid.Map(rapid.String(), func(s string) string {
		return strings.Map(func(r rune) rune {
			if plain.Bad(r) {
				return -1
			}
			return r
		}, s)
	})
}
