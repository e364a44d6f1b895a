package check

import (
	"strings"

	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/serving"
)

// The rows of a table are runs of AIConfigurator's benchmark (github.com/ai-dynamo/aiconfigurator,
// commit 496426f: src/aiconfigurator/eval/benchmarks/genai_perf_runner.py): every client asks
// requestsEach times, all begin together once as many requests have warmed the engine up, and
// all prompts and all answers are equally long.
const requestsEach = 10

// roomBeside is the tokens of a step that engines with a budget are given beside the prompt and
// a token for every client. The configurations that AIConfigurator writes have 1,500 or, in
// others of its rules, 500 (src/aiconfigurator/generator/rule_plugin); rows of prompts of 1,024
// tokens show one prompt a step, which leaves the latter. It was chosen on the rows that host
// times were fitted to.
const roomBeside = 500

// settings are those that the benchmark's deployments were configured with
// (src/aiconfigurator/generator: rule_plugin, config/backend_templates, and before that
// cli/backends/trtllm.py of commit 496426f).
func (r *Row) settings() serving.Settings {
	s := serving.Settings{MaxNumSeqs: number(r.Concurrency)}
	longest := r.Prompt + r.Generate + 1500
	budget := r.Concurrency + r.Prompt + roomBeside
	switch r.Engine {
	case "vllm":
		s.MaxNumSeqs = number(max(512, r.Concurrency)) // more seats than clients: graphs follow the seats
		s.MaxModelLen, s.MaxNumBatchedTokens = &longest, &budget
	case "trtllm":
		share, pad := 0.80, true
		s.MaxModelLen, s.MaxNumBatchedTokens, s.MemoryUtilization = &longest, &budget, &share
		s.Captured, s.PadGraphs = upTo(r.Concurrency), &pad
	case "sglang":
		s.Captured = upTo(r.Concurrency)
		if !strings.HasPrefix(r.Version, "0.5.1") { // a slip in the flag's name kept it off before
			mixed := true
			s.MixedChunk = &mixed
		}
	}
	return s
}

func upTo(n int) []int {
	v := make([]int, n)
	for i := range v {
		v[i] = i + 1
	}
	return v
}

// fittedTo reports whether an engine's host times were fitted to every other row of a group, the
// first included (engines.yaml says to which): the rest of it is held out.
func fittedTo(r *Row) bool {
	for _, x := range []struct {
		model, engine, version string
		weights                precision.DType
	}{
		{"Qwen/Qwen3-32B", "vllm", "0.12.0", precision.BF16},
		{"Qwen/Qwen3-32B", "sglang", "0.5.1.post1", precision.BF16},
		{"meta-llama/Llama-3.1-8B-Instruct", "sglang", "0.5.6.post2", precision.FP8},
		{"Qwen/Qwen3-32B", "trtllm", "1.0.0rc3", precision.FP8},
	} {
		if r.Model == x.model && r.Engine == x.engine && r.Version == x.version && r.Precision == x.weights {
			return true
		}
	}
	return false
}
