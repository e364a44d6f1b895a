package page_test

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports/page"
	"github.com/OWNER/ridgeline/study"
)

func ExampleBuild() {
	m, _ := models.Open("llama-3.1-8b")
	hw, _ := hardware.Open("h200")
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		panic(err)
	}
	s := &study.Setup{Compiled: []*costmodel.Compiled{c}, Fidelity: costmodel.Roofline,
		Load: costmodel.Workload{Prompt: 1000, Generate: 1000, Batch: 8}}
	p, err := page.Build(context.Background(), s, page.Made{Command: "ridgeline page llama-3.1-8b"})
	if err != nil {
		panic(err)
	}
	for _, s := range p.Sections {
		fmt.Println(s.Heading)
	}
	// Output:
	// Comparison
	// Throughput against generation length
	// Time per token against context
	// Where the time goes
	// What fits
	// How these figures were made
}
