package serving

import (
	"slices"
	"testing"
)

// With mixed chunks a step with a prompt decodes too, each sequence taking a token of the
// chunk; without them a prompt stops those that run for a step.
func TestMixedChunksDecodeBesidePrompts(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		l := dense(1000)
		l.Policy, l.PrefixCache, l.Budget, l.MixedChunk = "prefill-first-chunked", false, 100, mixed
		// The second prompt arrives while the first request decodes. Alone in its steps it
		// takes two chunks of 100; beside a decode, three: 99, 99 and 2.
		r := simulate(t, l, plain, &Replay{Requests: []Request{{ID: 0, Prompt: 10, Generate: 50}, {ID: 1, Arrive: 1e-9, Prompt: 200, Generate: 1}}}, Options{})
		want := 1 + 2 + 49
		if mixed {
			want = 1 + 49
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
