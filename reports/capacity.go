package reports

import (
	"fmt"

	"github.com/OWNER/ridgeline/serving"
)

// CapacityRow is the heaviest load of a deployment that meets an SLO.
type CapacityRow struct {
	Model    string  `json:"model"`
	Hardware string  `json:"hardware"`
	TP       int     `json:"tp"`
	Replicas int     `json:"replicas"`
	Engine   string  `json:"engine"`
	SLO      string  `json:"slo"`
	Share    float64 `json:"slo_share"`

	MaxRate   *float64   `json:"max_rate,omitempty"`  // requests a second
	MaxUsers  *int       `json:"max_users,omitempty"` // clients at the same time
	Range     [2]float64 `json:"range"`               // lowest and highest result over the seeds
	Binds     string     `json:"binds"`
	AtMost    bool       `json:"at_most_tried"`
	Probes    int        `json:"probes"`
	Output    float64    `json:"output_throughput"`
	PerSecond float64    `json:"request_throughput"`
	MeanTTFT  *float64   `json:"mean_ttft_ms,omitempty"`
	P99TTFT   *float64   `json:"p99_ttft_ms,omitempty"`
	MeanTPOT  *float64   `json:"mean_tpot_ms,omitempty"`
	P99TPOT   *float64   `json:"p99_tpot_ms,omitempty"`
	// Warnings are what a reader should know before using the figures.
	Warnings []string `json:"warnings,omitempty"`
}

// Capacity makes the row for the result of a search for the heaviest load.
func Capacity(model, hardware string, tp, replicas int, d *serving.Deployment, users bool, slo string, share float64, c *serving.Capacity) *CapacityRow {
	r := &CapacityRow{Model: model, Hardware: hardware, TP: tp, Replicas: replicas, Engine: d.Profile.Name, SLO: slo, Share: share,
		Range: [2]float64{c.Low, c.High}, Binds: c.Binds, AtMost: c.Limit, Probes: c.Probes}
	if users {
		n := int(c.Load)
		r.MaxUsers = &n
	} else {
		r.MaxRate = &c.Load
	}
	if c.At == nil {
		return r
	}
	r.Output, r.PerSecond = c.Metrics.OutputThroughput, c.Metrics.RequestThroughput
	r.MeanTTFT, _, _, _, _, r.P99TTFT = millis(c.Metrics.TTFT)
	r.MeanTPOT, _, _, _, _, r.P99TPOT = millis(c.Metrics.TPOT)
	return r
}

// CapacityTable lists such rows.
func CapacityTable(rows []*CapacityRow) *Table {
	what, unit := "rate", "1/s"
	if rows[0].MaxUsers != nil {
		what, unit = "clients", ""
	}
	t := &Table{Title: fmt.Sprintf("The heaviest load under which %.4g %% of requests meet %s", 100*rows[0].Share, rows[0].SLO), Turn: true, Columns: []Column{
		{Name: "model", CSV: "model", Left: true}, {Name: "most\n" + what, Unit: unit, CSV: "capacity", Plain: true}, {Name: "from", CSV: "low", Plain: true}, {Name: "to", CSV: "high", Plain: true},
		{Name: "throughput", Unit: "tok/s", CSV: "output_throughput", Plain: true},
		{Name: "TTFT\nmean", Unit: "s", CSV: "mean_ttft_seconds", Scale: true}, {Name: "TTFT\np99", Unit: "s", CSV: "p99_ttft_seconds", Scale: true},
		{Name: "TPOT\nmean", Unit: "s", CSV: "mean_tpot_seconds", Scale: true}, {Name: "TPOT\np99", Unit: "s", CSV: "p99_tpot_seconds", Scale: true},
		{Name: "what binds", CSV: "binds", Left: true}}}
	for _, r := range rows {
		v := Num(0)
		if r.MaxUsers != nil {
			v = Num(float64(*r.MaxUsers))
		} else if r.MaxRate != nil {
			v = Num(*r.MaxRate)
		}
		t.Add(Txt(r.Model), v, Num(r.Range[0]), Num(r.Range[1]), Num(r.Output), orDash(r.MeanTTFT, 1e-3), orDash(r.P99TTFT, 1e-3), orDash(r.MeanTPOT, 1e-3), orDash(r.P99TPOT, 1e-3), Txt(r.Binds))
		switch {
		case r.AtMost:
			t.Notes = append(t.Notes, r.Model+": nothing binds up to the heaviest load that is tried.")
		case r.Output == 0:
			t.Notes = append(t.Notes, r.Model+": no load meets it, not even the lightest: "+r.Binds+".")
		}
	}
	t.Notes = append(t.Notes, "From and to: single seeds. Requests of the first tenth of a run do not count.")
	return t
}
