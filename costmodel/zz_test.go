package costmodel

import (
	"context"
	"fmt"
	"os"
	"ridgeline/costmodel/calibrate"
	"testing"
)

func TestZ(t *testing.T) {
	f, _ := os.Open("/work/shared/measured/serving.csv")
	runs, err := calibrate.ReadServing(f, "serving.csv")
	if err != nil {
		t.Fatal(err)
	}
	gs, err := GroupServed(runs)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]calibrate.ServedParts{}
	for _, g := range gs {
		if !g.Elsewhere && !g.Erratic {
			by[g.Engine] = append(by[g.Engine], g.Parts...)
		}
	}
	es := map[string]calibrate.Engine{}
	for k, v := range by {
		e, err := calibrate.FitEngine(context.Background(), k, v)
		fmt.Printf("%+v %v\n", e, err)
		es[k] = e
	}
	all, n := 0., 0.
	for _, g := range gs {
		e := es[g.Engine]
		s := 0.
		for _, x := range g.Errors(&e) {
			s += x
		}
		fmt.Printf("%s %s %s %s %s n=%d elsewhere %v erratic %v mape %.1f basis %s\n", g.Model, g.Hardware, g.Engine, g.Version, g.Precision, len(g.Runs), g.Elsewhere, g.Erratic, 100*s/float64(len(g.Runs)), g.Basis)
		if !g.Erratic {
			all += s
			n += float64(len(g.Runs))
		}
	}
	fmt.Println(all / n)
}
