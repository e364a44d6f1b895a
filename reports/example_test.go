package reports_test

import (
	"fmt"
	"os"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
)

func ExampleVerdict() {
	m, _ := models.Open("phi4-mini-flash")
	hw, _ := hardware.Open("a100-80gb")
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		panic(err)
	}
	rows, err := costmodel.Compare([]*costmodel.Compiled{c}, costmodel.Roofline, costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16})
	if err != nil {
		panic(err)
	}
	fmt.Println(reports.Verdict(rows))
	t := &reports.Table{Columns: []reports.Column{{Name: "model", Left: true}, {Name: "time", Unit: "s", Scale: true}}}
	t.Add(reports.Txt("a"), reports.Num(0.0031))
	t.Add(reports.Txt("b"), reports.Num(0.0102))
	if err := t.Text(os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// phi4-mini-flash decodes 1,629 tok/s at batch 16; cache reads take 61 % of a mean step.
	// model  time
	//          ms
	// ───────────
	// a      3.10
	// b      10.2
}
