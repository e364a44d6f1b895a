package claims

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func audit(t *testing.T, o Options) map[string]*Claim {
	t.Helper()
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*Claim{}
	for _, c := range r.Claims {
		byID[c.ID] = c
	}
	return byID
}

func verdicts(cs map[string]*Claim) map[string]Verdict {
	v := map[string]Verdict{}
	for id, c := range cs {
		v[id] = c.Verdict
	}
	return v
}

// What the roofline of the paper's GPU says of each claim with today's kernels.
func TestVerdicts(t *testing.T) {
	got := audit(t, Options{Judge: "roofline"})
	want := map[string]Verdict{
		"throughput-10x": DoesNotHold, "long-context-4.9x": DoesNotHold, "crossover-4k": Holds, "latency-linear": HoldsWhen,
		"best-of-three": Holds, "gmu-io": Holds, "io-16x": HoldsWhen, "io-ratio-heads": DoesNotHold,
		"seed-estimator": DoesNotHold, "prefill-linear": Holds, "half-replaced": Holds, "short-skip": DoesNotHold,
	}
	if d := cmp.Diff(want, verdicts(got)); d != "" {
		t.Error(d)
	}
	for id, c := range got {
		if c.Limit == nil || c.Roofline == nil || c.Reason == "" || len(c.Working) == 0 || c.Source == "" || c.Setting == "" {
			t.Errorf("%s is not complete: %+v", id, c)
		}
		if (c.Verdict == HoldsWhen) && c.Condition == "" {
			t.Errorf("%s holds when?", id)
		}
		for _, v := range []*float64{c.Limit, c.Roofline, c.Calibrated, &c.Claimed} {
			if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
				t.Errorf("%s has the figure %g", id, *v)
			}
		}
		for _, g := range c.Sweeps {
			for _, r := range g.Rows {
				if len(r.Values) != len(g.Columns) {
					t.Errorf("%s: %q has %d values for %d columns", id, r.Name, len(r.Values), len(g.Columns))
				}
			}
		}
	}
}

// The card's formulas, by hand: its default model has 10 GMUs and 10 attention layers in
// the cross-decoder, so its improvement is 10/(10+10/32) = 32/33.
func TestCardFormulas(t *testing.T) {
	e := CardDecodingEfficiency(40, 4096, 2000, 32000, 1)
	if e.GMULayers != 10 || e.AttentionLayers != 10 || math.Abs(e.Improvement-32./33) > 1e-12 {
		t.Errorf("%+v", e)
	}
	if want := 10 * 2000 * 4096 * 4 * 32000; e.BaselineBytes != want {
		t.Errorf("baseline %d, want %d", e.BaselineBytes, want)
	}
	if e := CardDecodingEfficiency(40, 4096, 0, 32000, 1); e.Improvement != 1 {
		t.Errorf("no prompt: %+v", e)
	}
	if e := CardDecodingEfficiency(42, 4096, 1, 1, 1); e.GMULayers != 11 || e.AttentionLayers != 10 {
		t.Errorf("an odd cross-decoder begins and ends with a GMU: %+v", e)
	}
	want := CardMemory{GMUBytes: 4 * 2 * 1000 * 128, StandardBytes: 4 * 2 * 1000 * 4096, Reduction: 32}
	if got := CardMemoryComplexity(4096, 32, 1000, 2); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The seed-estimator claim shows the card's own 0.97 and the corrected figure beside it.
func TestSeedEstimator(t *testing.T) {
	c := audit(t, Options{Only: []string{"seed-estimator"}})["seed-estimator"]
	if math.Abs(c.Claimed-32./33) > 1e-12 {
		t.Errorf("claimed %g", c.Claimed)
	}
	corrected := 0.0
	for _, s := range c.Working {
		if s.What == "corrected" {
			corrected = s.Value
		}
	}
	if math.Abs(corrected-20./(10+10./32)) > 1e-12 {
		t.Errorf("corrected %g", corrected)
	}
	if !strings.Contains(c.Reason, "0.97×") || !strings.Contains(c.Reason, "1.94×") {
		t.Error(c.Reason)
	}
}

// scaled prices decode steps of one model by a factor and adds overhead to them.
type scaled struct {
	Price
	factor, overhead float64
}

func (s scaled) At(f costmodel.Fidelity) costmodel.Pricer {
	return scaledPricer{s.Price.At(f), s.factor, s.overhead}
}

type scaledPricer struct {
	costmodel.Pricer
	factor, overhead float64
}

func (s scaledPricer) Step(batch, context int) float64 {
	return s.factor*s.Pricer.Step(batch, context) + s.overhead
}

func (s scaledPricer) Generation(w costmodel.Workload) float64 {
	return s.factor*s.Pricer.Generation(w) + s.overhead*float64(w.Generate)
}

func pricedBy(model string, factor, overhead float64) Pricer {
	return func(m *arch.Model, hw *hardware.Profile, o costmodel.Options) (Price, error) {
		c, err := costmodel.Compile(m, hw, o)
		if err != nil || m.Name != model {
			return c, err
		}
		return scaled{c, factor, overhead}, nil
	}
}

// Verdicts follow the prices: other costs, kernels or hardware turn them.
func TestPerturbed(t *testing.T) {
	narrow, err := hardware.Open("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	uncached := *narrow // what is read again comes from memory
	uncached.CacheBandwidth = hardware.Figure{}
	slow := *narrow
	slow.MemoryBandwidth.Value *= 1e-3
	for _, x := range []struct {
		name, id string
		o        Options
		want     Verdict
	}{
		{"Flash five times as fast", "throughput-10x", Options{Price: pricedBy(flash, 0.2, 0)}, Holds},
		{"Flash 1.7 times as fast", "throughput-10x", Options{Hardware: &uncached, Price: pricedBy(flash, 0.58, 0)}, HoldsWhen},
		{"memory read per query head", "long-context-4.9x", Options{Hardware: &uncached}, HoldsWhen},
		{"memory read per query head, as deployed", "long-context-4.9x", Options{Hardware: &uncached, Deploy: costmodel.Options{KVRead: execution.PackedUnlessWindowed}}, Holds},
		{"four passes, undone by fusing", "long-context-4.9x", Options{Hardware: &uncached, Deploy: costmodel.Options{KVRead: execution.PackedUnlessWindowed, Diff: execution.FourPass}}, HoldsWhen},
		{"a Flash step costs 0.5 ms more", "crossover-4k", Options{Price: pricedBy(flash, 1, 0.5e-3)}, Holds},
		{"a Flash step costs 1.2 ms more", "crossover-4k", Options{Price: pricedBy(flash, 1, 1.2e-3)}, HoldsWhen},
		{"a Flash step costs 1 s more", "crossover-4k", Options{Price: pricedBy(flash, 1, 1)}, DoesNotHold},
		{"every layer runs over the prompt", "prefill-linear", Options{Deploy: costmodel.Options{Prefill: execution.Full}}, HoldsWhen},
		{"SambaY 20 % slower", "best-of-three", Options{Price: pricedBy(sambaY, 1.2, 0)}, HoldsWhen},
		{"SambaY ten times slower", "best-of-three", Options{Price: pricedBy(sambaY, 10, 0)}, DoesNotHold},
		{"overhead dwarfs the cache", "latency-linear", Options{Price: pricedBy(phi, 1, 1)}, DoesNotHold},
		{"Phi4-mini's steps 1.3 % dearer", "short-skip", Options{Price: pricedBy(phi, 1.013, 0)}, HoldsWhen},
		{"the card's model without GMUs faster", "seed-estimator", Options{Price: pricedBy("the card's model without GMUs", 0.9, 0)}, Holds},
	} {
		x.o.Only, x.o.Judge = []string{x.id}, "roofline"
		if c := audit(t, x.o)[x.id]; c.Verdict != x.want {
			t.Errorf("%s: %s %s (%s), want %s", x.name, x.id, c.Verdict, c.Reason, x.want)
		}
	}
	c := audit(t, Options{Only: []string{"throughput-10x"}, Hardware: &slow})["throughput-10x"]
	if *c.Roofline <= *c.Limit*(1-1e-6) || c.Verdict == Holds {
		t.Errorf("slow memory: %+v", c)
	}
}

// As deployed the speedup is that of costmodel.Compare, prefill aside.
func TestSpeedupIsCompared(t *testing.T) {
	a, err := newAuditor(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := longGeneration
	out, err := a.explain(w)
	if err != nil {
		t.Fatal(err)
	}
	w.Batch = out[0].at[costmodel.Roofline]
	var cs []*costmodel.Compiled
	for _, name := range []string{phi, flash} {
		p, err := a.of(name, a.deploy)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, p.(*costmodel.Compiled))
	}
	rows, err := costmodel.Compare(cs, costmodel.Roofline, w)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := out[0].peak[costmodel.Roofline], rows[0].RequestSeconds/rows[1].RequestSeconds; math.Abs(got/want-1) > 1e-12 {
		t.Errorf("speedup %g, compared %g", got, want)
	}
	// The reason's figures: 9.6 = 3 × 3.2 where queries are not packed.
	for _, o := range out {
		if o.name() == "unpacked" && math.Abs(o.cache-9.6) > 1e-9 {
			t.Errorf("unpacked cache reads differ by %g", o.cache)
		}
	}
	if len(out) != 4*1<<5 {
		t.Errorf("%d sets of explanations", len(out))
	}
}

func TestEqualParameters(t *testing.T) {
	m, err := models.Open(phi)
	if err != nil {
		t.Fatal(err)
	}
	to, err := models.Open(flash)
	if err != nil {
		t.Fatal(err)
	}
	m = m.Clone()
	resizeMLP(m, to.Params().Total)
	if d := math.Abs(float64(m.Params().Total)/float64(to.Params().Total) - 1); d > 1e-4 {
		t.Errorf("off by %g", d)
	}
}

func TestSpan(t *testing.T) {
	for want, ok := range map[string]func(int) bool{"": func(int) bool { return false }, "1–16": func(int) bool { return true },
		"1, 3–4, 16": func(b int) bool { return b == 1 || b == 3 || b == 4 || b == 16 }} {
		if got := span(ok); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBadInput(t *testing.T) {
	if _, err := Run(context.Background(), Options{Only: []string{"nope"}}); err == nil || !strings.Contains(err.Error(), "throughput-10x") {
		t.Error(err)
	}
	if _, err := Run(context.Background(), Options{Judge: "hearsay"}); err == nil {
		t.Error("judged by hearsay")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A claim is reached by what prints as the digits it was claimed in, and by nothing less.
func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		reach  float64
		format string
		want   string
	}{{reaches10, "%.0f", "10"}, {reaches4p9, "%.1f", "4.9"}} {
		if got := fmt.Sprintf(c.format, c.reach+1e-9); got != c.want {
			t.Errorf("%g prints as %s, claimed is %s", c.reach, got, c.want)
		}
		if got := fmt.Sprintf(c.format, c.reach-1e-9); got == c.want {
			t.Errorf("less than %g prints as %s too", c.reach, got)
		}
	}
	for e, want := range map[float64]bool{0.94: false, 0.951: true, 1: true, 1.049: true, 1.06: false, 1.2: false} {
		if linear(e) != want {
			t.Errorf("an exponent of %g is linear: %v", e, !want)
		}
	}
	for e, want := range map[float64]bool{1: true, 1.4: true, 1.49: true, 1.51: false, 2: false} {
		if nearerLinear(e) != want {
			t.Errorf("an exponent of %g is nearer to linear: %v", e, !want)
		}
	}
	if pays != 1.05 {
		t.Errorf("a gain pays from %g, the reasons given say 5 %%", pays)
	}
}

// The mean context of a generation is that of its steps.
func TestMeanContext(t *testing.T) {
	for _, w := range []costmodel.Workload{{Prompt: 2000, Generate: 32000}, {Prompt: 7, Generate: 1}, {Generate: 5}} {
		sum := 0
		for n := w.Prompt + 1; n <= w.Prompt+w.Generate; n++ {
			sum += n
		}
		if got := meanContext(w); got != sum/w.Generate {
			t.Errorf("%+v: %d, the steps see %d in the mean", w, got, sum/w.Generate)
		}
	}
}
