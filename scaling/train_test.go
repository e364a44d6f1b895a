package scaling

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/precision"
)

func spec(t testing.TB, s string) *arch.Model {
	t.Helper()
	m, err := models.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func near(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Abs(want)
}

// transformer++ of 8 layers, 1024 wide, 8 heads of 128, by hand: 14.5·w² of matrices a
// layer, a causal mask's (n+1)/2 pairs, a head of 32000·w.
func TestTrainingByHand(t *testing.T) {
	const w, n, layers = 1024.0, 4096.0, 8.0
	tr, err := NewTraining(spec(t, "transformer++(d=8)"), int(n))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"full":   layers * (2*2.5*w*w + 4*w*(n+1)/2),
		"swiglu": layers * 2 * 12 * w * w,
		HeadKind: 2 * 32000 * w,
	}
	for _, k := range tr.Kinds {
		// Norms, rotations and activations, element by element, are what is above.
		if k.Forward < want[k.Kind] || !near(k.Forward, want[k.Kind], 0.015) {
			t.Errorf("%s: %g FLOPs, want %g", k.Kind, k.Forward, want[k.Kind])
		}
		if k.Layers != int(layers) && k.Kind != HeadKind {
			t.Errorf("%s: %d layers", k.Kind, k.Layers)
		}
		if k.Backward != 2*k.Forward {
			t.Errorf("%s: backward %g", k.Kind, k.Backward)
		}
	}
	if len(tr.Kinds) != len(want) {
		t.Errorf("%d kinds", len(tr.Kinds))
	}
	// GPU-hours of 20 tokens a parameter at half an A100.
	r, err := tr.Plan(Cluster{Devices: 8, Peak: 312e12, Utilisation: 0.5}, 3e9)
	if err != nil {
		t.Fatal(err)
	}
	if h := 3e9 * 3 * tr.Forward / 156e12 / 3600; !near(r.GPUHours, h, 1e-12) || !near(r.Seconds, h*3600/8, 1e-12) {
		t.Errorf("%+v, want %g GPU-hours", r, h)
	}
}

// At one position the forward pass is two FLOPs a weight, and up to 3 % of recurrence on top.
func TestTwoFLOPsAParameter(t *testing.T) {
	for _, f := range family.Families() {
		m := spec(t, f.Name+"(d=16)")
		tr, err := NewTraining(m, 1)
		if err != nil {
			t.Fatal(err)
		}
		p := m.Params()
		if want := 2 * float64(p.NonEmbedding+p.Embedding); !near(tr.Forward, want, 0.03) {
			t.Errorf("%s: %.4g, 2N is %.4g", f.Name, tr.Forward, want)
		}
	}
}

func TestTrainingLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fam := rapid.SampledFrom(family.Families()).Draw(t, "family").Name
		d := 8 * rapid.IntRange(1, 4).Draw(t, "d/8")
		m, err := family.Build(fam, family.Options{Depth: d})
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, 1<<16).Draw(t, "sequence")
		a, err := NewTraining(m, n)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewTraining(m, 2*n)
		if err != nil {
			t.Fatal(err)
		}
		if a.Forward > b.Forward*(1+1e-12) {
			t.Fatalf("a longer sequence costs less a token: %g, %g", a.Forward, b.Forward)
		}
		sum, share := 0.0, 0.0
		for _, k := range a.Kinds {
			sum += k.Forward
			share += k.Share
		}
		if !near(sum, a.Forward, 1e-12) || !near(share, 1, 1e-12) || a.Total() != 3*a.Forward {
			t.Fatalf("parts %g of %g, shares %g", sum, a.Forward, share)
		}
	})
}

func TestTrainingErrors(t *testing.T) {
	m := spec(t, "sambay(d=16)")
	if _, err := NewTraining(m, 0); err == nil {
		t.Error("sequence 0")
	}
	tr, err := NewTraining(m, 4096)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		utilisation, tokens float64
		gpus                int
		want                string
	}{{0, 1, 1, "utilisation"}, {1.1, 1, 1, "utilisation"}, {math.NaN(), 1, 1, "utilisation"}, {0.5, 0, 1, "tokens"}, {0.5, math.Inf(1), 1, "tokens"}, {0.5, 1, 0, "gpus"}} {
		if _, err := tr.Plan(Cluster{Devices: tt.gpus, Peak: 312e12, Utilisation: tt.utilisation}, tt.tokens); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Peak(hw, precision.FP8); err == nil || !strings.Contains(err.Error(), "cannot compute in fp8") {
		t.Error(err)
	}
}
