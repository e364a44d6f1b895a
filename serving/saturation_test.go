package serving

import (
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
)

// More clients are never served more slowly as a whole and never get their first tokens or answers
// sooner, up to far beyond what an engine has room for, whatever the engine does with experts and
// with hybrid caches. A run has a ramp and an end of its own, which 3 % leave room for.
func TestCurvesThroughSaturation(t *testing.T) {
	for model, tp := range map[string]int{"mixtral-8x7b": 2, "gpt-oss-20b": 1, "phi4-mini-flash": 1, "nemotron-3-nano-30b-a3b": 1} {
		c := compiled(t, model, "h200", costmodel.Options{TP: tp, Engine: "ideal"})
		for _, engine := range []string{"vllm-0.7", "vllm-0.14", "vllm-0.19", "sglang", "sglang-0.5.6", "trtllm", "trtllm-max-utilization"} {
			t.Run(model+"/"+engine, func(t *testing.T) {
				t.Parallel()
				p, err := EngineNamed(engine)
				if err != nil {
					t.Fatal(err)
				}
				blocks := 12_000 // of 16 tokens
				switch p.Layout.Value {
				case "unified":
					blocks = 40_000
				}
				blocks = blocks * 16 / p.Block.Value
				d, err := Deploy(p, c, costmodel.Roofline, Settings{KVBlocks: &blocks, MaxNumSeqs: ptr(192)})
				if err != nil {
					t.Fatal(err)
				}
				var before Metrics
				for _, clients := range []int{1, 4, 16, 64, 256, 512} {
					load := &Load{Prompt: Lengths{Mean: 800, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 60, Shape: Normal, Spread: 0.3}, Requests: max(8*clients, 60), Concurrency: clients, Stagger: 2e-3}
					r, err := Run(t.Context(), d.Limits, d.Price, load.Source(), Options{Quick: true})
					if err != nil {
						t.Fatal(err)
					}
					m := r.Metrics(SLO{}, 0)
					if m.Completed != load.Requests {
						t.Fatalf("%d clients: %d of %d requests answered", clients, m.Completed, load.Requests)
					}
					for _, x := range []struct {
						name    string
						was, is float64
					}{{"throughput", before.OutputThroughput, m.OutputThroughput}, {"time to first token", before.TTFT.Mean, m.TTFT.Mean}, {"end to end", before.E2E.Mean, m.E2E.Mean}} {
						if x.is < 0.97*x.was {
							t.Errorf("%d clients: %s falls from %g to %g", clients, x.name, x.was, x.is)
						}
					}
					before = m
				}
			})
		}
	}
}
