package costmodel_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func ExampleCompile() {
	m, _ := models.Open("llama-3.1-8b")
	hw, _ := hardware.Open("h200")
	c, err := costmodel.Compile(m, hw, costmodel.Options{TP: 2})
	if err != nil {
		panic(err)
	}
	w := costmodel.Workload{Prompt: 1000, Generate: 500, Batch: 64}
	mem := c.Memory(w)
	fmt.Printf("%.1f GB of weights a device, at most %d sequences\n", mem.WeightsBytes/1e9, mem.MaxBatch)
	for _, f := range costmodel.Fidelities() {
		fidelity, _ := costmodel.ParseFidelity(f)
		at := c.At(fidelity)
		fmt.Printf("%s: a step of %.1f ms\n", f, 1e3*at.Step(w.Batch, w.Prompt))
	}
	// Output:
	// 8.0 GB of weights a device, at most 1338 sequences
	// limit: a step of 2.5 ms
	// roofline: a step of 2.6 ms
	// calibrated: a step of 7.7 ms
}

func ExampleCompare() {
	hw, _ := hardware.Open("a100-80gb")
	var cs []*costmodel.Compiled
	for _, name := range []string{"phi4-mini", "phi4-mini-flash"} {
		m, err := models.Open(name)
		if err != nil {
			panic(err)
		}
		c, err := costmodel.Compile(m, hw, costmodel.Options{})
		if err != nil {
			panic(err)
		}
		cs = append(cs, c)
	}
	rows, err := costmodel.Compare(cs, costmodel.Roofline, costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.2f times as fast\n", rows[1].Speedup)
	// Output: 2.27 times as fast
}
