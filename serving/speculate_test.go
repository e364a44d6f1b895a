package serving

import (
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func compiledOn(t *testing.T, model, on string) *costmodel.Compiled {
	t.Helper()
	m, err := models.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup(on)
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{Engine: "ideal"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// One client sees in the mean what the closed form says, whatever drafts. Its answers of 4,000
// tokens take some 1,500 steps, each of 1 to k+1 tokens: their sum is sure to about one part in
// a hundred, less over 24 answers.
func TestOneSpeculatingClientIsTheClosedForm(t *testing.T) {
	profile, err := EngineNamed("ideal")
	if err != nil {
		t.Fatal(err)
	}
	target := compiledOn(t, "qwen3.5-27b", "h200")
	mtp, err := target.MTP()
	if err != nil {
		t.Fatal(err)
	}
	flash := compiledOn(t, "phi4-mini-flash", "h200")
	for _, tt := range []struct {
		name string
		c    *costmodel.Compiled
		s    costmodel.Speculation
	}{
		{"n-grams", flash, costmodel.Speculation{Draft: costmodel.NGram(), Tokens: 4, Acceptance: 0.6}},
		{"multi-token prediction", target, costmodel.Speculation{Draft: mtp, Tokens: 2, Acceptance: 0.8}},
		{"a model with windows of its own", target, costmodel.Speculation{Draft: costmodel.DraftModel(flash), Tokens: 3, Acceptance: 0.7}},
	} {
		for _, f := range []costmodel.Fidelity{costmodel.Roofline, costmodel.Calibrated} {
			const prompt, generate = 500, 4000
			w := costmodel.Workload{Prompt: prompt, Generate: generate, Batch: 1}
			want, err := tt.c.Speculate(f, w, tt.s)
			if err != nil {
				t.Fatal(err)
			}
			d, err := Deploy(profile, tt.c, f, Settings{Speculation: &tt.s})
			if err != nil {
				t.Fatal(err)
			}
			d.Limits.Graphs = Graphs{} // pads nothing
			load := Load{Prompt: Lengths{Mean: prompt}, Generate: Lengths{Mean: generate}, Requests: 24, Concurrency: 1}
			r, err := Run(context.Background(), d.Limits, d.Price, load.Source(), Options{Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			m := r.Metrics(SLO{}, 0)
			near(t, tt.name+": time per token", m.TPOT.Mean, want.TPOTSeconds, 0.006)
			near(t, tt.name+": time to first token", m.TTFT.Mean, want.TTFTSeconds, 0.002)
			near(t, tt.name+": tokens a step", float64(r.Stats.VerifiedTokens)/float64(r.Stats.VerifySteps), want.ExpectedTokens, 0.006)
		}
	}
}

// Everything accepted makes k+1 tokens a step, nothing accepted one: to the number.
func TestCertainAcceptance(t *testing.T) {
	for _, tt := range []struct {
		acceptance float64
		steps      int
	}{{0, 99}, {1, 25}} { // of 99 tokens behind the first, four a step
		l := dense(100)
		l.Verified = Verified{Drafts: 3, Acceptance: tt.acceptance}
		load := Load{Prompt: Lengths{Mean: 50}, Generate: Lengths{Mean: 100}, Requests: 1, Concurrency: 1}
		r := audited(t, l, plain, load.Source(), Options{})
		if r.Stats.VerifySteps != tt.steps || r.Stats.VerifiedTokens != 99 {
			t.Errorf("acceptance %g: %d tokens in %d steps, want 99 in %d", tt.acceptance, r.Stats.VerifiedTokens, r.Stats.VerifySteps, tt.steps)
		}
		step := plain.step + 4*plain.row
		contexts := 0.0
		for i := range tt.steps {
			contexts += 51 + float64(i*99/tt.steps/4*4+i*99/tt.steps%4)
		}
		near(t, "time of the steps", r.Requests[0].End-r.Requests[0].First, float64(tt.steps)*step+plain.context*contexts, 1e-3)
	}
}

// What a request draws does not depend on what else runs: among others and at another rate it
// takes as many steps.
func TestStreamsAreTheirOwn(t *testing.T) {
	l := dense(4000)
	l.Verified = Verified{Drafts: 4, Acceptance: 0.6}
	steps := func(requests int, rate float64) int {
		load := Load{Prompt: Lengths{Mean: 50}, Generate: Lengths{Mean: 300}, Requests: requests, Stages: []Stage{{Rate: rate}}}
		f, err := newFleet(l, pricer(plain), load.Source(), Options{Seed: 9})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return f.replicas[0].stats.VerifySteps
	}
	alone := steps(1, 1)
	sum := steps(8, 0.01) // one after the other
	if together := steps(8, 50); together != sum {
		t.Errorf("eight requests take %d steps one after the other and %d together", sum, together)
	}
	if again := steps(1, 1); again != alone {
		t.Errorf("the same request takes %d steps, then %d", alone, again)
	}
}

// More acceptance is never slower in the mean over seeds.
func TestMoreAcceptanceIsNotSlower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := dense(4000)
		k, a := rapid.IntRange(1, 6).Draw(t, "drafts"), rapid.Float64Range(0, 0.9).Draw(t, "acceptance")
		took := func(a float64) float64 {
			l.Verified = Verified{Drafts: k, Acceptance: a}
			load := Load{Prompt: Lengths{Mean: 80, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 150, Shape: Normal, Spread: 0.3}, Requests: 60, Concurrency: 8, Seed: 5}
			return audited(t, l, plain, load.Source(), Options{Seed: 5}).Metrics(SLO{}, 0).TPOT.Mean
		}
		less, more := took(a), took(a+0.1)
		if more > less*1.02 {
			t.Fatalf("acceptance %g: %g a token; %g: %g", a, less, a+0.1, more)
		}
	})
}

// A hybrid keeps a state behind each drafted token, so that fewer sequences fit; a draft's
// weights and cache take room too.
func TestSpeculationTakesRoom(t *testing.T) {
	profile, err := EngineNamed("vllm-0.19")
	if err != nil {
		t.Fatal(err)
	}
	c := compiledOn(t, "qwen3.5-27b", "h200")
	mtp, err := c.MTP()
	if err != nil {
		t.Fatal(err)
	}
	deploy := func(s *costmodel.Speculation) *Deployment {
		d, err := Deploy(profile, c, costmodel.Roofline, Settings{Speculation: s})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	bare, ngram := deploy(nil), deploy(&costmodel.Speculation{Draft: costmodel.NGram(), Tokens: 3, Acceptance: 0.5})
	groups := 0
	for _, g := range bare.Limits.Layout.Groups {
		if g.Kind == StateCache {
			groups++
		}
	}
	if got, want := ngram.Limits.Layout.Need(1000)-bare.Limits.Layout.Need(1000), 3*groups; groups == 0 || got != want {
		t.Errorf("three drafted tokens take %d blocks more a sequence, want %d", got, want)
	}
	with := deploy(&costmodel.Speculation{Draft: mtp, Tokens: 3, Acceptance: 0.5})
	if got := with.WeightBytes - bare.WeightBytes; got != mtp.Weights {
		t.Errorf("a draft adds %g B of weights, want %g", got, mtp.Weights)
	}
	// Of 16 layers of attention the draft adds one as large, and no states.
	if by := with.Limits.Layout.BlockBytes / bare.Limits.Layout.BlockBytes; !(by > 1.02 && by < 1+1.0/16) || math.IsNaN(by) {
		t.Errorf("blocks are %g times as large with the draft's cache in them", by)
	}
}
