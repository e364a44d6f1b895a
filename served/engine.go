package served

import (
	"context"
	"fmt"
	"math"
	"sort"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// Parts is a served run taken apart: the seconds of a step's and a prompt's kernels
// without what an engine adds, and how many of them stream.
type Parts struct {
	Step, Prompt               float64
	StepStreams, PromptStreams float64
	StepKernels                float64
	Generate, Concurrency      float64
	TPOT                       float64 // measured, seconds
}

// TPOT is the predicted mean time in seconds per output token of a run under an engine.
// cached says that prompts did not run on the GPUs that decode.
func TPOT(e *kerneltime.Engine, p *Parts, cached bool) float64 {
	t := p.Step + p.StepStreams*e.Stream + p.StepKernels*e.Gap + e.Host + e.Sequence*p.Concurrency
	if !cached {
		t += e.Interleave * (p.Concurrency - 1) * (p.Prompt + p.PromptStreams*e.Stream) / p.Generate
	}
	return t
}

// FitEngine fits an engine to runs.
func FitEngine(ctx context.Context, name string, runs []Parts) (kerneltime.Engine, error) {
	if len(runs) < 8 {
		return kerneltime.Engine{}, fmt.Errorf("%s: %d served runs, want 8 or more", name, len(runs))
	}
	e := kerneltime.Engine{Name: name, Host: 1e-4, Sequence: 2e-5, Stream: 2e-6, Interleave: 0.9, Rows: len(runs)}
	ps := []kerneltime.Param{{Value: &e.Host}, {Value: &e.Sequence}, {Value: &e.Stream}, {Value: &e.Interleave, Most: 1}}
	err := calibrate.Minimise(ctx, ps, 3000, func() float64 {
		sum := 0.0
		for i := range runs {
			sum += calibrate.Robust(math.Log(TPOT(&e, &runs[i], false) / runs[i].TPOT))
		}
		return sum / float64(len(runs))
	})
	if err != nil {
		return e, err
	}
	for i := range runs {
		e.MAPE += math.Abs(TPOT(&e, &runs[i], false)/runs[i].TPOT-1) / float64(len(runs))
	}
	for _, v := range []*float64{&e.Host, &e.Sequence, &e.Stream, &e.Interleave, &e.MAPE} {
		*v = calibrate.Significant(*v, 3)
	}
	return e, nil
}

// WithDerived adds the engines that no served run stands for: vLLM without CUDA graphs,
// which is vLLM and a gap behind every kernel, and one that adds nothing. vLLM, whose
// kernels the profiles were fitted to, comes first.
func WithDerived(fitted []kerneltime.Engine, eagerGap float64, source string) []kerneltime.Engine {
	out := append([]kerneltime.Engine(nil), fitted...)
	for i := range out {
		out[i].Source = source
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Name == "vllm" && out[j].Name != "vllm" })
	for _, e := range fitted {
		if e.Name == "vllm" && eagerGap > 0 {
			e.Name, e.Gap, e.Rows, e.MAPE = "vllm-eager", eagerGap, 0, 0
			e.Source = "vllm, and the gap between all-reduces launched one by one and from a CUDA graph; no served run was measured"
			out = append(out, e)
		}
	}
	return append(out, kerneltime.Engine{Name: "ideal", Interleave: 1, Source: "adds nothing"})
}
