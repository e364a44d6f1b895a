package scaling

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func setting(t testing.TB, by Measure) *Setting {
	t.Helper()
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	return &Setting{By: by, Sequence: 4096, Hardware: hw, Fidelity: costmodel.Roofline,
		Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 1}}
}

// match makes a spec equal to another.
func match(t testing.TB, s *Setting, what, to string, solve Dimension, step int) Match {
	t.Helper()
	v, err := s.Value(spec(t, to))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Solve(context.Background(), what, v, solve, step)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Aspect ratios of the paper (§3, appendix A), each from the family's counting form, at
// every depth of table 7. gdny is the rule's, not the paper's 120.
func TestAspectRatios(t *testing.T) {
	for fam, want := range map[string]int{
		"transformer++": 128, "transformer-ls": 128, "samba": 122, "swa+yoco": 130, "samba+yoco": 126, "sambay": 124, "sambay+da": 124,
		"mambay": 120, "sambay-2": 124, "mambay-2": 120, "gdny": 122, "s-gdny": 126, "sambay-a": 126, "sambay-aa": 126, "sambay-mlp": 120,
	} {
		for _, d := range []int{8, 12, 16, 20, 24, 32, 64} {
			o := fmt.Sprintf("(d=%d)", d)
			what := fam + o
			if fam == "sambay+da" && d%8 != 0 { // d/4 kv heads do not pair up
				continue
			}
			m := match(t, setting(t, CountingForm), what, "transformer++"+o, Width, 0)
			if m.Model.Width != want*d || len(m.Model.Layers) != d {
				t.Errorf("%s: width %d, aspect ratio %g, want %d (root %g)", what, m.Model.Width, float64(m.Model.Width)/float64(len(m.Model.Layers)), want, m.Root)
			}
			if m.Off < 0 || m.Root > float64(want) || m.Root <= float64(want-2) {
				t.Errorf("%s: off %g, root %g", what, m.Off, m.Root)
			}
		}
	}
}

// Paper table 7: widths, and the counting forms to the digit printed.
func TestTable7Widths(t *testing.T) {
	for _, tt := range []struct {
		family string
		d, w   int
		form   string
	}{
		{"transformer++", 8, 1024, "121.6"}, {"transformer++", 24, 3072, "3284.1"}, {"sambay", 16, 1984, "986.3"},
		{"sambay", 24, 2976, "3328.9"}, {"samba+yoco", 12, 1512, "415.6"}, {"mambay", 16, 1920, "975.2"},
	} {
		m := match(t, setting(t, CountingForm), fmt.Sprintf("%s(d=%d)", tt.family, tt.d), fmt.Sprintf("transformer++(d=%d)", tt.d), Width, 0)
		if got := fmt.Sprintf("%.1f", m.Value/1e6); m.Model.Width != tt.w || got != tt.form {
			t.Errorf("%s d=%d: %d wide, %s M, want %d and %s", tt.family, tt.d, m.Model.Width, got, tt.w, tt.form)
		}
	}
}

// 14.25·α² + 144·α = 237568 and 15.75·α² + 64·α = 237568, solved by hand.
func TestDepartures(t *testing.T) {
	want := map[string]Departure{
		"samba":  {Root: (math.Sqrt(160*160+4*15*237568) - 160) / 30, Up: 122, Nearest: 120, Paper: 122},
		"gdny":   {Root: (math.Sqrt(64*64+4*15.75*237568) - 64) / 31.5, Up: 122, Nearest: 120, Paper: 120},
		"s-gdny": {Root: (math.Sqrt(144*144+4*14.25*237568) - 144) / 28.5, Up: 126, Nearest: 124, Paper: 126},
	}
	for _, d := range Departures() {
		w, ok := want[d.Family]
		if !ok || math.Abs(d.Root-w.Root) > 1e-9 || d.Up != w.Up || d.Nearest != w.Nearest || d.Paper != w.Paper {
			t.Errorf("%+v, want %+v", d, w)
		}
		delete(want, d.Family)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	for _, f := range []string{"gdny", "s-gdny"} {
		m := match(t, setting(t, CountingForm), f+"(d=16)", "transformer++(d=16)", Width, 0)
		if len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "The paper") {
			t.Errorf("%s: notes %q", f, m.Notes)
		}
	}
	if m := match(t, setting(t, CountingForm), "gdny(d=16)", "transformer++(d=24)", Width, 0); len(m.Notes) != 0 {
		t.Errorf("a note about another reference: %q", m.Notes)
	}
}

// A match reaches the target, and one step less does not.
func TestMatchLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hw, err := hardware.Lookup("h200")
		if err != nil {
			t.Fatal(err)
		}
		s := &Setting{By: Measure(rapid.IntRange(0, len(measureNames)-1).Draw(t, "by")), Sequence: 4096, Hardware: hw,
			Chinchilla: rapid.Bool().Draw(t, "chinchilla"), Fidelity: costmodel.Roofline,
			Load: costmodel.Workload{Prompt: 2000, Generate: 4000, Batch: rapid.IntRange(1, 32).Draw(t, "batch")}}
		fam := rapid.SampledFrom([]string{"transformer++", "sambay", "samba+yoco", "mambay", "sambay-a", "swa+yoco", "sambay-mlp"}).Draw(t, "family")
		d := 8 * rapid.IntRange(1, 3).Draw(t, "d/8")
		solve := Dimension(rapid.IntRange(0, 1).Draw(t, "solve"))
		step := rapid.SampledFrom([]int{0, 2, 64}).Draw(t, "step")
		if solve == Depth {
			step = 0
		}
		ref, err := family.Build("transformer++", family.Options{Depth: 16, Width: 2048 + 2*rapid.IntRange(0, 500).Draw(t, "w")})
		if err != nil {
			t.Fatal(err)
		}
		target, err := s.Value(ref)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Solve(context.Background(), fmt.Sprintf("%s(d=%d)", fam, d), target, solve, step)
		if err != nil {
			if s.By == DecodeBytes || s.By == Throughput { // its cache alone may be too much
				if strings.Contains(err.Error(), "gives "+s.By.String()) {
					return
				}
			}
			t.Fatal(err)
		}
		sign := 1.0
		if s.By == Throughput {
			sign = -1
		}
		if sign*m.Off < -1e-12 {
			t.Fatalf("%s: off %g", m.Spec, m.Off)
		}
		_, o, err := models.OpenFamily(m.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if solve == Depth {
			o.Depth -= 4
		} else {
			was := o.Width
			switch {
			case step > 0:
				o.Width -= step
			case s.By == CountingForm:
				o.Width -= 2 * d
			default:
				o.Width -= 2
			}
			if step > 0 && was%step != 0 || was%2 != 0 {
				t.Fatalf("width %d is no multiple of %d", was, step)
			}
		}
		if o.Width < 0 || o.Depth < 8 {
			return
		}
		less, err := family.Build(fam, o)
		if err != nil {
			return
		}
		v, err := s.Value(less)
		if err != nil {
			t.Fatal(err)
		}
		if sign*(v-target) >= 0 {
			t.Fatalf("%s: %s %g, yet one step less has %g of %g", m.Spec, s.By, m.Value, v, target)
		}
	})
}

// Every measure grows with the width, and throughput falls.
func TestMeasuresAreMonotone(t *testing.T) {
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		fam := rapid.SampledFrom([]string{"transformer++", "samba", "sambay", "mambay", "gdny", "sambay-aa"}).Draw(t, "family")
		w := 64 * rapid.IntRange(8, 60).Draw(t, "w/64")
		by := Measure(rapid.IntRange(0, len(measureNames)-1).Draw(t, "by"))
		s := &Setting{By: by, Sequence: 2048, Hardware: hw, Load: costmodel.Workload{Prompt: 1000, Generate: 1000, Batch: 4}}
		var v [2]float64
		for i := range v {
			m, err := family.Build(fam, family.Options{Depth: 16, Width: w + 64*i})
			if err != nil {
				t.Fatal(err)
			}
			if v[i], err = s.Value(m); err != nil {
				t.Fatal(err)
			}
		}
		if (v[0] < v[1]) == (by == Throughput) {
			t.Fatalf("%s of %s: %g at width %d, %g at %d", by, fam, v[0], w, v[1], w+64)
		}
	})
}

// Matched at even widths, layouts are equal to what a width of 2 is worth.
func TestMatchIsClose(t *testing.T) {
	for by := range Measures() {
		s := setting(t, Measure(by))
		if m := match(t, s, "sambay(d=16)", "transformer++(d=16)", Width, 2); math.Abs(m.Off) > 0.0025 {
			t.Errorf("%s: off %g at width %d", s.By, m.Off, m.Model.Width)
		}
		self := match(t, s, "sambay(d=16)", "sambay(d=16)", Width, 2)
		if self.Model.Width != 1984 || self.Off != 0 {
			t.Errorf("%s: sambay is as sambay %d wide, off %g", s.By, self.Model.Width, self.Off)
		}
		self = match(t, s, "sambay(d=8)", "sambay(d=16)", Depth, 0)
		if len(self.Model.Layers) != 16 || self.Off != 0 {
			t.Errorf("%s: sambay is as sambay %d deep, off %g", s.By, len(self.Model.Layers), self.Off)
		}
	}
}

// A width that Gated DeltaNet cannot have, 1926, is passed over.
func TestImpossibleWidthsArePassedOver(t *testing.T) {
	m := match(t, setting(t, Params), "gdny(d=16)", "transformer++(d=16)", Width, 2)
	if m.Model.Width%4 != 0 || m.Off < 0 || m.Off > 0.005 {
		t.Errorf("width %d, off %g", m.Model.Width, m.Off)
	}
}

func TestSolveErrors(t *testing.T) {
	by := func(m Measure) *Setting { return setting(t, m) }
	for _, tt := range []struct {
		s      *Setting
		what   string
		target float64
		solve  Dimension
		step   int
		want   string
	}{
		{by(Params), "phi4-mini", 1e9, Width, 0, "not a family spec"},
		{by(Params), "sambay", 1e9, Width, 0, "depth is missing"},
		{by(Params), "sambay(d=16)", 1e9, Width, -2, "multiple -2"},
		{by(Params), "sambay(d=18)", 1e9, Width, 0, "not a multiple of 4"},
		{by(Params), "sambay(d=16)", 1e4, Width, 0, "no width gives params of 1e+04: the least, 1, gives 7.072e+04"},
		{by(Params), "sambay(d=16)", 1e30, Width, 0, "no width up to 1048576 gives params of 1e+30"},
		{by(Params), "sambay(d=16)", 1e5, Depth, 0, "no depth gives params of 1e+05: the least, 8, gives"},
		{by(DecodeBytes), "transformer++(d=64)", 1e6, Width, 0, "no width gives decode-bytes of 1e+06 B: the least, 1, gives"},
		{by(Throughput), "transformer++(d=64)", 1e9, Width, 0, "no width gives throughput of 1e+09 tok/s"},
		{by(CountingForm), "sambay(d=16,mlp=4096)", 1e9, Width, 0, "no counting form"},
		{by(CountingForm), "sambay(d=16,kv_heads=8)", 1e9, Width, 0, "no counting form"},
	} {
		_, err := tt.s.Solve(context.Background(), tt.what, tt.target, tt.solve, tt.step)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s to %g: %v, want %q", tt.what, tt.target, err, tt.want)
		}
	}
}
