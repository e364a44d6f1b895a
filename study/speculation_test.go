package study

import (
	"context"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
)

// Where a part of each prompt is cached, figures of prompts are those of an estimate that
// has it too; figures of decoding do not change.
func TestCachedPrompts(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"a100-80gb"}, "phi4-mini", "phi4-mini-flash")
	before := s.TPOT().Panels[0].Series[0].Points[3].Y
	s.Load.PrefixShare = 0.5
	c, err := s.TTFT()
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range c.Panels[0].Series {
		for _, p := range line.Points {
			e, err := s.Compiled[i].Estimate(costmodel.Roofline, costmodel.Workload{Prompt: int(p.X), Generate: 1, Batch: 16, PrefixShare: 0.5})
			if err != nil {
				t.Fatal(err)
			}
			if !near(p.Y, e.TTFT()) {
				t.Errorf("%s: TTFT at %v is %g, an estimate says %g", line.Name, p.X, p.Y, e.TTFT())
			}
		}
	}
	if !strings.Contains(strings.Join(c.Setting, " · "), "50 % of it cached") {
		t.Errorf("the figure does not say what is cached: %q", c.Setting)
	}
	if after := s.TPOT().Panels[0].Series[0].Points[3].Y; after != before {
		t.Errorf("a cached prompt changes a step from %g to %g", before, after)
	}
}

// A comparison speculates for the models that it has drafts for, and what is simulated does too:
// drafts that cost nothing and are always accepted make as many tokens a step more.
func TestDraftsAreServed(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"a100-80gb"}, "phi4-mini", "phi4-mini-flash")
	s.Load = costmodel.Workload{Prompt: 1000, Generate: 400, Batch: 1}
	s.Speculation = map[*costmodel.Compiled]*costmodel.Speculation{s.Compiled[0]: {Draft: costmodel.NGram(), Tokens: 3, Acceptance: 1}}
	rows, err := s.Compare()
	if err != nil {
		t.Fatal(err)
	}
	if rows[0].Speculative == nil || rows[1].Speculative != nil {
		t.Fatalf("drafts of the rows: %v and %v", rows[0].Speculative, rows[1].Speculative)
	}
	u := underLoad(t, "ideal")
	u.Clients = 1
	with, err := s.Under(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	s.Speculation = nil
	without, err := s.Under(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	if gain := without[0].TPOT.Mean / with[0].TPOT.Mean; gain < 3 || gain > 4 {
		t.Errorf("three drafts that are all accepted make the simulated model %.2f× as fast", gain)
	}
	if with[1].TPOT.Mean != without[1].TPOT.Mean {
		t.Error("the model without drafts changes")
	}
}

// Prompts that are alike are computed once by an engine that keeps their blocks.
func TestCachedPromptsAreServed(t *testing.T) {
	s := setup(t, costmodel.Roofline, []string{"a100-80gb"}, "phi4-mini")
	s.Load = costmodel.Workload{Prompt: 4000, Generate: 10, Batch: 1}
	u := underLoad(t, "vllm-0.14")
	u.Clients = 1
	ttft := func() float64 {
		x, err := s.Under(context.Background(), u)
		if err != nil {
			t.Fatal(err)
		}
		return x[0].TTFT.Mean
	}
	whole := ttft()
	if s.Load.PrefixShare = 0.75; ttft() > 0.5*whole {
		t.Errorf("three quarters of each prompt are cached, and its first token takes %g of %g s", ttft(), whole)
	}
}
