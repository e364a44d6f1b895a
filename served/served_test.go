package served

import (
	"strings"
	"testing"
)

const header = "model,system,engine,engine_version,precision,tp,prompt,generate,concurrency,ttft_ms,tpot_ms\n"

func FuzzRead(f *testing.F) {
	f.Add("model,system,engine,engine_version,precision,tp,prompt,generate,concurrency,ttft_ms,tpot_ms\nx,h100_sxm,vllm,0.12.0,bf16,2,1024,128,16,187.9,22.2\n")
	f.Fuzz(func(t *testing.T, in string) {
		runs, err := Read(strings.NewReader(in), "serving.csv")
		if err == nil && len(runs) == 0 {
			t.Fatal("no runs and no error")
		}
	})
}

// A row of a model nobody knows is counted as skipped, with the reason; the others are priced.
func TestUnknownModelsAreSkipped(t *testing.T) {
	runs, err := Read(strings.NewReader(header+
		"somebody/Unheard-7B,h100_sxm,vllm,0.12.0,bf16,1,1024,128,16,187.9,22.2\n"+
		"Qwen/Qwen3-32B,h100_sxm,vllm,0.12.0,bf16,2,1024,128,16,187.9,22.2\n"+
		"somebody/Unheard-7B,h100_sxm,vllm,0.12.0,bf16,2,1024,128,8,187.9,22.2\n"+
		"Qwen/Qwen3-32B,no_such_gpu,vllm,0.12.0,bf16,2,1024,128,16,187.9,22.2\n"+
		"Qwen/Qwen3-32B,h100_sxm,vllm,0.12.0,bf16,7,1024,128,16,187.9,22.2\n"), "serving.csv")
	if err != nil {
		t.Fatal(err)
	}
	groups, skipped := GroupRuns(runs)
	if len(groups) != 1 || groups[0].Model != "qwen3-32b" || len(groups[0].Runs) != 1 {
		t.Errorf("groups %+v", groups)
	}
	rows := 0
	for _, s := range skipped {
		rows += s.Rows
		if s.Reason == "" || strings.Contains(s.Reason, "\n") || s.Line < 2 {
			t.Errorf("skipped %+v", s)
		}
	}
	if rows != 4 || len(skipped) != 3 || skipped[0].Rows != 2 || !strings.Contains(skipped[0].Reason, "Unheard") {
		t.Errorf("skipped %+v, want two rows of one model, one of a system and one of 7 ranks", skipped)
	}
}
