package family

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The paper's Table 7, to the digits printed: counting form and total with a tied
// vocabulary of 32000.
func TestTable7(t *testing.T) {
	for _, tt := range []struct {
		family          string
		d, w            int
		nonEmbed, total string
	}{
		{"transformer++", 8, 1024, "121.6", "154.4"},
		{"transformer++", 24, 3072, "3284.1", "3382.4"},
		{"sambay", 16, 1984, "986.3", "1049.8"},
		{"sambay", 24, 2976, "3328.9", "3424.2"},
		{"samba+yoco", 12, 1512, "415.6", "464.0"},
		{"mambay", 16, 1920, "975.2", "1036.6"},
	} {
		m, err := Build(tt.family, Options{Depth: tt.d})
		if err != nil {
			t.Fatal(err)
		}
		if m.Width != tt.w {
			t.Errorf("%s d=%d: width %d, want %d", tt.family, tt.d, m.Width, tt.w)
		}
		n := float64(m.CountingForm)
		got := [2]string{fmt.Sprintf("%.1f", n/1e6), fmt.Sprintf("%.1f", (n+32000*float64(m.Width))/1e6)}
		if got != [2]string{tt.nonEmbed, tt.total} {
			t.Errorf("%s d=%d: %v, want [%s %s]", tt.family, tt.d, got, tt.nonEmbed, tt.total)
		}
	}
}

// The forms as the paper writes them, against ours.
func TestCountingFormsOfPaper(t *testing.T) {
	forms := map[string]func(d, w, a float64) float64{
		"sambay":     func(d, w, a float64) float64 { return 2.5*d*w*a/4 + 2*d*w*a/4 + 6*d*w*w/4 + 4*d*w*w/4 },
		"sambay-mlp": func(d, w, a float64) float64 { return 2.5*d*w*a/4 + 2*d*w*a/4 + 6*d*w*w/4 + 8*d*w*w/4 },
		"sambay-a":   func(d, w, a float64) float64 { return 2.5*d*w*a/4 + 2*d*w*a/4 + 6*d*w*w/4 + 2*d*w*a/4 },
		"sambay-aa":  func(d, w, a float64) float64 { return 2.5*d*w*a/4 + 6*d*w*w/4 + 2*d*w*a/2 },
		"samba+yoco": func(d, w, a float64) float64 { return 2.5*d*w*a/4 + 2*d*w*a/2 + 6*d*w*w/4 },
		"mambay":     func(d, w, a float64) float64 { return 2*d*w*a/4 + 6*d*w*w/2 + 4*d*w*w/4 },
		"gdny":       func(d, w, a float64) float64 { return 2*d*w*a/4 + 6*d*w*w/2 + 3*d*w*w/4 },
		"s-gdny":     func(d, w, a float64) float64 { return 2.5*d*w*a/4 + 2*d*w*a/4 + 6*d*w*w/4 + 3*d*w*w/4 },
		"swa+yoco":   func(d, w, a float64) float64 { return 2.5*d*w*a/2 + 2*d*w*a/2 },
	}
	for name, f := range forms {
		got, ok := CountingForm(name, 16, 2000)
		want := 12*16*2000.0*2000 + f(16, 2000, 128*16)
		if !ok || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s: %v %v, want %v", name, got, ok, want)
		}
	}
	if _, ok := CountingForm("samba", 16, 2000); ok {
		t.Error("samba has a form")
	}
	for _, o := range []Options{{Depth: 16, MLP: 4096}, {Depth: 16, KVHeads: 2}, {Depth: 16, Expand: 4}} {
		if m := mustBuild(t, "sambay", o); m.CountingForm != 0 {
			t.Errorf("%+v: counting form %d for other proportions", o, m.CountingForm)
		}
	}
}

// Samba by hand at d = 8: four Mamba layers of 6·w² and four of attention of 2.5·w·A with
// A = 128·d, beside MLPs of 12·w²; other proportions have no form.
func TestSambaForm(t *testing.T) {
	m := mustBuild(t, "samba", Options{Depth: 8, Width: 1000})
	if got, want := SambaForm(m), 8*12e6+4*6e6+4*2.5*1000*1024.0; got != want {
		t.Errorf("%g, want %g", got, want)
	}
	for _, o := range []Options{{Depth: 8, MLP: 4096}, {Depth: 8, KVHeads: 1}, {Depth: 8, Expand: 4}} {
		if got := SambaForm(mustBuild(t, "samba", o)); got != 0 {
			t.Errorf("%+v: a form of %g for other proportions", o, got)
		}
	}
	if got := SambaForm(mustBuild(t, "mambay", Options{Depth: 8})); got != 0 {
		t.Errorf("mambay has samba's form: %g", got)
	}
}

func mustBuild(t testing.TB, name string, o Options) *arch.Model {
	t.Helper()
	m, err := Build(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFamilyLayouts(t *testing.T) {
	for _, tt := range []struct{ spec, want string }{
		{"transformer++(d=8)", "full*8"},
		{"transformer-ls(d=8)", "(swa*3 full)*2"},
		{"samba(d=8)", "(mamba1 swa)*4"},
		{"swa+yoco(d=8)", "swa*3 full cross*4"},
		{"samba+yoco(d=16)", "(mamba1 swa)*4 mamba1 full cross*6"},
		{"sambay(d=32)", "(mamba1 swa)*8 mamba1 full (gmu cross)*7"},
		{"sambay(d=8,gmu_ratio=1)", "(mamba1 swa)*2 mamba1 full gmu*2"},
		{"mambay(d=16)", "mamba1*9 full (gmu cross)*3"},
		{"mambay-2(d=16)", "mamba2*9 full (ngmu cross)*3"},
		{"s-gdny(d=16)", "(gated_deltanet swa)*4 gated_deltanet full (ngmu cross)*3"},
		{"sambay-aa(d=16)", "(mamba1 swa)*4 mamba1 full gmu*6"},
	} {
		m, err := ParseSpec(tt.spec)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		if got := m.Summary(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.spec, got, tt.want)
		}
		if m.Name != tt.spec {
			t.Errorf("named %q", m.Name)
		}
	}
}

func TestEveryFamilyPassesCheck(t *testing.T) {
	for _, f := range Families() {
		for _, d := range []int{8, 12, 16, 20, 24, 64} {
			o := Options{Depth: d}
			if f.Name == "sambay+da" && d/4%2 == 1 {
				if _, err := Build(f.Name, o); err == nil || !strings.Contains(err.Error(), "must be even") {
					t.Errorf("%s d=%d: %v", f.Name, d, err)
				}
				o.KVHeads = 2
			}
			m := mustBuild(t, f.Name, o)
			if m.Width != f.Alpha*d || len(m.Layers) != d || m.Family != f.Name {
				t.Errorf("%s d=%d: width %d, %d layers, family %q", f.Name, d, m.Width, len(m.Layers), m.Family)
			}
		}
	}
}

func TestFamilyShapes(t *testing.T) {
	m := mustBuild(t, "gdny", Options{Depth: 16}) // w = 1920
	want := arch.GatedDeltaNet{KHeads: 6, VHeads: 6, KDim: 240, VDim: 480, DConv: 4}
	if d := cmp.Diff(want, m.Layers[0].Mixer); d != "" {
		t.Error(d)
	}
	if g := m.Layers[8].Mixer.(arch.GatedDeltaNet); !g.NoNorm || g.DKey() != 1440 || g.DValue() != 2880 {
		t.Errorf("memory layer %+v", g)
	}
	wantGMU := arch.GMU{Memory: arch.To(8), From: arch.ScanMemory, DMem: 2880, Normed: true}
	if d := cmp.Diff(wantGMU, m.Layers[10].Mixer); d != "" {
		t.Error(d)
	}
	m = mustBuild(t, "sambay-2", Options{Depth: 16}) // w = 1984, d_inner = 3968
	if d := cmp.Diff(arch.Mamba2{Heads: 62, HeadDim: 64, DState: 128, Groups: 1, DConv: 4, ConvBias: true}, m.Layers[0].Mixer); d != "" {
		t.Error(d)
	}
	m = mustBuild(t, "sambay-a", Options{Depth: 16})
	if d := cmp.Diff(arch.GMU{Memory: arch.To(9), From: arch.AttentionMemory, DMem: 2048}, m.Layers[10].Mixer); d != "" {
		t.Error(d)
	}
	m = mustBuild(t, "sambay-mlp", Options{Depth: 16})
	if d := cmp.Diff(arch.GMU{Memory: arch.To(9), From: arch.MLPMemory, DMem: 4 * 1920}, m.Layers[10].Mixer); d != "" {
		t.Error(d)
	}
	m = mustBuild(t, "sambay+da", Options{Depth: 16})
	for i, l := range m.Layers {
		if a, ok := l.Mixer.(arch.Attention); ok && (!a.Differential || a.RotaryDim != 0) {
			t.Errorf("layer %d: %+v", i, a)
		}
	}
}

func TestSpecErrors(t *testing.T) {
	for _, tt := range []struct{ spec, want string }{
		{"sambay", "sambay: depth is missing: write sambay(d=16)"},
		{"sambayy(d=16)", `unknown family "sambayy" (know `},
		{"sambay(d=16", "spec column 12: the list of options is not closed"},
		{"sambay(d=16,window=0)", "spec column 13: window 0 sees nothing"},
		{"sambay(d=16, bogus=3)", `spec column 14: unknown option "bogus" (know d, width, `},
		{"sambay(d=16,depth=12)", "spec column 13: \"depth\" is given twice"},
		{"sambay(d=sixteen)", `spec column 8: d: "sixteen" is not a whole number`},
		{"sambay(d=-4)", "spec column 8: d: -4 is negative"},
		{"sambay(d=16,gmu_ratio=NaN)", `spec column 13: gmu_ratio: "NaN" is not a number`},
		{"sambay(d=16,)", `spec column 13: expected key=value, found ""`},
		{"sambay(d=18)", "depth 18 is not a multiple of 4"},
		{"sambay(d=4)", "depth 4 leaves no cross-decoder"},
		{"transformer++(d=10)", "set kv_heads"},
		{"samba(d=16,gmu_ratio=0.5)", "samba has no cross-decoder: gmu_ratio has nothing to replace"},
		{"transformer++(d=8,d_state=4)", "no recurrent layers"},
		{"sambay(d=16,heads=6,kv_heads=4)", "heads 6 does not divide into kv_heads 4 groups"},
		{"sambay(d=16,width=99999999999)", "spec column 13: width: 99999999999 is more than"},
		{"sambay(d=1Ki,ssm=lstm)", `unknown ssm "lstm"`},
	} {
		_, err := ParseSpec(tt.spec)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.spec, err, tt.want)
		}
	}
}

func FuzzSpec(f *testing.F) {
	f.Add("sambay(d=16,gmu_ratio=0.5,window=256)")
	f.Add("gdny(d=8,width=2k)")
	f.Add("swa+yoco( d=4 , vocab=32Ki, tied=false)")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseSpec(s)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
	})
}

// genFamily draws a model of any family.
func genFamily(t *rapid.T) *arch.Model {
	name := rapid.SampledFrom(Families()).Draw(t, "family").Name
	d := 4 * rapid.IntRange(2, 12).Draw(t, "d/4")
	m, err := Build(name, Options{Depth: d, KVHeads: d / 2})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
