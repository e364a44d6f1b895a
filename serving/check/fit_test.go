package check

import (
	"testing"

	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/serving"
)

// Host times that a run was simulated with are found again from its means.
func TestFitFindsTheHost(t *testing.T) {
	s := serving.Settings{MaxNumSeqs: number(64), MaxNumBatchedTokens: number(2048), KVBlocks: number(7000)}
	want := serving.Host{Step: 1.2e-3, Request: 6e-3, Reply: 6e-3}
	d, _, err := deployment("llama-2-7b", "h100-sxm", "vllm-0.15.1", 1, precision.BF16, s, &want)
	if err != nil {
		t.Fatal(err)
	}
	load := serving.Load{Prompt: serving.Lengths{Mean: 200}, Generate: serving.Lengths{Mean: 40}, Requests: 40, Stages: []serving.Stage{{Rate: 8}}}
	r, err := serving.Run(t.Context(), d.Limits, d.Price, load.Source(), serving.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run := Run{File: "made", Model: "llama-2-7b", Hardware: "h100-sxm", Engine: "vllm-0.15.1", TP: 1, Replicas: 1, Weights: precision.BF16, Settings: s, Measured: figuresOf(r.Requests, 0)}
	for i := range r.Requests {
		run.Requests = append(run.Requests, r.Requests[i].Request)
	}
	got, loss, err := Fit(t.Context(), &Sample{Runs: []Run{run}}, serving.Host{Step: 4e-4, Request: 2e-3, Reply: 2e-3}, Free{Step: true, Request: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string][2]float64{"step": {got.Step, want.Step}, "request": {got.Request, want.Request}} {
		if e := x[0]/x[1] - 1; e > 0.05 || e < -0.05 {
			t.Errorf("%s is %g s, want %g (loss %g)", name, x[0], x[1], loss)
		}
	}
}
