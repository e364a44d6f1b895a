package ridgeline_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/units"
)

func Example() {
	m, err := models.Open("phi4-mini-flash")
	if err != nil {
		panic(err)
	}
	hw, err := hardware.Open("a100-80gb")
	if err != nil {
		panic(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		panic(err)
	}
	w, fits := c.Fill(costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16})
	roofline := c.At(costmodel.Roofline)
	fmt.Println("fits:", fits)
	fmt.Println("first token:", units.SI(roofline.Prefill(w), "s"))
	fmt.Println("per token:", units.SI(roofline.Generation(w)/float64(w.Generate), "s"))
	// Output:
	// fits: true
	// first token: 429 ms
	// per token: 9.82 ms
}
