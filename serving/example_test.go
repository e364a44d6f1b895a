package serving_test

import (
	"context"
	"fmt"
	"log"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/serving"
)

// Eight clients of a vLLM that serves Phi-4-mini-flash on one H200, each asking again when it
// has its answer.
func Example() {
	m, err := models.Open("phi4-mini-flash")
	if err != nil {
		log.Fatal(err)
	}
	gpu, err := hardware.Lookup("h200")
	if err != nil {
		log.Fatal(err)
	}
	c, err := costmodel.Compile(m, gpu, costmodel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	engine, err := serving.EngineNamed("vllm-0.14")
	if err != nil {
		log.Fatal(err)
	}
	d, err := serving.Deploy(engine, c, costmodel.Calibrated, serving.Settings{})
	if err != nil {
		log.Fatal(err)
	}
	x, err := d.Served(context.Background(), serving.Ask{
		Clients:  8,
		Prompt:   serving.Lengths{Mean: 1024},
		Generate: serving.Lengths{Mean: 256},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("preemptions %d, users asked for: %v\n", x.Preemptions, x.Users >= 0)
	// Output: preemptions 0, users asked for: false
}
