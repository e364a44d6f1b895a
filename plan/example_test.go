package plan_test

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/plan"
	"github.com/OWNER/ridgeline/serving"
)

// Ten requests a second on H100s at 3 USD an hour: how many, and split how?
func Example() {
	m, err := models.Open("llama-3.1-8b")
	if err != nil {
		panic(err)
	}
	hw, err := hardware.Open("h100-sxm")
	if err != nil {
		panic(err)
	}
	tpot, err := plan.ParseLimit("tpot", "p95<20ms")
	if err != nil {
		panic(err)
	}
	p := &plan.Problem{
		Models:    []plan.Model{{Name: "meta-llama/Llama-3.1-8B", Model: m}},
		Devices:   []plan.Device{{Profile: hw, Count: 4, Price: 3}},
		Fidelity:  costmodel.Roofline,
		Load:      serving.Load{Prompt: serving.Lengths{Mean: 1000}, Generate: serving.Lengths{Mean: 100}},
		Rate:      10,
		Objective: plan.Objective{Limits: []plan.Limit{tpot}},
	}
	got, err := p.Plan(context.Background())
	if err != nil {
		panic(err)
	}
	b := got.Best
	fmt.Printf("%d × tp %d: %g USD an hour, proven: %v\n%s\n", b.Replicas, b.TP, b.Cost, got.Proven, b.Command)
	// Output:
	// 1 × tp 1: 3 USD an hour, proven: true
	// vllm serve meta-llama/Llama-3.1-8B --tensor-parallel-size 1 --max-num-seqs 1024 --max-num-batched-tokens 8192
}
