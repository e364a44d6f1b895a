package scaling

import (
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/family"

	"pgregory.net/rapid"
)

func transfer(t testing.TB, target, base string) *Transfer {
	t.Helper()
	return &Transfer{Target: spec(t, target), Base: spec(t, base), LearningRate: PaperLearningRate,
		BatchTokens: PaperBatchTokens, Tokens: PaperTokens, WeightDecay: PaperWeightDecay}
}

// sambay from 16 to 24 layers, 1984 to 2976 wide, twice the batch: the paper's table 6 by
// hand.
func TestMuPPlusPlusByHand(t *testing.T) {
	tr := transfer(t, "sambay(d=24)", "sambay(d=16)")
	tr.Batch = 2 * PaperBatchTokens
	h := tr.Hyper(MuPPlusPlus)
	eta := 4e-4 * math.Sqrt(2) * math.Sqrt(16.0/24)
	for _, tt := range []struct {
		what      string
		got, want float64
	}{
		{"η", h.LearningRate, eta},
		{"matrices", h.Groups[0].LearningRate, eta * 16 / 24},
		{"vectors", h.Groups[1].LearningRate, eta},
		{"embedding", h.Groups[2].LearningRate, eta},
		{"decay of matrices", h.Groups[0].WeightDecay, 0.1},
		{"decay of vectors", h.Groups[1].WeightDecay, 0},
		{"decay of embedding", h.Groups[2].WeightDecay, 0},
		{"residual", h.ResidualMultiplier, 1 / math.Sqrt(48)},
		{"logits", h.LogitMultiplier, 16.0 / 24},
		{"tokens", float64(h.Tokens), 100e9 * 27 / 8}, // N ∝ d³
		{"steps", float64(h.Steps), math.Round(337.5e9 / (1 << 22))},
		{"warm-up", float64(h.WarmupSteps), math.Round(1e9 / (1 << 22))},
		{"init", h.Groups[0].Init.Std, 1 / math.Sqrt(2976)},
	} {
		if !near(tt.got, tt.want, 1e-12) {
			t.Errorf("%s: %g, want %g", tt.what, tt.got, tt.want)
		}
	}
	mup, sp := tr.Hyper(MuP), tr.Hyper(Standard)
	if !near(mup.Groups[0].LearningRate, 4e-4*math.Sqrt(2)*16/24, 1e-12) || mup.ResidualMultiplier != 1 || mup.Groups[1].WeightDecay != 0.1 {
		t.Errorf("μP: %+v", mup)
	}
	if !near(sp.Groups[0].LearningRate, 4e-4*math.Sqrt(2), 1e-12) || sp.LogitMultiplier != 1 || !near(sp.Groups[0].Init.OutStd, 0.02/math.Sqrt(48), 1e-12) {
		t.Errorf("SP: %+v", sp)
	}
}

// The card at twice the width and half as deep again: a third of the learning rate, and a
// budget of six times the FLOPs that it spends on width alone.
func TestCard(t *testing.T) {
	tr := transfer(t, "sambay(d=24,width=3968)", "sambay(d=16)")
	if h := tr.Hyper(Card); !near(h.LearningRate, 4e-4/3, 1e-12) || h.Tokens != PaperTokens {
		t.Errorf("%+v", h)
	}
	b := tr.Budget()
	if !near(b.Ratio, 6, 1e-12) || !near(b.Card.Depth, 16, 1e-12) || !near(b.Card.Width, 1984*math.Sqrt(6), 1e-12) ||
		!near(b.Paper.Depth, 16*math.Cbrt(6), 1e-12) || !near(b.Paper.Width, 1984*math.Cbrt(6), 1e-12) {
		t.Errorf("%+v", b)
	}
	// Matrices: 1/√(d/d0) of μP++'s; vectors: that over the growth of the width as well.
	byWhat := map[string]Difference{}
	for _, d := range tr.Differences() {
		byWhat[d.What] = d
	}
	if d := byWhat["learning rate of matrices"]; !near(*d.Ratio, 1/math.Sqrt(1.5), 1e-12) {
		t.Errorf("%+v", d)
	}
	if d := byWhat["learning rate of vectors"]; !near(*d.Ratio, 1/(2*math.Sqrt(1.5)), 1e-12) {
		t.Errorf("%+v", d)
	}
	if d := byWhat["depth at equal FLOPs"]; !near(d.Card, 16, 1e-12) {
		t.Errorf("%+v", d)
	}
}

// At the base every rule gives back what was tuned, and parts are the whole.
func TestTransferLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fam := rapid.SampledFrom(family.Families()).Draw(t, "family").Name
		d, d0 := 8*rapid.IntRange(1, 6).Draw(t, "d/8"), 8*rapid.IntRange(1, 3).Draw(t, "d0/8")
		untied := rapid.Bool().Draw(t, "untied")
		m, err := family.Build(fam, family.Options{Depth: d, Untied: untied})
		if err != nil {
			t.Fatal(err)
		}
		b, err := family.Build(fam, family.Options{Depth: d0, Untied: untied})
		if err != nil {
			t.Fatal(err)
		}
		tr := &Transfer{Target: m, Base: b, LearningRate: rapid.Float64Range(1e-5, 1e-2).Draw(t, "lr"), BatchTokens: 1 << 20,
			Tokens: 1e9, WeightDecay: 0.1, Batch: int64(rapid.IntRange(0, 1<<23).Draw(t, "batch"))}
		if err := tr.Check(); err != nil {
			t.Fatal(err)
		}
		for r := range Rules() {
			h := tr.Hyper(Rule(r))
			var sum int64
			for _, g := range h.Groups {
				sum += g.Parameters
				if g.Parameters <= 0 || !near(g.LearningRate, g.Multiplier*h.LearningRate, 1e-12) {
					t.Fatalf("%+v", g)
				}
			}
			if sum != m.Params().Total {
				t.Fatalf("groups hold %d of %d parameters", sum, m.Params().Total)
			}
			if d == d0 && tr.Batch == 0 && (!near(h.LearningRate, tr.LearningRate, 1e-12) || h.Tokens != tr.Tokens || h.LogitMultiplier != 1) {
				t.Fatalf("%s changes the base: %+v", h.Rule, h)
			}
		}
		if d > d0 {
			pp, p := tr.Hyper(MuPPlusPlus), tr.Hyper(MuP)
			if !(pp.LearningRate < p.LearningRate && pp.Groups[0].LearningRate < pp.LearningRate && pp.Tokens > tr.Tokens) {
				t.Fatalf("a deeper model: %+v", pp)
			}
		}
	})
}

func TestTransferErrors(t *testing.T) {
	for want, change := range map[string]func(*Transfer){
		"lr NaN":          func(t *Transfer) { t.LearningRate = math.NaN() },
		"base-batch 0":    func(t *Transfer) { t.BatchTokens = 0 },
		"batch -1":        func(t *Transfer) { t.Batch = -1 },
		"base-tokens 0":   func(t *Transfer) { t.Tokens = 0 },
		"weight-decay -1": func(t *Transfer) { t.WeightDecay = -1 },
	} {
		tr := transfer(t, "sambay(d=24)", "sambay(d=16)")
		change(tr)
		if err := tr.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, s := range []string{"mup++", "μP++", "MUP", "sp", "card"} {
		if _, err := ParseRule(s); err != nil {
			t.Error(err)
		}
	}
	if _, err := ParseRule("nope"); err == nil || !strings.Contains(err.Error(), "mup++, mup, sp, card") {
		t.Error(err)
	}
}
