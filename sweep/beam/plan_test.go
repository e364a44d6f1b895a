package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
)

// A plan in parts on prism writes the bytes of a local one.
func TestSamePlan(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "ridgeline")
	build := exec.Command("go", "build", "-o", program, "./cmd/ridgeline")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args := strings.Fields("plan mixtral-8x7b --on h200:4 --prompt 500 --generate 50 --rate 4 --tpot p95<40ms --seeds 1 --num-prompts 50 --vary")
	args = append(args, "tp=1,2 pp=1,2 ep=1,4 dp=1,4")
	whole := filepath.Join(dir, "whole.csv")
	if out, err := exec.Command(program, append(args, "--rows", whole)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	got := filepath.Join(dir, "rows.csv")
	p, err := planPipeline(program, args, got, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := ptest.Run(p); err != nil {
		t.Fatal(err)
	}
	if rows, err := os.ReadFile(got); err != nil || !bytes.Equal(rows, want) {
		t.Errorf("%d bytes in parts, %d in one run (%v)", len(rows), len(want), err)
	}
	if bytes.Count(want, []byte("\n")) < 7 {
		t.Errorf("only %s", want)
	}
}

func TestPlanRefusals(t *testing.T) {
	for _, c := range []struct {
		args   string
		output string
		parts  int
		want   string
	}{
		{"sweep", "a.csv", 1, "comes a plan"},
		{"", "a.csv", 1, "comes a plan"},
		{"plan m", "a.json", 1, ".csv or .jsonl"},
		{"plan m", "a.csv", 0, "--parts 0"},
		{"plan m --shard=1/2", "a.csv", 1, "--shard: which rows"},
	} {
		if _, err := planPipeline("ridgeline", strings.Fields(c.args), c.output, c.parts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
	// A program that fails says why, and gives no rows.
	err := (&planRows{Program: "go", Args: []string{"nosuch"}, Of: 2, Format: ".csv"}).ProcessElement(context.Background(), 1, func(shard) { t.Error("a program that fails is taken for rows") })
	if err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a program that fails says %v", err)
	}
	// A part that did not come is missed.
	out := filepath.Join(t.TempDir(), "rows.csv")
	err = (&mergeRows{Output: out, Of: 2, Format: ".csv"}).ProcessElement(context.Background(), 0, func(*shard) bool { return false })
	if err == nil || !strings.Contains(err.Error(), "0 of 2 parts arrived") {
		t.Errorf("without parts: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
}
