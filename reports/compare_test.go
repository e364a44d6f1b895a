package reports

import (
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
)

// row makes a compared model out of the seconds its mean step spends by bound.
func row(name string, batch int, cacheRead float64, spent map[costmodel.Bound]float64) costmodel.Row {
	r := costmodel.Row{Compiled: &costmodel.Compiled{Model: &arch.Model{Name: name}, Hardware: &hardware.Profile{}}}
	r.Fidelity = costmodel.Roofline
	r.Workload = costmodel.Workload{Batch: batch, Generate: 1}
	r.Memory = costmodel.Memory{Fits: true, MaxBatch: 100, CacheReadBytesPerToken: cacheRead}
	for b, s := range spent {
		r.Time[b] = s
		r.Decode.MeanStepSeconds += s
	}
	r.Decode.TokensPerSecond = float64(batch) / r.Decode.MeanStepSeconds
	return r
}

func compared(rows ...costmodel.Row) []costmodel.Row {
	for i := range rows {
		rows[i].Speedup = rows[i].Decode.TokensPerSecond / rows[0].Decode.TokensPerSecond
	}
	return rows
}

type spent = map[costmodel.Bound]float64

func TestVerdict(t *testing.T) {
	base := row("base", 1, 131072, spent{costmodel.BoundCache: 3e-3, costmodel.BoundWeights: 1e-3})
	unfit := row("huge", 1, 0, spent{costmodel.BoundWeights: 1})
	unfit.Memory.Fits = false
	for _, x := range []struct {
		name      string
		rows      []costmodel.Row
		has, lack []string
	}{
		{"cache", compared(base, row("other", 1, 40960, spent{costmodel.BoundCache: 1e-3, costmodel.BoundWeights: 1e-3})),
			[]string{"other decodes 2.00× as fast as base at batch 1", "cache reads: 1.00 ms against 3.00 ms of a step", "40,960 B", "131,072", "3.2× less", "take 50 % of its step"}, nil},
		{"weights", compared(base, row("other", 1, 131072, spent{costmodel.BoundCache: 3e-3, costmodel.BoundWeights: 5e-3})),
			[]string{"0.50× as fast", "weight reads: 5.00 ms against 1.00 ms"}, []string{"of cache per token"}},
		// The largest change is against the outcome: it explains nothing.
		{"direction", compared(base, row("other", 1, 131072, spent{costmodel.BoundCache: 1.4e-3, costmodel.BoundState: 2e-3})),
			[]string{"cache reads: 1.40 ms"}, []string{"recurrent states:"}},
		{"batches", compared(base, row("other", 10, 40960, spent{costmodel.BoundCache: 5e-3, costmodel.BoundWeights: 1e-3})),
			[]string{"at batch 10 against 1", "500 µs against 3.00 ms per token"}, []string{"of a step ("}},
		{"equal", compared(base, base), []string{"equally fast", "no part of a step"}, []string{"most of the difference"}},
		{"unfit", compared(base, unfit, row("other", 1, 131072, spent{costmodel.BoundCache: 2e-3, costmodel.BoundWeights: 1e-3})),
			[]string{"other decodes"}, []string{"huge"}},
	} {
		got := Verdict(x.rows)
		for _, s := range x.has {
			if !strings.Contains(got, s) {
				t.Errorf("%s: %q is not in %q", x.name, s, got)
			}
		}
		for _, s := range x.lack {
			if strings.Contains(got, s) {
				t.Errorf("%s: %q is in %q", x.name, s, got)
			}
		}
		if strings.Contains(got, "\n") || !strings.HasSuffix(got, ".") {
			t.Errorf("%s: no sentence: %q", x.name, got)
		}
	}
}
