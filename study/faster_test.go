package study

import (
	"strconv"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
)

// From the context that the sentence names on, a step takes less time, and one token below
// it does not.
func TestFaster(t *testing.T) {
	s := setup(t, costmodel.Calibrated, []string{"h200"}, "qwen3-0.6b", "phi4-mini-flash") // small, but its cache grows
	says := s.Faster(1)
	_, rest, ok := strings.Cut(says, "from a context of ")
	n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSuffix(rest, " tokens on."), ",", ""))
	if !ok || err != nil {
		t.Fatalf("%q: %v", says, err)
	}
	for _, x := range []struct {
		n    int
		less bool
	}{{n - 1, false}, {n, true}, {4 * n, true}} {
		if less := s.step(s.Compiled[1], 16, x.n).seconds < s.step(s.Compiled[0], 16, x.n).seconds; less != x.less {
			t.Errorf("at %d tokens a step takes less time: %v (%s)", x.n, less, says)
		}
	}
	s = setup(t, costmodel.Roofline, []string{"h200"}, "phi4-mini", "llama-3.1-70b", "qwen3-0.6b")
	if says := s.Faster(1); !strings.Contains(says, "more time than one of phi4-mini at every context up to 512Ki tokens, also where that does not fit") {
		t.Error(says)
	}
	if says := s.Faster(2); !strings.Contains(says, "at every context") {
		t.Error(says)
	}
	// The other way round a model that is faster from a length on is slower from there on.
	s = setup(t, costmodel.Calibrated, []string{"h200"}, "phi4-mini-flash", "qwen3-0.6b")
	if says := s.Faster(1); !strings.Contains(says, "takes more time than one of phi4-mini-flash from a context of ") || !strings.HasSuffix(says, " tokens on, and no more below it.") {
		t.Error(says)
	}
	s = setup(t, costmodel.Roofline, []string{"h200"}, "qwen3-0.6b", "qwen3-0.6b")
	if says := s.Faster(1); !strings.Contains(says, "takes as long as one of qwen3-0.6b") {
		t.Error(says)
	}
}
