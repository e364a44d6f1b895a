package study

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func setup(t *testing.T, f costmodel.Fidelity, on []string, names ...string) *Setup {
	t.Helper()
	s := &Setup{Fidelity: f, Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16}, Price: map[string]float64{}}
	for _, o := range on {
		hw, err := hardware.Lookup(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Price[hw.Name] = 2
		for _, n := range names {
			m, err := models.Open(n)
			if err != nil {
				t.Fatal(err)
			}
			c, err := costmodel.Compile(m, hw, costmodel.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s.Compiled = append(s.Compiled, c)
		}
	}
	return s
}

// near reports whether two figures agree to nine digits.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

// A figure's numbers are those of an estimate of the same load, interval and all.
func TestNumbersAreThoseOfEstimates(t *testing.T) {
	for _, f := range []costmodel.Fidelity{costmodel.Limit, costmodel.Roofline, costmodel.Calibrated} {
		s := setup(t, f, []string{"a100-80gb"}, "phi4-mini", "phi4-mini-flash")
		estimate := func(i int, w costmodel.Workload) costmodel.Estimate {
			e, err := s.Compiled[i].Estimate(f, w)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		for i, line := range s.Throughput().Panels[0].Series {
			for _, p := range line.Points {
				e := estimate(i, costmodel.Workload{Prompt: 2000, Generate: int(p.X), Batch: 16})
				if !near(p.Y, e.Decode.TokensPerSecond) || p.Fits != e.Memory.Fits {
					t.Errorf("%s throughput at %v: %+v, estimate %v", f, p.X, p, e.Decode.TokensPerSecond)
				}
				if (p.Low != nil) != (f == costmodel.Calibrated) {
					t.Errorf("%s: an interval at %v: %v", f, p.X, p.Low != nil)
				}
				if p.Low != nil && (!near(*p.Low, 16 / *e.Interval.High) || !near(*p.High, 16 / *e.Interval.Low) || *p.Low > p.Y || *p.High < p.Y) {
					t.Errorf("throughput's interval at %v is %v … %v around %v", p.X, *p.Low, *p.High, p.Y)
				}
			}
		}
		for i, line := range s.TPOT().Panels[0].Series {
			for _, p := range line.Points {
				if e := estimate(i, costmodel.Workload{Prompt: int(p.X) - 1, Generate: 1, Batch: 16}); !near(p.Y, e.TPOT()) {
					t.Errorf("%s TPOT at %v: %v, estimate %v", f, p.X, p.Y, e.TPOT())
				}
			}
		}
		c, err := s.TTFT()
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range c.Panels[0].Series {
			for _, p := range line.Points {
				if e := estimate(i, costmodel.Workload{Prompt: int(p.X), Generate: 1, Batch: 16}); !near(p.Y, e.TTFT()) {
					t.Errorf("%s TTFT at %v: %v, estimate %v", f, p.X, p.Y, e.TTFT())
				}
			}
		}
		// Cost: devices' dollars over the tokens of a whole request of the batch.
		if c, err = s.Cost(); err != nil {
			t.Fatal(err)
		}
		for i, line := range c.Panels[0].Series {
			for _, p := range line.Points[:6] {
				e := estimate(i, costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: int(p.X)})
				if want := 2.0 / 3600 * e.RequestSeconds / (p.X * 32000) * 1e6; !near(p.Y, want) {
					t.Errorf("%s cost at %v: %v, want %v", f, p.X, p.Y, want)
				}
			}
		}
		// The parts of a bar sum to the mean step.
		for i, bar := range s.Breakdown().Panels[0].Series {
			sum, share := 0.0, 0.0
			for _, p := range bar.Points {
				sum, share = sum+p.Y, share+p.Share
			}
			e := estimate(i, s.Load)
			if f != costmodel.Limit && math.Abs(sum/e.TPOT()-1) > 2e-3 || !near(share, 1) {
				t.Errorf("%s: parts sum to %v of a step of %v, shares to %v", f, sum, e.TPOT(), share)
			}
		}
	}
}

// Memory left of the prompt's length is that of shorter prompts, not of the load's.
func TestMemoryBelowThePrompt(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"a100-80gb"}, "phi4-mini")
	s.Load.Prompt = 16384
	line := s.Memory().Panels[0].Series[0]
	for i, p := range line.Points {
		prompt := min(16384, int(p.X)-1)
		if want := s.Compiled[0].Memory(costmodel.Workload{Batch: 16, Prompt: prompt, Generate: int(p.X) - prompt}).TotalBytes; p.Y != want {
			t.Errorf("context %v: %v, want %v", p.X, p.Y, want)
		}
		if i > 0 && p.Y <= line.Points[i-1].Y {
			t.Errorf("memory does not grow from %v to %v", line.Points[i-1].X, p.X)
		}
	}
}

// What does not fit is marked, by every kind, exactly where the largest batch is smaller.
func TestMisfitsAreMarked(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"l40s"}, "llama-3.1-70b", "phi4-mini")
	for _, kind := range Kinds() {
		switch kind {
		case "gmu-ratio", "served":
			continue
		}
		c, err := s.Measure(kind)
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Contains(strings.Join(c.Setting, " "), "does not fit")
		if !c.misfits() || !said {
			t.Errorf("%s: 141 GB on 48 GB are marked %v and said %v", kind, c.misfits(), said)
		}
	}
}

// Every model on every device has a series of its own name; a figure names its fidelity.
func TestSeveralDevices(t *testing.T) {
	s := setup(t, costmodel.Calibrated, []string{"a100-80gb", "h200"}, "phi4-mini", "phi4-mini-flash")
	for _, kind := range Kinds() {
		c, err := s.Measure(kind)
		if kind == "speedup" {
			if err == nil {
				t.Error("a speedup of four is drawn")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, p := range c.Panels {
			for _, x := range p.Series {
				names[p.Heading+x.Name] = true
			}
		}
		setting := strings.Join(c.Setting, " ")
		if kind != "memory" && (!strings.Contains(setting, "calibrated") || c.Fidelity != "calibrated") {
			t.Errorf("%s does not name its fidelity: %s", kind, setting)
		}
		for _, d := range []string{"a100-80gb", "h200"} {
			if !strings.Contains(setting, d) {
				t.Errorf("%s does not name %s", kind, d)
			}
		}
		if kind == "throughput" && (len(names) != 4 || !names["phi4-mini on h200"]) {
			t.Errorf("series %v", names)
		}
	}
	one := setup(t, costmodel.Calibrated, []string{"a100-80gb", "h200"}, "phi4-mini")
	c, err := one.Speedup()
	if err != nil || !strings.Contains(c.Title, "h200") {
		t.Errorf("one model on two devices: %v %v", c, err)
	}
}

// A roofline draws every model it was given, or refuses.
func TestRooflineOfSeveral(t *testing.T) {
	s := setup(t, costmodel.Calibrated, []string{"a100-80gb", "h200"}, "phi4-mini", "phi4-mini-flash")
	c, err := s.Roofline()
	if err != nil || len(c.Panels) != 4 {
		t.Fatalf("%d panels of four rooflines: %v", len(c.Panels), err)
	}
	for _, p := range c.Panels {
		roof, ops := p.Series[0].Points, p.Series[1].Points
		if len(roof) != 3 || len(ops) < 5 {
			t.Fatalf("%s: %d operations under a roof of %d points", p.Heading, len(ops), len(roof))
		}
		bw := roof[1].Y / roof[1].X
		for _, o := range ops {
			if o.Y > math.Min(roof[1].Y, bw*o.X)*(1+1e-9) {
				t.Errorf("%s: %s is above the roof", p.Heading, o.Name)
			}
		}
	}
	if _, err := setup(t, costmodel.Roofline, []string{"a100-80gb", "h200", "l4", "l40s"}, "phi4-mini", "qwen3-8b").Roofline(); err == nil {
		t.Error("eight rooflines are drawn in one figure")
	}
}

// The ratio of a point is the one its model has.
func TestRatiosAreThoseBuilt(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"a100-80gb"}, "sambay(d=8)")
	c, err := s.GMURatio()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Panels[0].Series[0].Points {
		v, err := WithRatio(s.Compiled[0], p.X)
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := v.Model.GMURatio(); !near(r, p.X) {
			t.Errorf("a point stands at ratio %v, its model has %v", p.X, r)
		}
	}
}

// Charts are JSON and rows whatever is measured: no number is infinite.
func TestChartsAreJSON(t *testing.T) {
	s := setup(t, costmodel.Calibrated, []string{"a100-80gb"}, "phi4-mini", "phi4-mini-flash")
	for _, kind := range Kinds() {
		c, err := s.Measure(kind)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if len(c.Rows()) < 4 {
			t.Errorf("%s has %d rows", kind, len(c.Rows()))
		}
	}
	many := &Setup{Compiled: make([]*costmodel.Compiled, MostSeries+1)}
	if _, err := many.Measure("tpot"); err == nil {
		t.Error("more series than can be told apart are measured")
	}
}
