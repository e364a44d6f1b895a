package reports

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

// Two devices of 700 W at 3 USD an hour: 8 prompts of 1,000 tokens, and 8 tokens a step.
func TestCost(t *testing.T) {
	m, err := models.Open("llama-3.1-8b")
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{TP: 2})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := costmodel.Compare([]*costmodel.Compiled{c}, costmodel.Roofline, costmodel.Workload{Prompt: 1000, Generate: 100, Batch: 8})
	if err != nil {
		t.Fatal(err)
	}
	r := &rows[0]
	r.Speculative = &costmodel.Speculative{Throughput: 2 * r.Decode.TokensPerSecond}
	got := Cost(r, 3)
	perOutput, perInput := r.TPOT()/8, r.TTFT()/8000 // seconds a token
	for _, x := range []struct {
		what      string
		got, want float64
	}{
		{"USD an hour", got.USDPerHour, 6},
		{"USD a million output tokens", got.USDPerOutput, 6.0 / 3600 * perOutput * 1e6},
		{"USD a million input tokens", *got.USDPerInput, 6.0 / 3600 * perInput * 1e6},
		{"J an output token", *got.JoulesPerOutput, 1400 * perOutput},
		{"J an input token", *got.JoulesPerInput, 1400 * perInput},
		{"USD a million output tokens with drafts", *got.SpeculativeOutput, 3.0 / 3600 * perOutput * 1e6},
	} {
		if math.Abs(x.got-x.want) > 1e-9*x.want {
			t.Errorf("%s: %g, by hand %g", x.what, x.got, x.want)
		}
	}
	four, err := costmodel.Compile(m, hw, costmodel.Options{TP: 2, PP: 2})
	if err != nil {
		t.Fatal(err)
	}
	rows[0].Compiled = four
	if c := Cost(r, 3); c.USDPerHour != 12 {
		t.Errorf("two stages of two devices cost %g USD an hour, want 12", c.USDPerHour)
	}
	r.Workload.Prompt = 0
	if none := Cost(r, 3); none.USDPerInput != nil || none.JoulesPerInput != nil {
		t.Error("without a prompt, input tokens cost something")
	}
}
