package reports

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
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

// A comparison of several devices names how many and what each decodes, and costs are of them all:
// four groups of two devices that share experts.
func TestCompareOfSeveralDevices(t *testing.T) {
	m, err := models.Open("mixtral-8x7b")
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup("h200")
	if err != nil {
		t.Fatal(err)
	}
	price := func(o costmodel.Options) (*Comparison, *costmodel.Row) {
		c, err := costmodel.Compile(m, hw, o)
		if err != nil {
			t.Fatal(err)
		}
		s := &study.Setup{Compiled: []*costmodel.Compiled{c}, Fidelity: costmodel.Roofline, Load: costmodel.Workload{Prompt: 1000, Generate: 100, Batch: 64}, Price: map[string]float64{"h200": 3}}
		rows, err := s.Compare()
		if err != nil {
			t.Fatal(err)
		}
		return CompareRows(s, rows), &rows[0]
	}
	of := func(x *Comparison, csv string) (float64, bool) {
		for _, c := range x.Table.Columns {
			if c.CSV == csv {
				return c.Cells[0].V, true
			}
		}
		return 0, false
	}
	x, r := price(costmodel.Options{TP: 2, DP: 4, EP: 8})
	each := r.Decode.TokensPerSecond / 8
	for csv, want := range map[string]float64{"devices": 8, "tokens_per_second_per_device": each, "usd_per_hour": 24, "usd_per_million_output": 1e6 * 3 / 3600 / each} {
		if got, _ := of(x, csv); math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s is %g, want %g", csv, got, want)
		}
	}
	if j := x.JSON.Rows[0]; j.Devices != 8 || j.TokensPerSecondPerDevice != each || j.Cost.USDPerHour != 24 {
		t.Errorf("as JSON %d devices of %g tokens a second, %g USD an hour", j.Devices, j.TokensPerSecondPerDevice, j.Cost.USDPerHour)
	}
	// Served tokens cost what all devices do while they are generated.
	if usd := x.servedUSD(0, &serving.Served{Metrics: serving.Metrics{OutputThroughput: 1000}}); usd == nil || math.Abs(*usd-1e6*24/3600/1000) > 1e-9 {
		t.Errorf("a million served tokens cost %v", usd)
	}
	if x.servedUSD(0, &serving.Served{}) != nil {
		t.Error("a run that generates nothing has a price a token")
	}
	x, _ = price(costmodel.Options{})
	if _, ok := of(x, "devices"); ok || x.JSON.Rows[0].Devices != 1 || x.JSON.Rows[0].TokensPerSecondPerDevice != 0 {
		t.Error("one device has a column of how many there are")
	}
}
