package reports

import (
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
)

// CostJSON is what a row of a comparison costs: the devices at the price given, kept busy with
// the workload at its batch all the time, and the most energy they can draw.
type CostJSON struct {
	USDPerHour        float64  `json:"usd_per_hour"`                                 // USD an hour of all devices together
	USDPerInput       *float64 `json:"usd_per_million_input"`                        // a million prompt tokens, at the speed of the prefill; null without a prompt
	USDPerOutput      float64  `json:"usd_per_million_output"`                       // USD for a million generated tokens, at the speed of decoding
	JoulesPerInput    *float64 `json:"joules_per_input_token_at_most"`               // devices at their TDP; null where it is not known, or without a prompt
	JoulesPerOutput   *float64 `json:"joules_per_output_token_at_most"`              // joules for a generated token, with devices at their TDP; null where it is not known
	SpeculativeOutput *float64 `json:"usd_per_million_output_speculative,omitempty"` // with speculative decoding, where that was asked for
}

// Cost works out what a row costs where one device costs price, in USD an hour.
func Cost(r *costmodel.Row, price float64) *CostJSON {
	devices := float64(r.Compiled.Devices())
	c := &CostJSON{USDPerHour: devices * price, USDPerOutput: 1e6 * devices * price / 3600 / r.Decode.TokensPerSecond}
	watts := devices * r.Compiled.Hardware.TDP.Value
	prompts := float64(r.Workload.Prompt * r.Workload.Batch)
	if prompts > 0 {
		per := r.Prefill.Seconds / prompts // seconds for a prompt token
		v := 1e6 * c.USDPerHour / 3600 * per
		c.USDPerInput = &v
		if watts > 0 {
			j := watts * per
			c.JoulesPerInput = &j
		}
	}
	if watts > 0 {
		j := watts / r.Decode.TokensPerSecond
		c.JoulesPerOutput = &j
	}
	if s := r.Speculative; s != nil {
		v := 1e6 * c.USDPerHour / 3600 / s.Throughput
		c.SpeculativeOutput = &v
	}
	return c
}

// AddCosts appends the costs of its rows to a comparison's table, and says below the table how
// they were worked out. prices holds the price of each device by its name, in USD an hour; from
// says where the prices come from.
func AddCosts(t *Table, rows []costmodel.Row, prices map[string]float64, from []string) {
	if len(prices) == 0 {
		return
	}
	cols := []Column{
		{Name: "cost", Unit: "USD/h", CSV: "usd_per_hour", Plain: true},
		{Name: "input", Unit: "USD/Mtok", CSV: "usd_per_million_input", Plain: true},
		{Name: "output", Unit: "USD/Mtok", CSV: "usd_per_million_output", Plain: true},
		{Name: "energy in\nat most", Unit: "J/tok", CSV: "joules_per_input_token_at_most", Plain: true},
		{Name: "energy out\nat most", Unit: "J/tok", CSV: "joules_per_output_token_at_most", Plain: true},
	}
	spec := rows[0].Speculative != nil
	if spec {
		cols = append(cols, Column{Name: "output spec.", Unit: "USD/Mtok", CSV: "usd_per_million_output_speculative", Plain: true})
	}
	for i := range rows {
		c := Cost(&rows[i], prices[rows[i].Compiled.Hardware.Name])
		cells := []Cell{Num(c.USDPerHour), orDash(c.USDPerInput, 1), Num(c.USDPerOutput), orDash(c.JoulesPerInput, 1), orDash(c.JoulesPerOutput, 1)}
		if spec {
			cells = append(cells, orDash(c.SpeculativeOutput, 1))
		}
		for j := range cols {
			cols[j].Cells = append(cols[j].Cells, cells[j])
		}
	}
	t.Columns = append(t.Columns, cols...)
	t.Notes = append(t.Notes, CostNote(from))
}

// CostTable lists the costs of the rows of a comparison in a table of their own.
func CostTable(rows []costmodel.Row, prices map[string]float64) *Table {
	t := &Table{Columns: []Column{{Name: "model", CSV: "model", Left: true}}}
	for _, n := range RowNames(rows) {
		t.Add(Txt(n))
	}
	AddCosts(t, rows, prices, nil)
	t.Notes = nil
	return t
}

// CostNote says what the costs and energies of a comparison mean.
func CostNote(from []string) string {
	return "Costs: devices that do nothing but this workload, at its batch; a served load leaves some of their time idle (plan, simulate). Energy: devices at their TDP, so at most; idle draw, hosts and cooling are not in it. Prices: " + strings.Join(from, "; ") + "."
}
