package claims

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

// made is a simulator with a step time of its own: a request of G tokens takes G times it.
func made(step func(Serving) float64) Simulator {
	return func(_ context.Context, s Serving) (Served, error) {
		n := s.Clients
		if n == 0 {
			n = 40
		}
		s.Clients = n
		t := step(s) * float64(s.Generate)
		return Served{Clients: n, Requests: n, Throughput: float64(n*s.Generate) / t, Latency: t}, nil
	}
}

func working(c *Claim, what string) float64 {
	for _, s := range c.Working {
		if s.What == what {
			return s.Value
		}
	}
	return math.NaN()
}

// With steps of 1 + clients for the baseline and 1 + clients/4 for Flash, three times the
// cache reads unpacked, every figure follows by hand.
func TestSimulated(t *testing.T) {
	step := func(s Serving) float64 {
		n := float64(s.Clients)
		if s.Model.Name == flash || s.Model.Name == sambaY {
			return 1 + n/4
		}
		if s.Deploy.KVRead != execution.Packed {
			n *= 3
		}
		return 1 + n
	}
	c := audit(t, Options{Only: []string{"throughput-10x"}, Simulate: made(step)})["throughput-10x"]
	if want := (1 + 48.) / (1 + 4.); c.Simulated == nil || math.Abs(*c.Simulated-want) > 1e-12 { // 9.8 at 16 clients
		t.Fatalf("simulated %v, want %g", c.Simulated, want)
	}
	// The baseline's 1 client takes 4 steps each, which Flash does between 8 clients (3) and
	// 16 (5): halfway between 8/3 and 16/5 tokens a second, over 1/4.
	if got, want := working(c, "… at the same latency"), 4*(8./3+16./5)/2; math.Abs(got-2.9333333333333336*4) > 1e-9 || math.Abs(want-got) > 1e-9 {
		t.Errorf("at the same latency %g, want %g", got, want)
	}
	if got, want := working(c, "simulated, today's engine and kernels"), 17./5; math.Abs(got-want) > 1e-12 {
		t.Errorf("today %g, want %g", got, want)
	}
	for _, s := range []string{"9.80×", "11.7×", "3.40×", "3.20×", "K and V are read once per query head where a window is set or declared"} {
		if !strings.Contains(c.Quote, s) {
			t.Errorf("the quote lacks %q: %s", s, c.Quote)
		}
	}
	names := map[string]float64{}
	for _, g := range c.Sweeps {
		for _, r := range g.Rows {
			if g.Over == "causes" {
				names[r.Name] = r.Values[0]
			}
		}
	}
	if math.Abs(names["none"]-17./5) > 1e-12 || math.Abs(names["unpacked"]-9.8) > 1e-12 || names["unpacked + same-latency"] == 0 {
		t.Errorf("causes: %v", names)
	}
}

// Where no set of causes reaches a claim within its setting, the quote says which would
// leave it, or that none does.
func TestSimulatedNowhere(t *testing.T) {
	for want, step := range map[string]func(Serving) float64{
		"appears between these two models, at 1–16 clients, when K and V are read once per query head where a window is set or declared, every time from memory": func(s Serving) float64 {
			if s.Model.Name == phi && s.Fidelity == costmodel.Roofline {
				return 10
			}
			return 1
		},
		"No set of causes gives 10.0×": func(s Serving) float64 { return float64(s.Clients) },
		"does not appear between these two models at 1–16 clients; it would when the baseline has a kv head for every query head": func(s Serving) float64 {
			if s.Model.Name == phi+", MHA" {
				return 12
			}
			return float64(s.Clients)
		},
	} {
		c := audit(t, Options{Only: []string{"throughput-10x"}, Simulate: made(step)})["throughput-10x"]
		if !strings.Contains(c.Quote, want) {
			t.Errorf("want %q in: %s", want, c.Quote)
		}
	}
}

// Every claim of a served run is simulated, with the paper's kernels, engine and models.
func TestSimulatedClaims(t *testing.T) {
	asked := map[string]bool{}
	step := func(s Serving) float64 {
		if s.Engine == claimEngine && s.Deploy.KVRead == execution.PackedUnlessWindowed && s.Deploy.Diff == execution.FourPass {
			asked[s.Model.Name] = true
		}
		switch s.Model.Name {
		case flash: // slower by 3 s a request, faster by a thousandth of a second a token: from 3,000 tokens on
			return 1 + 3/float64(s.Generate)
		case phi:
			return 1.001
		case sambaY:
			return 0.5
		}
		return 0.6
	}
	cs := audit(t, Options{Only: []string{"crossover-4k", "latency-linear", "best-of-three", "gmu-io"}, Simulate: locked(made(step))})
	if got := *cs["crossover-4k"].Simulated; got != 3001 {
		t.Errorf("Flash answers sooner from %g tokens, want 3001", got)
	}
	lo, hi := 28800.+3, 35200.+3
	if got, want := *cs["latency-linear"].Simulated, math.Log(hi/lo)/math.Log(35200./28800); math.Abs(got-want) > 1e-12 {
		t.Errorf("exponent %g, want %g", got, want)
	}
	if got := *cs["best-of-three"].Simulated; math.Abs(got-1.2) > 1e-12 {
		t.Errorf("least lead %g, want 1.2", got)
	}
	if cs["gmu-io"].Simulated != nil {
		t.Error("a claim of one layer was simulated")
	}
	for _, m := range []string{phi, flash, sambaY, sambaYOCO} {
		if !asked[m] {
			t.Errorf("%s was not served with the paper's kernels", m)
		}
	}
}

func locked(s Simulator) Simulator {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, x Serving) (Served, error) {
		turn <- struct{}{}
		defer func() { <-turn }()
		return s(ctx, x)
	}
}

func TestThroughputAt(t *testing.T) {
	curve := []Served{{Latency: 2, Throughput: 10}, {Latency: 4, Throughput: 20}, {Latency: 8, Throughput: 22}}
	for latency, want := range map[float64]float64{1: 0, 2: 10, 3: 15, 4: 20, 6: 21, 8: 22, 100: 22} {
		if got := throughputAt(curve, latency); got != want {
			t.Errorf("at a latency of %g: %g, want %g", latency, got, want)
		}
	}
}

// The simulator of the claims is package serving: one client with equal lengths on an engine
// that adds nothing is the analytic request, and 16 sequences of 34,000 tokens at once are
// more than vLLM 0.7.3 has room for, unless they wait their turn.
func TestNewSimulator(t *testing.T) {
	hw, err := hardware.Open("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	m, err := models.Open(phi)
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{Engine: "ideal"})
	if err != nil {
		t.Fatal(err)
	}
	s := Serving{Model: m, Hardware: hw, Fidelity: costmodel.Roofline, Engine: "ideal", Prompt: 1500, Generate: 400, Clients: 1, Aligned: true}
	sim := NewSimulator()
	got, err := sim(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	w := costmodel.Workload{Prompt: s.Prompt, Generate: s.Generate - 1, Batch: 1} // the prompt gives the first token
	if want := latency(c, costmodel.Roofline, w); math.Abs(got.Latency/want-1) > 1e-9 {
		t.Errorf("one request takes %g s, %g analytically", got.Latency, want)
	}
	s = Serving{Model: m, Hardware: hw, Fidelity: costmodel.Roofline, Engine: claimEngine, Prompt: 2000, Generate: 32000, Clients: 16, Aligned: true}
	if got, err = sim(context.Background(), s); err != nil || got.Preempted == 0 || got.Fit != 13 || got.Eager < 0.5 {
		t.Errorf("16 at once: %+v, %v; want preemptions, room for 13, most steps eager", got, err)
	}
	s.Promised = true
	if got, err = sim(context.Background(), s); err != nil || got.Preempted != 0 {
		t.Errorf("16 that wait for their blocks: %+v, %v", got, err)
	}
	s.Promised, s.Endless, s.AnyGraph = false, true, true
	more, err := sim(context.Background(), s)
	if err != nil || more.Preempted != 0 || more.Eager != 0 || more.Throughput <= got.Throughput {
		t.Errorf("endless cache: %+v, %v; waiting gave %g tok/s", more, err, got.Throughput)
	}
	s.Clients, s.Endless, s.Promised = 0, false, true
	if got, err = sim(context.Background(), s); err != nil || got.Clients != 13 {
		t.Errorf("as many as fit: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = sim(ctx, s); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.Engine = "abacus"
	if _, err = sim(context.Background(), s); err == nil {
		t.Error("an engine nobody knows")
	}
}

// Figures 4 and 9 have a curve for each model, load and engine.
func TestFigures(t *testing.T) {
	step := func(s Serving) float64 { return 1e-3 * (1 + float64(s.Clients)) }
	for n, want := range map[int][2]int{4: {16, 5}, 9: {4, 6}} {
		curves, fid, err := Figure(context.Background(), n, Options{Simulate: made(step)})
		if err != nil {
			t.Fatal(err)
		}
		if len(curves) != want[0] || fid != "calibrated" {
			t.Errorf("figure %d: %d curves at %s", n, len(curves), fid)
		}
		for _, c := range curves {
			if len(c.Points) != want[1] || c.Model == "" || c.Engine == "" || c.Basis == "" {
				t.Errorf("figure %d: %+v", n, c)
			}
		}
	}
	c, _, err := Figure(context.Background(), 9, Options{Simulate: made(step)})
	if err != nil || math.Abs(c[0].Points[0].Seconds-1.024*(2+3+5+9+17)/5) > 1e-12 {
		t.Errorf("the mean over 1 to 16 clients: %+v, %v", c[0].Points, err)
	}
	if _, _, err := Figure(context.Background(), 5, Options{}); err == nil || !strings.Contains(err.Error(), "4 and 9") {
		t.Error(err)
	}
}

// The paragraph on what simulated figures are known from has the factors of measured kernels: those of
// the cost model's own steps.
func TestGrounds(t *testing.T) {
	c := audit(t, Options{Only: []string{"throughput-10x"}, Simulate: made(func(s Serving) float64 { return 1 + float64(s.Clients) })})["throughput-10x"]
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	step := func(name string, o costmodel.Options, n int) float64 {
		m, err := models.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := costmodel.Compile(m, hw, o)
		if err != nil {
			t.Fatal(err)
		}
		return p.At(costmodel.Calibrated).Step(n, 2000+32000/2)
	}
	for _, tc := range []struct {
		model  string
		o      costmodel.Options
		format string
	}{
		{phi, costmodel.Options{KVRead: execution.PackedUnlessWindowed}, "%s at 1 and %s at 16 sequences where K and V are read once per query head"},
		{phi, costmodel.Options{KVRead: execution.UnsplitIfWindowed}, "%s at 1 and %s at 16 sequences where the keys are not split either"},
		{flash, costmodel.Options{Diff: execution.FourPass}, "as four passes %s at 1 and %s at 16 sequences"},
	} {
		want := fmt.Sprintf(tc.format, ratio(step(tc.model, tc.o, 1)/step(tc.model, costmodel.Options{}, 1)), ratio(step(tc.model, tc.o, 16)/step(tc.model, costmodel.Options{}, 16)))
		if !strings.Contains(c.Grounds, want) {
			t.Errorf("it lacks %q: %s", want, c.Grounds)
		}
	}
	for _, s := range []string{"were timed on a100-80gb", "reads per query head are transferred from h100-sxm", "host times are assumed"} {
		if !strings.Contains(c.Grounds, s) {
			t.Errorf("it lacks %q: %s", s, c.Grounds)
		}
	}
	tpu, err := hardware.Lookup("tpu-v5p")
	if err != nil {
		t.Fatal(err)
	}
	roof := audit(t, Options{Only: []string{"throughput-10x"}, Hardware: tpu, Simulate: made(func(s Serving) float64 { return 1 })})["throughput-10x"]
	if !strings.Contains(roof.Grounds, "No kernel was measured") {
		t.Errorf("on a TPU: %q", roof.Grounds)
	}
}
