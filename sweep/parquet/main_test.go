package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"

	"ridgeline/sweep"
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
