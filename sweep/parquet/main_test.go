package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/OWNER/ridgeline/sweep"
)

// The Parquet file holds the rows of the sweep, cell by cell.
func TestConvert(t *testing.T) {
	dir := t.TempDir()
	csv, pq := filepath.Join(dir, "a.csv"), filepath.Join(dir, "a.parquet")
	g := &sweep.Grid{Fixed: map[string]string{"model": "sambay(d=8)"}}
	for _, v := range []string{"gmu_ratio=0:1:0.25", "kv_heads=2,3", "batch=1,max"} {
		a, err := sweep.ParseAxis(v)
		if err != nil {
			t.Fatal(err)
		}
		g.Axes = append(g.Axes, a)
	}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	if _, err := (&sweep.File{Path: csv, Grid: g}).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{csv, pq}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(pq)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type row struct {
		Row    int64    `parquet:"row,optional"`
		Status string   `parquet:"status,optional"`
		TPOT   *float64 `parquet:"tpot_seconds,optional"`
	}
	r := parquet.NewGenericReader[row](f)
	got := make([]row, g.Rows()+1)
	n, _ := r.Read(got)
	if n != g.Rows() {
		t.Fatalf("%d rows, want %d", n, g.Rows())
	}
	i := 0
	if err := sweep.Read(csv, func(want sweep.Row) error {
		tpot := ""
		if got[i].TPOT != nil {
			tpot = strconv.FormatFloat(*got[i].TPOT, 'g', -1, 64)
		}
		if strconv.FormatInt(got[i].Row, 10) != want.Get("row") || got[i].Status != want.Get("status") || tpot != want.Get("tpot_seconds") {
			t.Errorf("row %d: %+v %s, want %v", i, got[i], tpot, want.Values)
		}
		i++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if run([]string{filepath.Join(dir, "no.csv"), pq}) == nil || run(nil) == nil {
		t.Error("no error for missing files")
	}
}

// Rows of unequal fields and a column twice are errors of one line, and no file is left.
func TestRaggedRows(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ragged.jsonl": "{\"row\":0,\"a\":1}\n{\"row\":1,\"a\":2,\"b\":3}\n",
		"short.jsonl":  "{\"row\":0,\"a\":1}\n{\"row\":1}\n",
		"names.jsonl":  "{\"row\":0,\"a\":1}\n{\"row\":1,\"b\":1}\n",
		"twice.jsonl":  "{\"row\":0,\"a\":1,\"a\":2}\n",
		"twice.csv":    "row,a,a\n0,1,2\n",
		"ragged.csv":   "row,a\n0,1\n1,2,3\n",
		"nested.jsonl": "{\"row\":[0],\"a\":1}\n",
		"empty.csv":    "",
	} {
		in, out := filepath.Join(dir, name), filepath.Join(dir, "out.parquet")
		if err := os.WriteFile(in, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{in, out}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s left a file", name)
		}
	}
}
