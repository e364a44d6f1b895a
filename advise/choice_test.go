package advise

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func choose(t *testing.T, model, knob string, batch int) *Choice {
	t.Helper()
	return chooseFor(t, model, knob, costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: batch})
}

func chooseFor(t *testing.T, model, knob string, load costmodel.Workload) *Choice {
	t.Helper()
	m, err := models.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup("h200")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Choose(context.Background(), Options{Model: m, Hardware: hw, Fidelity: costmodel.Roofline, Load: load}, knob)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Phi-4-mini-flash has 14 layers behind its cache owner: 15 shares, from YOCO's 0 to 1, of
// which 6, 7 and 8 of 14 lie between 40 and 60 %. Each more reads one cache less.
func TestChooseRatio(t *testing.T) {
	c := choose(t, "phi4-mini-flash", "gmu_ratio", 16)
	if len(c.Rows) != 15 || c.Layers != 14 {
		t.Fatalf("%d values of %d layers, want 15 of 14", len(c.Rows), c.Layers)
	}
	recommended := 0
	for k, r := range c.Rows {
		if want := float64(k) / 14; math.Abs(r.Value-want) > 1e-12 {
			t.Errorf("value %d is %v, want %v", k, r.Value, want)
		}
		if want := float64(15-k) * 2 * 20 * 64 * 2; r.CacheReadBytesPerToken != want { // the owner reads too
			t.Errorf("at %v a token of context costs %v bytes, want %v", r.Value, r.CacheReadBytesPerToken, want)
		}
		if r.Recommended {
			recommended++
		}
		if r.Current != (k == 7) {
			t.Errorf("the design's own ratio is %v", r.Value)
		}
		if k > 0 && r.TokensPerSecond <= c.Rows[k-1].TokensPerSecond {
			t.Errorf("at %v it is no faster than with one GMU less", r.Value)
		}
	}
	if recommended != 3 || c.Advised == nil || math.Abs(*c.Advised-8./14) > 1e-12 {
		t.Errorf("%d values recommended, advised %v; want 3, and 8 of 14", recommended, c.Advised)
	}
}

// The knee is the first value from which all the rest gains less than 5 %.
func TestChooseKnee(t *testing.T) {
	c := choose(t, "phi4-mini-flash", "window", 16)
	if c.Knee == nil {
		t.Fatal("ever smaller windows keep gaining")
	}
	last := c.Rows[len(c.Rows)-1].TokensPerSecond
	for i, r := range c.Rows {
		if small := last/r.TokensPerSecond < 1.05; small != (r.Value <= *c.Knee) {
			t.Errorf("window %v, row %d: the rest gains %.3f, the knee is at %v", r.Value, i, last/r.TokensPerSecond, *c.Knee)
		}
	}
	if c.Advised == nil || *c.Advised != 512 || c.Current == nil || *c.Current != 512 {
		t.Errorf("advised %v, has %v; want 512 both", c.Advised, c.Current)
	}
	// At one short sequence weights take the step: no window changes much.
	one := chooseFor(t, "phi4-mini-flash", "window", costmodel.Workload{Prompt: 100, Generate: 900, Batch: 1})
	if one.Knee == nil || *one.Knee != one.Rows[0].Value || !strings.Contains(one.Verdict, "choose by quality") {
		t.Errorf("at one sequence: %s", one.Verdict)
	}
}

func TestChooseKVHeads(t *testing.T) {
	c := choose(t, "llama-3.1-8b", "kv_heads", 16)
	var got []float64
	for _, r := range c.Rows {
		got = append(got, r.Value)
		if want := r.Value * 2 * 128 * 2 * 32; r.CacheReadBytesPerToken != want {
			t.Errorf("%v kv heads read %v bytes a token, want %v", r.Value, r.CacheReadBytesPerToken, want)
		}
	}
	if len(got) != 6 || got[0] != 32 || got[5] != 1 {
		t.Errorf("values %v, want 32 16 8 4 2 1", got)
	}
	if c.Advised != nil || !strings.Contains(c.Verdict, "No source") {
		t.Errorf("advised %v: %s", c.Advised, c.Verdict)
	}
}

// A ratio that 14 layers cannot have is said, and the design is named anew.
func TestApplyKnob(t *testing.T) {
	m, err := models.Open("phi4-mini-flash")
	if err != nil {
		t.Fatal(err)
	}
	yaml, said, err := Apply(m, "gmu_ratio", "0.3")
	if err != nil {
		t.Fatal(err)
	}
	got, err := modelfile.Parse("x.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := got.GMURatio(); r != 4./14 || got.Name == m.Name || !strings.Contains(got.Name, "0.286") || !strings.Contains(said, "4 of them") {
		t.Errorf("%s has a ratio of %v: %q", got.Name, r, said)
	}
	if _, said, err := Apply(m, "gmu_ratio", "0.5"); err != nil || said != "" {
		t.Errorf("0.5 can be had: %q, %v", said, err)
	}
	for _, bad := range [][2]string{{"gmu_ratio", "2"}, {"window", "0"}, {"kv_heads", "7"}, {"nosuch", "1"}} {
		if _, _, err := Apply(m, bad[0], bad[1]); err == nil {
			t.Errorf("%s %s was applied", bad[0], bad[1])
		}
	}
}
