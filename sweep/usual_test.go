package sweep

import (
	"bytes"
	"encoding/csv"
	"math"
	"strconv"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

// A row and an estimate of the same design on the same device are one number of one
// fidelity, whether the devices vary or not.
func TestUsualFidelity(t *testing.T) {
	m, err := models.Preset("phi4-mini")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	check := func(g *Grid, devices []string) {
		t.Helper()
		if err := g.Normalise(); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.WriteString(CSV.Header(g))
		if _, err := Run(t.Context(), g, CSV, &b, 0, g.Rows(), nil); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 1+len(devices) {
			t.Fatal(err, rows)
		}
		for i, on := range devices {
			hw, err := hardware.Lookup(on)
			if err != nil {
				t.Fatal(err)
			}
			c, err := costmodel.Compile(m, hw, costmodel.Options{})
			if err != nil {
				t.Fatal(err)
			}
			e, err := c.Estimate(costmodel.Usual, costmodel.Workload{Prompt: 2000, Generate: 1000, Batch: 3})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for j, name := range rows[0] {
				got[name] = rows[1+i][j]
			}
			v, _ := strconv.ParseFloat(got["tokens_per_second"], 64)
			if got["on"] != on || got["fidelity"] != e.Fidelity.String() || math.Abs(v/e.Decode.TokensPerSecond-1) > 1e-9 {
				t.Errorf("%s: %s of %s tok/s, an estimate is %s of %g", on, got["fidelity"], got["tokens_per_second"], e.Fidelity, e.Decode.TokensPerSecond)
			}
			seen[got["fidelity"]]++
		}
	}
	setting := func() map[string]string {
		return map[string]string{"model": "phi4-mini", "prompt": "2000", "generate": "1000", "batch": "3"}
	}
	names := hardware.Names()
	check(&Grid{Fixed: setting(), Axes: []Axis{{"on", names}}}, names)
	for _, on := range []string{"h200", "mi300x"} {
		s := setting()
		s["on"] = on
		check(&Grid{Fixed: s}, []string{on})
	}
	if seen["calibrated"] < 8 || seen["roofline"] < 4 || len(seen) != 2 {
		t.Errorf("fidelities of %d devices: %v", len(names), seen)
	}
	// A fidelity that is asked for holds on every device.
	s := setting()
	s["fidelity"] = "roofline"
	g := &Grid{Fixed: s, Axes: []Axis{{"on", []string{"h200", "l4"}}}}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := Run(t.Context(), g, CSV, &b, 0, g.Rows(), nil); err != nil || bytes.Count(b.Bytes(), []byte(",roofline,")) != 2 {
		t.Errorf("%v: %s", err, b.String())
	}
}
