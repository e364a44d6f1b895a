package spell

import (
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"prompt", "promt", 1}, {"kitten", "sitting", 3}, {"same", "same", 0},
		{strings.Repeat("x", 65), "x", 64},
	} {
		if got := Distance(tc.a, tc.b); got != tc.want {
			t.Errorf("%.10q to %.10q is %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if ab, ba := Distance(tc.a, tc.b), Distance(tc.b, tc.a); ab != ba {
			t.Errorf("%.10q and %.10q are %d and %d apart", tc.a, tc.b, ab, ba)
		}
	}
}
