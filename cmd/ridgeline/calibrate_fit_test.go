package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Timings so far apart that --calibration would refuse the fit are bad input: one line names the row to
// look at, and nothing is written.
func TestUnusableFitIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	var table strings.Builder
	table.WriteString("dtype,m,n,k,latency_us\n")
	for i := range 8 {
		us := 0.001 // a nanosecond
		if i%2 == 1 {
			us = 1e11 // a day
		}
		fmt.Fprintf(&table, "bfloat16,%d,1024,%d,%g\n", 1+i, 1024+i*512, us)
	}
	if err := os.WriteFile(filepath.Join(dir, "gemm_h200.csv"), []byte(table.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "fit.yaml")
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"calibrate", "fit", "--folds", "2", "--measured", dir, "--hardware", "h200", "-o", path}, &out, &errs)
	if said := errs.String(); code != exitBadInput || out.Len() > 0 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "look at gemm_h200.csv:") {
		t.Errorf("exit %d, printed %q, said %q", code, out.String(), said)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was written")
	}
}
