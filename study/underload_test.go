package study

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
)

func underLoad(t *testing.T, engine string) *UnderLoad {
	t.Helper()
	e, err := serving.EngineNamed(engine)
	if err != nil {
		t.Fatal(err)
	}
	return &UnderLoad{Engine: e}
}

// One client that asks for equal lengths of an engine that adds nothing waits as long as an
// estimate says; users are those that the analytic step would allow.
func TestUnderLoad(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"a100-80gb"}, "phi4-mini", "phi4-mini-flash")
	s.Load = costmodel.Workload{Prompt: 1000, Generate: 200, Batch: 1}
	u := underLoad(t, "ideal")
	u.Clients, u.SLO = 1, serving.SLO{TPOT: 8e-3}
	xs, err := s.Under(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range xs {
		p := s.Compiled[i].At(costmodel.Roofline)
		w := s.Load
		if ttft := p.Prefill(w); !near(x.TTFT.Mean, ttft) {
			t.Errorf("TTFT %g, want %g", x.TTFT.Mean, ttft)
		}
		if w.Generate = 199; !near(x.TPOT.Mean, p.Generation(w)/199) || !near(x.TPOT.P99, x.TPOT.Mean) {
			t.Errorf("TPOT %g and %g, want %g", x.TPOT.Mean, x.TPOT.P99, p.Generation(w)/199)
		}
		if x.Users < 2 || x.Binds == "" {
			t.Errorf("%d users, then %q breaks", x.Users, x.Binds)
		}
		f := u.Figures(x)
		if *f.MeanTTFT != 1e3*x.TTFT.Mean || *f.P99TPOT != 1e3*x.TPOT.P99 || *f.Users != x.Users || f.OutputThroughput != x.OutputThroughput || f.Why == "" {
			t.Errorf("figures %+v", f)
		}
	}
	if xs[1].Users <= xs[0].Users {
		t.Errorf("users %d and %d: Flash reads less", xs[0].Users, xs[1].Users)
	}
	u.SLO, u.Clients = serving.SLO{}, 8
	c, err := s.UnderCurve(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Panels) != 2 || len(c.Panels[0].Series) != 2 || len(c.Panels[0].Series[0].Points) != 4 || !strings.Contains(strings.Join(c.Setting, " "), "8 clients") {
		t.Errorf("curve %+v", c)
	}
	pts := c.Panels[0].Series[1].Points
	for i := 1; i < len(pts); i++ {
		if pts[i].X <= pts[i-1].X {
			t.Errorf("throughput falls from 1 to 8 clients: %+v", pts)
		}
	}
}

func TestUnderLoadRefusals(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"a100-80gb"}, "phi4-mini")
	u := underLoad(t, "vllm-0.14")
	if _, err := s.Under(context.Background(), u); err == nil {
		t.Error("neither clients nor a rate")
	}
	u.Rate = 2
	s.Load = costmodel.Workload{Prompt: 100, Generate: 1}
	xs, err := s.Under(context.Background(), u)
	if err != nil || !math.IsNaN(xs[0].TPOT.Mean) || u.Figures(xs[0]).MeanTPOT != nil || u.Figures(xs[0]).Users != nil {
		t.Errorf("answers of one token: %v", err)
	}
	s.Load = costmodel.Workload{Prompt: 1 << 20, Generate: 1}
	if _, err := s.Under(context.Background(), u); err == nil || !strings.Contains(err.Error(), "serves no request of 1048576 + 1 tokens") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Load.Prompt = 10
	if _, err := s.Under(ctx, u); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
