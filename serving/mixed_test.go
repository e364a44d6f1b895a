package serving

import (
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

// With mixed chunks a step with a prompt decodes too, each sequence taking a token of the
// chunk; without them a prompt stops those that run for a step.
func TestMixedChunksDecodeBesidePrompts(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		l := dense(1000)
		l.Policy, l.PrefixCache, l.Budget, l.MixedChunk = "prefill-first-chunked", false, 101, mixed
		// The second prompt arrives in the first step. Alone in its steps it takes three, of
		// 101, 101 and 99 tokens, and the other's three decodes come after them. Beside a decode
		// it has 100 tokens of a step: four steps, the last of one token, and nothing after.
		r := simulate(t, l, plain, &Replay{Requests: []Request{{ID: 0, Prompt: 100, Generate: 4}, {ID: 1, Arrive: plain.step / 2, Prompt: 301, Generate: 1}}}, Options{})
		want := 1 + 3 + 3
		if mixed {
			want = 1 + 4
		}
		if r.Stats.Steps != want {
			t.Errorf("mixed %v: %d steps, want %d", mixed, r.Stats.Steps, want)
		}
	}
}

// The batches engines capture, as their sources list them.
func TestGraphSizes(t *testing.T) {
	for _, x := range []struct {
		rule       string
		most       int
		has, lacks []int
		count      int
	}{
		{"v0", 256, []int{1, 2, 4, 8, 16, 256}, []int{3, 12, 272}, 35},
		{"v1", 512, []int{1, 2, 4, 8, 256, 272, 512}, []int{12, 264, 520}, 51},
		{"sglang", 256, []int{1, 2, 4, 8, 12, 16, 24, 256}, []int{3, 20, 272}, 36},
		{"sglang", 512, []int{256, 272, 496, 512}, []int{264, 504}, 52},
		{"trtllm", 128, []int{1, 2, 3, 31, 32, 64, 128}, []int{33, 40, 96}, 34},
	} {
		got := graphSizes(x.rule, x.most)
		if len(got) != x.count || !slices.IsSorted(got) {
			t.Errorf("%s to %d: %d sizes %v, want %d", x.rule, x.most, len(got), got, x.count)
		}
		for _, n := range x.has {
			if !slices.Contains(got, n) {
				t.Errorf("%s to %d: no graph of %d", x.rule, x.most, n)
			}
		}
		for _, n := range x.lacks {
			if slices.Contains(got, n) {
				t.Errorf("%s to %d: a graph of %d", x.rule, x.most, n)
			}
		}
	}
}

// Engines capture by the rule of their own.
func TestEnginesCaptureByTheirOwnRule(t *testing.T) {
	for engine, want := range map[string][2]int{"sglang": {256, 36}, "trtllm": {128, 34}} {
		got := deploy(t, engine, "llama-3.1-8b", "h200", costmodel.Roofline, costmodel.Options{}, Settings{}).Limits.Graphs.Sizes
		if len(got) != want[1] || got[len(got)-1] != want[0] {
			t.Errorf("%s captures %v; want %d batches to %d", engine, got, want[1], want[0])
		}
	}
}

// A rule for graphs that is not known is refused with the engine that asks for it.
func TestUnknownGraphRuleIsRefused(t *testing.T) {
	data := strings.Replace(string(engineFile), "graphs: {value: sglang,", "graphs: {value: sgl,", 1)
	if _, err := parseEngines([]byte(data)); err == nil || !strings.Contains(err.Error(), "engine sglang has no rule for graphs") {
		t.Errorf("an unknown rule: %v", err)
	}
}

// Settings of SGLang are its own: other engines refuse them, and chunks are mixed only where
// prompts are computed in chunks.
func TestSettingsOfSGLang(t *testing.T) {
	d := deploy(t, "sglang", "llama-3.1-8b", "h200", costmodel.Roofline, costmodel.Options{}, Settings{MixedChunk: ptr(true), PrefillMost: ptr(4096)})
	if !d.Limits.MixedChunk || d.Limits.PromptMost != 4096 {
		t.Errorf("mixed %v, at most %d prompt tokens; want true and 4096", d.Limits.MixedChunk, d.Limits.PromptMost)
	}
	d = deploy(t, "sglang", "llama-3.1-8b", "h200", costmodel.Roofline, costmodel.Options{}, Settings{})
	if d.Limits.MixedChunk || d.Limits.PromptMost != 16384 {
		t.Errorf("by default mixed %v, at most %d prompt tokens; want false and 16384", d.Limits.MixedChunk, d.Limits.PromptMost)
	}
	for _, x := range []struct {
		engine, want string
		s            Settings
	}{
		{"vllm-0.14", "max_prefill_tokens: vllm-0.14 has no such setting", Settings{PrefillMost: ptr(4096)}},
		{"trtllm", "enable_mixed_chunk: trtllm has no such setting", Settings{MixedChunk: ptr(true)}},
		{"sglang", "max_prefill_tokens 0: must be 1 or more", Settings{PrefillMost: ptr(0)}},
		{"sglang", "chunked prefill is off", Settings{MixedChunk: ptr(true), ChunkedPrefill: ptr(false)}},
	} {
		p, err := EngineNamed(x.engine)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Deploy(p, compiled(t, "llama-3.1-8b", "h200", costmodel.Options{}), costmodel.Roofline, x.s); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.engine, err, x.want)
		}
	}
}

// TensorRT-LLM with fp8 weights and nothing said of the cache is told to keep 16 bits, once;
// nobody else is.
func TestCacheBesideFP8WeightsIsTold(t *testing.T) {
	fp8 := formats.Of(precision.FP8)
	for _, x := range []struct {
		engine string
		o      costmodel.Options
		told   bool
	}{
		{"trtllm", costmodel.Options{Weights: fp8}, true},
		{"trtllm-max-utilization", costmodel.Options{Weights: fp8}, true},
		{"trtllm", costmodel.Options{Weights: fp8, KV: precision.FP8}, false},
		{"trtllm", costmodel.Options{Weights: fp8, KV: precision.BF16}, false},
		{"trtllm", costmodel.Options{}, false},
		{"vllm-0.14", costmodel.Options{Weights: fp8}, false},
	} {
		notes := deploy(t, x.engine, "llama-3.1-8b", "h200", costmodel.Roofline, x.o, Settings{}).Notes
		if told := len(notes) == 1 && strings.Contains(notes[0], "ask for an fp8 cache"); told != x.told || !told && len(notes) > 0 {
			t.Errorf("%s, weights %s, cache %s: told %q, want it said: %v", x.engine, x.o.Weights, x.o.KV, notes, x.told)
		}
	}
}

// Batches captured as told are taken in place of the engine's own, in order, and padded where
// that is asked for.
func TestCapturedAsTold(t *testing.T) {
	for _, x := range []struct {
		engine string
		pad    *bool
		batch  int
		rows   int
		eager  bool
	}{
		{"trtllm", nil, 5, 0, true},
		{"trtllm", ptr(true), 5, 7, false},
		{"trtllm", ptr(false), 5, 0, true},
		{"trtllm", ptr(true), 8, 0, true},
		{"vllm-0.14", nil, 5, 7, false},
	} {
		p, err := EngineNamed(x.engine)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Deploy(p, compiled(t, "llama-3.1-8b", "h200", costmodel.Options{TP: 1, Engine: "ideal"}), costmodel.Roofline, Settings{Captured: []int{7, 3}, PadGraphs: x.pad})
		if err != nil {
			t.Fatal(err)
		}
		if rows, eager := d.Limits.Graphs.pad(x.batch, false, 0, 100); rows != x.rows || eager != x.eager {
			t.Errorf("%s, %d sequences: on %d rows, eager %v; want %d, %v", x.engine, x.batch, rows, eager, x.rows, x.eager)
		}
	}
}

// An engine that never evicts computes a prompt once, so that only the prompt has to fit the
// tokens of a step; where a sequence may be preempted its answer is computed again with it.
func TestWhatIsComputedAgain(t *testing.T) {
	for policy, want := range map[string]string{"no-evict": "", "max-utilization": "longer than max_num_batched_tokens, without chunked prefill", "prefill-first-whole": "longer than max_num_batched_tokens, without chunked prefill"} {
		l := &Limits{Policy: policy, Budget: 100, Blocks: 1000, Layout: StoredFull([]CacheLayers{{Kind: FullCache, Layers: 1, PerToken: 1}}, 1)}
		if got := l.servable(100, 50); got != want {
			t.Errorf("%s: %q", policy, got)
		}
		if got := l.servable(101, 1); got == "" {
			t.Errorf("%s: a prompt of more tokens than a step", policy)
		}
		if got := l.servable(51, 50); got != "" {
			t.Errorf("%s: %q", policy, got)
		}
	}
}
