package figure_test

import (
	"bytes"
	"fmt"
	"log"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/OWNER/ridgeline/reports/figure"
	"github.com/OWNER/ridgeline/study"
)

// A chart is drawn at the width of a journal's column, for a dark page.
func ExampleNew() {
	chart := &study.Chart{Title: "Two points", Panels: []study.Panel{{Form: study.Curves,
		X: study.Axis{Label: "context", Unit: "tokens", Scale: study.Log2}, Y: study.Axis{Label: "time per output token", Unit: "s", Scale: study.Log10},
		Series: []study.Series{{Name: "a model", Points: []study.Point{{X: 1024, Y: 0.008, Fits: true}, {X: 65536, Y: 0.09}}}}}}}
	f := figure.New(chart, figure.Options{Width: 89 * vg.Millimeter})
	var svg bytes.Buffer
	if err := f.Write(&svg, "two.svg", figure.Dark()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(svg.String(), "time per output token, ms"))
	// Output: true
}
