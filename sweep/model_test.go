package sweep

import (
	"bytes"
	"context"
	"encoding/csv"
	"strings"
	"testing"
)

// rowsOf runs a grid of the command line's parts and returns the rows as records.
func rowsOf(t *testing.T, iso float64, fixed map[string]string, vary ...string) []Row {
	t.Helper()
	g := &Grid{Fixed: fixed, IsoParams: iso}
	for _, v := range vary {
		a, err := ParseAxis(v)
		if err != nil {
			t.Fatal(err)
		}
		g.Axes = append(g.Axes, a)
	}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := Run(context.Background(), g, CSV, &b, 0, g.Rows(), nil); err != nil {
		t.Fatal(err)
	}
	var rows []Row
	for _, l := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		rows = append(rows, Row{g.Columns(), splitCSV(t, l)})
	}
	return rows
}

// An option that the spec has under one of its spellings, a family without options and a
// preset that a family made are varied alike.
func TestVaryFamilies(t *testing.T) {
	want := rowsOf(t, 0, map[string]string{"model": "sambay(d=8,window=256)"}, "d=8,16")
	for _, model := range []string{"sambay(depth=16,window=256)", "SambaY( window=256 )", "sambay-1b"} {
		for i, r := range rowsOf(t, 0, map[string]string{"model": model}, "d=8,16") {
			if r.Get("status") != "ok" || r.Get("params") != want[i].Get("params") || r.Get("tpot_seconds") != want[i].Get("tpot_seconds") {
				t.Errorf("%s, d %s: %s %s, %s parameters, want %s", model, r.Get("d"), r.Get("status"), r.Get("reason"), r.Get("params"), want[i].Get("params"))
			}
		}
	}
}

// The width that makes equal models is one the family can have, and the one scale finds.
func TestIsoParamsOfDeltaNet(t *testing.T) {
	for _, model := range []string{"gdny(d=16)", "gdny-1b"} {
		r := rowsOf(t, 1e9, map[string]string{"model": model}, "batch=1,2")
		if r[0].Get("status") != "ok" || r[0].Get("params") < "1000000000" || r[0].Get("params") > "1010000000" || len(r[0].Get("params")) != 10 {
			t.Errorf("%s: %s %s, %s parameters", model, r[0].Get("status"), r[0].Get("reason"), r[0].Get("params"))
		}
	}
	for iso, want := range map[float64]string{1: "no width gives 1 parameters: the least, 4, has", 9e14: "no width up to 1048576 has 9e+14"} {
		r := rowsOf(t, iso, map[string]string{"model": "gdny(d=8)"}, "batch=1")
		if !strings.Contains(r[0].Get("reason"), want) {
			t.Errorf("%g parameters: %s", iso, r[0].Get("reason"))
		}
	}
}

func splitCSV(t *testing.T, line string) []string {
	t.Helper()
	v, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
