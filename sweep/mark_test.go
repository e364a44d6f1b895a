package sweep

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The first and last lines of a shard count only when they are whole: one without its line
// break was cut off while it was written.
func TestMarksAreWholeLines(t *testing.T) {
	for _, f := range []Format{CSV, JSONL} {
		open, close := csvEnd, ""
		if f == JSONL {
			open, close = jsonEnd, jsonClose
		}
		line := open + `{}` + close
		if _, ok := readEnd(f, []byte(line+"\n")); !ok {
			t.Errorf("%v: %q is no end", f, line)
		}
		if _, ok := readEnd(f, []byte(line)); ok {
			t.Errorf("%v: an end without its line break is believed", f)
		}
	}
}

// A shard is of one row at the least, of rows that the grid has.
func TestMarksOfNoRows(t *testing.T) {
	for text, want := range map[string]bool{
		`{"grid":"x","rows":10,"from":3,"to":4}`: true, `{"grid":"x","rows":10,"from":3,"to":3}`: false, `{"grid":"x","rows":10,"from":4,"to":3}`: false,
		`{"grid":"x","rows":10,"from":-1,"to":3}`: false, `{"grid":"x","rows":10,"from":3,"to":10}`: true, `{"grid":"x","rows":10,"from":3,"to":11}`: false,
	} {
		if _, ok := readMark(CSV, []byte(csvMark+text+"\n")); ok != want {
			t.Errorf("%s is a mark: %v", text, ok)
		}
	}
}

// A row without figures has none in JSON: null, not zero.
func TestNoFiguresAreNull(t *testing.T) {
	g := &Grid{Fixed: map[string]string{"model": "llama-3.1-8b", "tp": "3"}}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := Run(t.Context(), g, JSONL, &b, 0, 1, nil); err != nil {
		t.Fatal(err)
	}
	columns := g.Columns()
	want := len(columns) - 1 - slices.Index(columns, "reason")
	if n := strings.Count(b.String(), ":null"); n != want || !strings.Contains(b.String(), `"status":"invalid"`) {
		t.Errorf("%d of %d figures are null: %s", n, want, b.String())
	}
}

// A width that is solved for cannot be set or varied as well.
func TestIsoParamsOwnsTheWidth(t *testing.T) {
	for _, g := range []*Grid{
		{Fixed: map[string]string{"model": "sambay(d=8)", "width": "512"}, IsoParams: 1e8},
		{Fixed: map[string]string{"model": "sambay(d=8)"}, Axes: []Axis{{"width", []string{"512", "640"}}}, IsoParams: 1e8},
	} {
		if err := g.Normalise(); err == nil || !strings.Contains(err.Error(), "iso-params solves the width") {
			t.Errorf("%v %v: %v", g.Fixed, g.Axes, err)
		}
	}
}

// An unfinished run stands in the way of another, is taken up, or begun again.
func TestRestart(t *testing.T) {
	g := &Grid{Fixed: map[string]string{"model": "llama-3.1-8b"}, Axes: []Axis{{"batch", []string{"1", "2"}}}}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "a.csv")
	for _, f := range []string{p + ".partial", p + ".partial.grid"} {
		if err := os.WriteFile(f, []byte("of another grid\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, resume := range []bool{false, true} {
		if _, err := (&File{Path: p, Grid: g, Resume: resume}).Run(t.Context()); err == nil {
			t.Errorf("resumed %v over another grid's rows", resume)
		}
	}
	if n, err := (&File{Path: p, Grid: g, Restart: true}).Run(t.Context()); err != nil || n.Rows != 2 {
		t.Errorf("begun again: %d rows, %v", n.Rows, err)
	}
}

// Of the reasons why rows have no figures the first is told; counts add up.
func TestTally(t *testing.T) {
	a := Tally{Rows: 3, Priced: 3}
	a.add(Tally{Rows: 2, Priced: 1, Reason: "first"})
	a.add(Tally{Rows: 1, Reason: "second"})
	if a.Rows != 6 || a.Priced != 4 || a.Reason != "first" {
		t.Errorf("%+v", a)
	}
}

// Rows that do not fit are not on the front, however good.
func TestFrontHoldsWhatFits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path, []byte("row,status,params\n0,ok,5\n1,does_not_fit,1\n2,ok,4\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	rows, err := Pareto(path, []Objective{{"params", false}})
	if err != nil || len(rows) != 1 || rows[0].Get("row") != "2" {
		t.Errorf("%v, %v", rows, err)
	}
}
