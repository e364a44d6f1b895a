package study_test

import (
	"fmt"
	"log"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/study"
)

// The numbers of a figure: decode throughput of a model, and whether the batch fits.
func ExampleSetup_Throughput() {
	hw, err := hardware.Lookup("l40s")
	if err != nil {
		log.Fatal(err)
	}
	m, err := models.Open("phi4-mini")
	if err != nil {
		log.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	s := &study.Setup{Compiled: []*costmodel.Compiled{c}, Fidelity: costmodel.Roofline,
		Load: costmodel.Workload{Prompt: 2000, Generate: 8000, Batch: 16}}
	chart := s.Throughput()
	for _, p := range chart.Panels[0].Series[0].Points[4:8] {
		fmt.Printf("%6.0f %s: %4.0f %s, fits: %v\n", p.X, chart.Panels[0].X.Label, p.Y, chart.Panels[0].Y.Unit, p.Fits)
	}
	// Output:
	//   4096 tokens generated:  849 tokens/s, fits: true
	//   8192 tokens generated:  672 tokens/s, fits: true
	//  16384 tokens generated:  474 tokens/s, fits: true
	//  32768 tokens generated:  298 tokens/s, fits: false
}
