package family

import (
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/modelfile"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWithGMURatio(t *testing.T) {
	m := mustBuild(t, "sambay", Options{Depth: 32})
	for _, tt := range []struct {
		r    float64
		want string
	}{
		{0, "cross*14"},
		{0.5, "(gmu cross)*7"},
		{1, "gmu*14"},
		{0.25, "(gmu cross*2 gmu cross*3)*2"}, // 3.5 rounds to 4
		{1.0 / 14, "gmu cross*13"},
	} {
		g, err := WithGMURatio(m, tt.r)
		if err != nil {
			t.Fatal(err)
		}
		if want := "(mamba1 swa)*8 mamba1 full " + tt.want; layersOf(g) != layersOf(mustYAML(t, want)) {
			t.Errorf("%v: %s, want %s", tt.r, g.Summary(), want)
		}
	}
	if m.Summary() != "(mamba1 swa)*8 mamba1 full (gmu cross)*7" {
		t.Errorf("the argument changed: %s", m.Summary())
	}
}

func layersOf(m *arch.Model) string { return strings.Join(m.LayerNames(), " ") }

// mustYAML is a model of the layout given, of the names MixerName uses.
func mustYAML(t *testing.T, layout string) *arch.Model {
	t.Helper()
	layout = strings.Replace(strings.Replace(layout, " mamba1 full", " mamba1@m full@c", 1), "@c@c", "@c", 1)
	m, err := modelfile.Parse("t.yaml", []byte(`
width: 64
vocab: 10
layout: `+layout+`
mixers:
  mamba1: {kind: mamba1}
  mamba2: {kind: mamba2, head_dim: 64}
  swa: {kind: attention, heads: 2, head_dim: 32, window: 8}
  full: {kind: attention, heads: 4, kv_heads: 2, head_dim: 32, qkv_bias: true}
  cross: {kind: cross, of: c}
  gmu: {kind: gmu, memory: m}
  sg: {kind: sigmoid_gmu, memory: c}
ffn: {kind: swiglu, inner: 256}
`))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWithGMURatioErrors(t *testing.T) {
	m := mustBuild(t, "sambay", Options{Depth: 16})
	for _, r := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		if _, err := WithGMURatio(m, r); err == nil || !strings.Contains(err.Error(), "is not between 0 and 1") {
			t.Errorf("%v: %v", r, err)
		}
	}
	p := mustBuild(t, "samba", Options{Depth: 16})
	_, err := WithGMURatio(p, 0.5)
	if err == nil || err.Error() != "samba has no cross-decoder: gmu_ratio has nothing to replace" {
		t.Error(err)
	}
	if _, ok := p.GMURatio(); ok {
		t.Error("samba has a GMU ratio")
	}
}

// Without GMUs sambay is samba+yoco, and so are their relatives.
func TestNoGMUsIsYOCO(t *testing.T) {
	zero := 0.0
	sambay := mustBuild(t, "sambay", Options{Depth: 16, GMURatio: &zero})
	yoco := mustBuild(t, "samba+yoco", Options{Depth: 16, Width: sambay.Width})
	if d := cmp.Diff(yoco.Layers, sambay.Layers); d != "" {
		t.Error(d)
	}
	if sambay.CountingForm != yoco.CountingForm {
		t.Errorf("counting forms %d and %d", sambay.CountingForm, yoco.CountingForm)
	}
	back, err := WithGMURatio(yoco, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(mustBuild(t, "sambay", Options{Depth: 16}).Layers, back.Layers); d != "" {
		t.Error(d)
	}
}

// Any ratio can be left and come back to; building at a ratio and changing to it are
// the same; only the cross-decoder changes, and the norm before an nGMU.
func TestGMURatioLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := genFamily(t)
		was, ok := m.GMURatio()
		r := rapid.Float64Range(0, 1).Draw(t, "ratio")
		g, err := WithGMURatio(m, r)
		if !ok {
			if err == nil {
				t.Fatalf("%s has no cross-decoder", m.Name)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		layers, owner := crossDecoder(g)
		got, _ := g.GMURatio()
		if n := float64(layers); math.Abs(got-r)*n > 0.5+1e-9 {
			t.Fatalf("ratio %v of %v layers, want %v", got, n, r)
		}
		direct := mustBuildOf(t, m, r)
		if was > 0 || m.Family == "samba+yoco" { // else the GMU's memory is a matter of choice
			if d := cmp.Diff(direct, g); d != "" {
				t.Fatal(d)
			}
		}
		back, err := WithGMURatio(g, was)
		if err != nil {
			t.Fatal(err)
		}
		if got > 0 || m.MemoryWidth(owner-1, arch.ScanMemory) > 0 && !strings.Contains(m.Family, "-a") && m.Family != "sambay-mlp" {
			if d := cmp.Diff(m, back); d != "" {
				t.Fatal(d)
			}
		}
	})
}

func mustBuildOf(t *rapid.T, m *arch.Model, r float64) *arch.Model {
	g, err := Build(m.Family, Options{Depth: len(m.Layers), KVHeads: len(m.Layers) / 2, GMURatio: &r})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGMURatioOfFiles(t *testing.T) {
	// No recurrent layer: the owner's inner output. Other layers stay where they are.
	m := mustYAML(t, "swa full@c cross mamba1@m cross")
	g, err := WithGMURatio(m, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := g.Summary(), "swa full gmu mamba1 cross"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if d := cmp.Diff(arch.GMU{Memory: arch.To(1), From: arch.AttentionMemory, DMem: 128}, g.Layers[2].Mixer); d != "" {
		t.Error(d)
	}
	// Mamba-2 before the owner: an nGMU takes over its norm.
	m = mustYAML(t, "mamba2 full@c cross*2 mamba1@m")
	if g, err = WithGMURatio(m, 0.5); err != nil {
		t.Fatal(err)
	}
	if got, want := g.Summary(), "mamba2 full ngmu cross mamba1"; got != want || !g.Layers[0].Mixer.(arch.Mamba2).NoNorm {
		t.Errorf("%s, want %s; %+v", got, want, g.Layers[0].Mixer)
	}
	// Sigmoid GMUs stay a chain.
	m = mustYAML(t, "mamba1@m full@c sg cross sg cross")
	if g, err = WithGMURatio(m, 1); err != nil {
		t.Fatal(err)
	}
	for i := 2; i < 6; i++ {
		if got := g.Layers[i].Mixer.(arch.GMU).Memory; got != arch.To(i-1) {
			t.Errorf("layer %d mixes the output of %v", i, got)
		}
	}
}

// crossDecoder is how many layers behind the last cache owner read a cache or memory,
// and where the owner is.
func crossDecoder(m *arch.Model) (layers, owner int) {
	owners := m.CacheOwners()
	owner = owners[len(owners)-1]
	for i, p := range m.Mixers() {
		if r := p.Reads(); i > owner && (r.Cache > 0 || r.Memory > 0) {
			layers++
		}
	}
	return layers, owner
}
