package serving

import "testing"

// Only the first wave misses: its prompts come all at once, and a time of 0.4 s has room for
// no more than 39 of them, while later ones come apart. Of 1,000 requests the first 100 are
// warm-up, and of the other 900 a hundredth may miss: 109 clients are served, not 110.
func TestSearchLeavesOutATenthAndForgivesAHundredth(t *testing.T) {
	l := dense(10000)
	l.Seqs, l.Budget, l.PrefixCache = 1000, 1<<20, false
	d := &Deployment{Limits: l, Price: pricer(linear{step: 0.01, token: 1e-4})}
	load := Load{Prompt: Lengths{Mean: 100}, Generate: Lengths{Mean: 400, Shape: Normal, Spread: 0.5}, Requests: 1000}
	for share, want := range map[float64]float64{0: 109, 0.98: 118} {
		got, err := (&Search{Deployment: d, Load: load, SLO: SLO{TTFT: 0.4}, Users: true, Share: share, Seeds: 1}).Do(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Load != want || got.Binds != "time to first token" {
			t.Errorf("a share of %g: %g clients, bound by %q; want %g", share, got.Load, got.Binds, want)
		}
	}
}
