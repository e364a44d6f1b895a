package crosscheck

import (
	"context"
	"testing"
	"time"

	"ridgeline/hardware"
	"ridgeline/precision"
)

func TestShowHost(t *testing.T) {
	ctx := context.Background()
	p, err := hardware.Measure(ctx, hardware.MeasureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("bw %.1f GB/s peak %.1f GFLOP/s", p.MemoryBandwidth.Value/1e9, p.Peak[precision.FP32].Value/1e9)
	p, err = MeasureReach(ctx, p, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("call %.2g", p.CallSeconds.Value)
	for k, f := range p.Reach {
		t.Logf("%s %.3f", k, f.Value)
	}
	start := time.Now()
	rows, err := Time(ctx, p, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		t.Logf("%-12s %-60s %.3g %.3g %.2f", r.Kernel, r.Shape, r.Predicted, r.Measured, r.Ratio)
	}
	t.Log(time.Since(start))
	start = time.Now()
	s, err := Speedup(ctx, p, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Rows {
		t.Logf("%-18s %-22s %6d  tok/s %.1f/%.1f pred %.1f/%.1f  measured %.2f predicted %.2f err %.2f %v", r.Baseline, r.Model, r.Context,
			r.BaselineTokens, r.ModelTokens, r.BaselinePredicted, r.ModelPredicted, r.Measured, r.Predicted, r.Error(), r.PastCache)
	}
	for _, c := range s.Crossings {
		t.Log(c)
	}
	t.Log(s.MedianError, s.WorstError, time.Since(start))
}
