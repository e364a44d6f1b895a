package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Two runs of one command are the same bytes: the axes of comma lists stand in the order
// that the help states, so shards merge and runs resume.
func TestAxesStandInDeclaredOrder(t *testing.T) {
	dir := t.TempDir()
	exec := func(args ...string) (string, string, int) {
		var out, errs strings.Builder
		code := run(t.Context(), append([]string{"sweep"}, args...), &out, &errs)
		return out.String(), errs.String(), code
	}
	grid := []string{"--on", "a100-80gb,h200", "--vary", "batch=1,2", "--model", "phi4-mini,llama-3.1-8b"}
	whole, _, _ := exec(grid...)
	if !strings.HasPrefix(whole, "row,model,on,batch,prompt,") {
		t.Fatalf("columns %.60s", whole)
	}
	for try := range 10 {
		var shards []string
		for _, s := range []string{"1/2", "2/2"} {
			p := filepath.Join(dir, s[:1]+".csv")
			if _, errs, code := exec(append([]string{"--shard", s, "-o", p}, grid...)...); code != 0 {
				t.Fatalf("try %d: exit %d: %s", try, code, errs)
			}
			shards = append(shards, p)
		}
		if got, errs, code := exec(append([]string{"merge"}, shards...)...); code != 0 || got != whole {
			t.Fatalf("try %d: exit %d: %s", try, code, errs)
		}
	}
}

// A sweep that is stopped exits 130, and names what it left only where it left something.
func TestStoppedSweep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	for _, c := range []struct {
		args  []string
		ready func() bool // when it is stopped
		want  string
	}{
		{[]string{"--pareto", "params"}, func() bool { return true }, "ridgeline: stopped after [0-9]+ rows, which are gone: give -o FILE to keep them\n"},
		{nil, func() bool { return true }, "ridgeline: stopped\n"},
		{[]string{"-o", path}, func() bool { st, err := os.Stat(path + ".partial"); return err == nil && st.Size() > 10_000 },
			"ridgeline: stopped after [0-9]+ rows: --resume goes on from .*a.csv.partial\n"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var out, errs strings.Builder
		go func() {
			for ctx.Err() == nil && !c.ready() {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		code := run(ctx, append([]string{"sweep", "--model", "sambay(d=16)", "--vary", "prompt=1k:500k:1k", "--vary", "generate=1k:500k:1k"}, c.args...), &out, &errs)
		cancel()
		if code != exitStopped || !regexp.MustCompile("^"+c.want+"$").MatchString(errs.String()) {
			t.Errorf("%v: exit %d: %s", c.args, code, errs.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	code := run(ctx, []string{"sweep", "--model", "phi4-mini", "-o", filepath.Join(t.TempDir(), "b.csv")}, &out, &errs)
	if code != exitStopped || errs.String() != "ridgeline: stopped before the first row\n" {
		t.Errorf("stopped at once: exit %d: %s", code, errs.String())
	}
}

// --iso-params looks for widths for minutes on a deep family; Ctrl-C is answered at once.
func TestStoppedIsoParams(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	path := filepath.Join(t.TempDir(), "a.csv")
	code := run(ctx, []string{"sweep", "--model", "sambay(d=2048)", "--iso-params", "900B", "--vary", "gmu_ratio=0:1:0.01", "-o", path}, &out, &errs)
	if code != exitStopped || out.Len() > 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a stopped sweep left a whole file")
	}
}
