package served

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
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

func TestFitEngineFindsKnownOverhead(t *testing.T) {
	want := kerneltime.Engine{Host: 3e-4, Sequence: 2e-5, Stream: 3e-6, Interleave: 0.7}
	var runs []Parts
	for i, c := range []float64{1, 4, 8, 16, 32, 64, 128} {
		for j, g := range []float64{128, 512, 2048} {
			p := Parts{Step: 2e-3 * float64(1+i+j), Prompt: 0.02 * float64(1+j), StepStreams: 100 * float64(1+i%3), PromptStreams: 100, StepKernels: 300, Generate: g, Concurrency: c}
			p.TPOT = TPOT(&want, &p, false)
			runs = append(runs, p)
		}
	}
	got, err := FitEngine(context.Background(), "x", runs)
	if err != nil {
		t.Fatal(err)
	}
	if got.MAPE > 0.01 || math.Abs(got.Interleave/want.Interleave-1) > 0.05 {
		t.Errorf("fitted %+v to runs of %+v", got, want)
	}
	if _, err := FitEngine(context.Background(), "x", runs[:3]); err == nil {
		t.Error("three runs were enough")
	}
}

// By hand: 2 ms of kernels, 100 streaming ones of 3 µs, 0.3 ms of host, 20 µs a sequence.
func TestEngineTPOT(t *testing.T) {
	e := kerneltime.Engine{Host: 3e-4, Sequence: 2e-5, Stream: 3e-6, Interleave: 0.5}
	p := Parts{Step: 2e-3, Prompt: 0.1, StepStreams: 100, PromptStreams: 100, Generate: 1000, Concurrency: 1}
	if got, want := TPOT(&e, &p, false), 2e-3+3e-4+3e-4+2e-5; math.Abs(got/want-1) > 1e-12 {
		t.Errorf("alone: %g, want %g: no other request's prompt", got, want)
	}
	p.Concurrency = 11
	if got, want := TPOT(&e, &p, false), 2e-3+3e-4+3e-4+11*2e-5+0.5*10*(0.1+3e-4)/1000; math.Abs(got/want-1) > 1e-12 {
		t.Errorf("ten others: %g, want %g", got, want)
	}
	if got, want := TPOT(&e, &p, true), 2e-3+3e-4+3e-4+11*2e-5; math.Abs(got/want-1) > 1e-12 {
		t.Errorf("prompts elsewhere: %g, want %g", got, want)
	}
}
