package advise_test

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/advise"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func ExampleRun() {
	m, _ := models.Open("phi4-mini-flash")
	hw, _ := hardware.Open("a100-80gb")
	r, err := advise.Run(context.Background(), advise.Options{Model: m, Hardware: hw, Fidelity: costmodel.Roofline,
		Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16}})
	if err != nil {
		panic(err)
	}
	a := r.Find("gmu-ratio")
	fmt.Println(a.Severity, a.Measured)
	// Output: fine 50 % of the cross-decoder's mixers are GMUs
}
