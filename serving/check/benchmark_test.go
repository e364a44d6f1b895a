package check

import (
	"slices"
	"testing"

	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/served"
)

// Settings of a row are those that the benchmark's deployments were configured with.
func TestSettingsOfARow(t *testing.T) {
	row := func(engine, version string) *Row {
		return &Row{served.Run{Engine: engine, Version: version, Prompt: 1000, Generate: 100, Concurrency: 3}}
	}
	v := row("vllm", "0.12.0").settings()
	if *v.MaxNumBatchedTokens != 1503 || *v.MaxModelLen != 2600 || *v.MaxNumSeqs != 512 || v.Captured != nil {
		t.Errorf("vLLM: %d tokens, %d long, %d seats, graphs %v", *v.MaxNumBatchedTokens, *v.MaxModelLen, *v.MaxNumSeqs, v.Captured)
	}
	x := row("trtllm", "1.0.0rc3").settings()
	if *x.MaxNumBatchedTokens != 1503 || *x.MaxNumSeqs != 3 || *x.MemoryUtilization != 0.8 || !*x.PadGraphs || !slices.Equal(x.Captured, []int{1, 2, 3}) {
		t.Errorf("TensorRT-LLM: %d tokens, %d seats, %g of what is free, graphs %v", *x.MaxNumBatchedTokens, *x.MaxNumSeqs, *x.MemoryUtilization, x.Captured)
	}
	if s := row("sglang", "0.5.1.post1").settings(); s.MixedChunk != nil || s.PrefillMost != nil || !slices.Equal(s.Captured, []int{1, 2, 3}) {
		t.Errorf("SGLang 0.5.1: %+v", s)
	}
	if s := row("sglang", "0.5.6.post2").settings(); s.MixedChunk == nil || !*s.MixedChunk {
		t.Errorf("SGLang 0.5.6: %+v", s)
	}
	if r := row("vllm", "0.12.0"); func() bool { r.Concurrency = 700; return *r.settings().MaxNumSeqs != 700 }() {
		t.Error("more clients than seats")
	}
}

// A row simulated as the benchmark ran it is without error against itself, and every second row
// of a group that host times were fitted to counts as held out.
func TestRowsHeldOut(t *testing.T) {
	base := served.Run{Model: "meta-llama/Llama-3.1-8B-Instruct", System: "h200_sxm", Engine: "sglang", Version: "0.5.6.post2", Precision: precision.FP8, TP: 1, Prompt: 200, Generate: 10}
	rows := make([]Row, 11)
	for i := range rows {
		rows[i] = Row{base}
		rows[i].Concurrency = 1 + i
		ttft, tpot, err := rows[i].Simulate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		rows[i].TTFT, rows[i].TPOT = ttft, tpot
	}
	rows[3].TPOT *= 2 // held out: off by a half
	rows[4].TPOT *= 2 // fitted to
	var r Report
	seen := 0
	if err := r.table(t.Context(), rows, func(done, total int) { seen = max(seen, done) }); err != nil {
		t.Fatal(err)
	}
	g := r.By[0]
	near := func(a, b float64) bool { return a > b-1e-9 && a < b+1e-9 }
	if len(r.By) != 1 || seen != 11 || !near(g.TPOTMAPE, 1./11) || g.HeldRows != 5 || !near(g.HeldTPOT, 0.1) || r.HeldOutRows != 5 || !near(*r.HeldOutTPOT, 0.1) || !near(*r.HeldOutTTFT, 0) || !near(*r.HeldOutTTFTMed, 0) {
		t.Errorf("%+v, held out %d rows", g, r.HeldOutRows)
	}
	// Of an engine that nothing was fitted to every row is held out.
	for i := range rows {
		rows[i].Version = "0.5.9"
	}
	var other Report
	if err := other.table(t.Context(), rows, nil); err != nil {
		t.Fatal(err)
	}
	if other.By[0].HeldRows != 11 {
		t.Errorf("%d of 11 rows held out", other.By[0].HeldRows)
	}
}
