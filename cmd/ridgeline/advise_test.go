package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/advise"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
)

// Every gain that advise promises is there when the change is made: the model file it
// writes, or the flags it names, go through estimate, and the figure is within 5 %.
func TestPromisesKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep.yaml")
	deep := `
width: 1024
vocab: 32000
layout: (mamba swa)*12 mamba@memory full@cache (gmu cross)*3
mixers:
  mamba: {kind: mamba1}
  swa: {kind: attention, heads: 16, kv_heads: 4, head_dim: 64, window: 2048}
  full: {kind: attention, heads: 16, kv_heads: 4, head_dim: 64}
  cross: {kind: cross, of: cache}
  gmu: {kind: gmu, memory: memory}
ffn: {kind: swiglu, inner: 4096}
`
	if err := os.WriteFile(file, []byte(deep), 0o644); err != nil {
		t.Fatal(err)
	}
	kept := map[string]int{}
	lines := [][]string{
		{"phi4-mini-flash"}, {"phi4-mini-flash", "--batch", "16"}, {"phi4-mini-flash", "--batch", "max", "--on", "h200"},
		{"phi4-mini-flash", "--kv-read", "per_query_head", "--diff-kernel", "four_pass", "--prefill", "full", "--batch", "8"},
		{"samba-yoco-3.8b", "--batch", "16"}, {"sambay(d=32,gmu_ratio=0.2)", "--batch", "32"}, {"sambay(d=16,window=64Ki)", "--batch", "16"},
		{"sambay(d=16)", "--tp", "8", "--batch", "64"}, {"mambay(d=16)", "--state", "fp32", "--batch", "64", "--generate", "1k"},
		{file, "--prompt", "32k", "--generate", "500", "--batch", "4"}, {"phi4-mini", "--batch", "8", "--fidelity", "limit"},
	}
	for _, p := range models.Presets() {
		lines = append(lines, []string{p.Name})
	}
	for _, args := range lines {
		var r advise.Report
		cli(t, &r, append([]string{"advise"}, args...)...)
		for _, v := range r.Advice {
			model, specs := args[0], []string{}
			if v.YAML != "" {
				model = filepath.Join(t.TempDir(), "changed.yaml")
				if err := os.WriteFile(model, []byte(v.YAML), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if specs = append(specs, model); v.Model != "" {
				specs = append(specs, v.Model)
			}
			for _, m := range specs {
				if len(v.Gains) == 0 {
					continue
				}
				var before, after reports.EstimateJSON
				cli(t, &before, append([]string{"estimate"}, args...)...)
				cli(t, &after, append(append([]string{"estimate", m}, args[1:]...), v.Flags...)...)
				for _, g := range v.Gains {
					kept[v.ID]++
					factor := estimated(t, after, g.Metric) / estimated(t, before, g.Metric)
					if g.Metric == advise.TPOT || g.Metric == advise.TTFT || g.Metric == advise.Request {
						factor = 1 / factor
					}
					if math.Abs(factor/g.Factor-1) > 0.05 || factor <= 1 {
						t.Errorf("%v: %s promises %s of %s, %v gives %.3f", args, v.ID, g.Metric, m, v.Flags, factor)
					}
				}
			}
		}
	}
	// No rule that can promise goes untried.
	for _, id := range []string{"gmu-ratio", "self-decoder-depth", "cache-owners", "window", "batch-weights", "kernels",
		"kv-precision", "state-precision", "tensor-parallel", "binds"} {
		if kept[id] == 0 {
			t.Errorf("no promise of %s was tried", id)
		}
	}
}

// cli runs a command with JSON output and decodes it.
func cli(t *testing.T, v any, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), append(args, "--format", "json"), &out, &errs); code != 0 {
		t.Fatalf("%s: exit %d: %s", strings.Join(args, " "), code, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), v); err != nil {
		t.Fatal(err)
	}
}

func estimated(t *testing.T, e reports.EstimateJSON, m advise.Metric) float64 {
	t.Helper()
	switch m {
	case advise.TPOT:
		return e.TPOTSeconds
	case advise.TTFT:
		return e.TTFTSeconds
	case advise.Request:
		return e.RequestSeconds
	case advise.TokensPerSecond:
		return e.Decode.TokensPerSecond
	case advise.MaxBatch:
		return float64(e.Memory.MaxBatch)
	case advise.PerDevice:
		return e.Decode.TokensPerSecond / float64(e.TP)
	}
	t.Fatalf("no figure %s", m)
	return 0
}
