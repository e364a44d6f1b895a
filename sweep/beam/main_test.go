package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"

	"github.com/OWNER/ridgeline/sweep"
)

func TestMain(m *testing.M) { ptest.MainWithDefault(m, "prism") }

const grid = `
fixed: {model: "sambay(d=16)", prompt: 2k, generate: 1k}
vary:
  on: [a100-80gb, h200, l4]
  gmu_ratio: 0:1:0.25
  batch: [1, 8, 64, 100000]
`

// A pipeline on prism writes the bytes of a local run, whatever the parts.
func TestSameBytes(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		file, grid string
		rows       int
	}{{"a.csv", grid, 7}, {"b.jsonl", grid, 1000}, {"c.csv", grid + "where: [fits]\n", 11}, {"d.csv", grid + "where: [\"tpot<=20ms\"]\n", 1}} {
		out := filepath.Join(dir, c.file)
		p, err := pipeline(context.Background(), "grid.yaml", []byte(c.grid), out, c.rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := ptest.Run(p); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		g, err := readGrid("grid.yaml", []byte(c.grid))
		if err != nil {
			t.Fatal(err)
		}
		local := filepath.Join(dir, "local-"+c.file)
		if _, err := (&sweep.File{Path: local, Grid: g}).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(local)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %d locally", c.file, len(got), len(want))
		}
		if _, err := os.Stat(out + ".partial"); err == nil {
			t.Errorf("%s.partial is left", c.file)
		}
	}
}

// Pieces that are missing or come twice are refused before anything is written.
func TestGaps(t *testing.T) {
	for _, c := range []struct {
		pieces []piece
		want   string
	}{
		{[]piece{{From: 0, To: 2, Count: 2}, {From: 3, To: 4, Count: 1}}, "rows 2 to 2 never arrived"},
		{[]piece{{From: 0, To: 2, Count: 2}, {From: 0, To: 2, Count: 2}}, "twice"},
		{[]piece{{From: 0, To: 2, Count: 2}}, "rows 2 to 3 never arrived"},
		{[]piece{{From: 0, To: 4}}, "no row meets"},
	} {
		out := filepath.Join(t.TempDir(), "rows.csv")
		i := 0
		err := (&writeRows{Output: out, Rows: 4}).ProcessElement(context.Background(), 0, func(p *piece) bool {
			if i == len(c.pieces) {
				return false
			}
			*p = c.pieces[i]
			i++
			return true
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Error("a file was written")
		}
	}
}

// A worker whose models or prices differ from those the pipeline was made with refuses.
func TestOtherWorker(t *testing.T) {
	p := &priceRows{Name: "grid.yaml", Grid: []byte(grid), Hash: "another", Output: "a.csv"}
	if err := p.Setup(context.Background()); err == nil || !strings.Contains(err.Error(), "gives other prices") {
		t.Errorf("%v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range [][2]string{{"rows.txt", ".csv, .jsonl"}, {"rows.json", ".csv or .jsonl"}} {
		if _, err := pipeline(context.Background(), "g", []byte(grid), c[0], 1); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", c[0], err)
		}
	}
	if _, err := pipeline(context.Background(), "g.yaml", []byte("vary: 3"), "a.csv", 1); err == nil {
		t.Error("a broken grid is taken")
	}
}
