package calibrate

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"ridgeline/hardware"
)

func TestZZ(t *testing.T) {
	tabs, err := ReadDir(os.Getenv("MEASURED"))
	if err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"a100-80gb", "h200", "b200", "l40s"} {
		if os.Getenv("HW") != "" && os.Getenv("HW") != name {
			continue
		}
		hw, _ := hardware.Lookup(name)
		start := time.Now()
		var mine []Table
		for _, tb := range tabs {
			if os.Getenv("CLASS") == "" || os.Getenv("CLASS") == tb.Class.String() {
				mine = append(mine, tb)
			}
		}
		p, r, err := Fit(context.Background(), mine, hw, Options{Folds: 5})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("== %s %.1fs\n", name, time.Since(start).Seconds())
		for _, te := range r.Tables {
			for c := range classes {
				if c.String() == te.Class {
					n, d, w := p.Dips(c)
					fmt.Printf("%-30s n=%5d mape %.2f med %.2f p90 %.1f >20us %.2f dips %d of %d worst %.3f\n", te.File, te.Rows, te.MAPE*100, te.MedianAPE*100, te.P90APE*100, te.MAPEOver20*100, d, n, w)
				}
			}
		}
		f, _ := os.Create("/tmp/prof_" + name + ".yaml")
		p.WriteYAML(f)
		st, _ := f.Stat()
		fmt.Println("   size", st.Size())
	}
}
