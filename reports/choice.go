package reports

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/advise"
)

// ChoiceTable lists a design at every value of a knob; the answer stands below the table.
func ChoiceTable(c *advise.Choice) *Table {
	head := map[string]string{"gmu_ratio": "GMU\nratio", "window": "window", "kv_heads": "kv\nheads"}[c.Knob]
	t := &Table{Title: c.Model, Columns: []Column{
		{Name: head, CSV: c.Knob},
		{Name: "params", CSV: "params", Scale: true}, {Name: "KV\nread\nB/tok", CSV: "cache_read_bytes_per_token"},
		{Name: "sequence", CSV: "bytes_per_sequence", Unit: "B", Scale: true}, {Name: "largest\nbatch", CSV: "max_batch"},
		{Name: "TTFT", CSV: "ttft_seconds", Unit: "s", Scale: true}, {Name: "TPOT", CSV: "tpot_seconds", Unit: "s", Scale: true},
		{Name: "tok/s", CSV: "tokens_per_second"}, {Name: "tok/s\nlargest", CSV: "tokens_per_second_at_max_batch"},
		{Name: "", CSV: "note", Left: true}}}
	for _, r := range c.Rows {
		var notes []string
		for _, n := range []struct {
			holds bool
			text  string
		}{
			{!r.Fits, "does not fit"}, {r.Current, "as it is"}, {c.Knee != nil && r.Value == *c.Knee, "knee"},
			{c.Advised != nil && r.Value == *c.Advised, "fastest recommended"},
			{r.Recommended && (c.Advised == nil || r.Value != *c.Advised), "recommended"},
		} {
			if n.holds {
				notes = append(notes, n.text)
			}
		}
		note := cmp.Or(strings.Join(notes, ", "), " ")
		value := Num(r.Value)
		if c.Knob == "gmu_ratio" {
			value = Shown(r.Value, fmt.Sprintf("%.3g", r.Value))
		}
		t.Add(value, Num(float64(r.Params)), Num(r.CacheReadBytesPerToken),
			Num(r.BytesPerSequence), Num(float64(r.MaxBatch)), Num(r.TTFTSeconds), Num(r.TPOTSeconds), Num(r.TokensPerSecond), Num(r.TokensPerSecondAtMaxBatch), Txt(note))
	}
	t.Notes = append(t.Notes, c.Verdict, fmt.Sprintf("%s tokens prompt + %s generated, batch %s on %s. Fidelity %s, basis: %s. --apply %s=VALUE writes a design.",
		Int(float64(c.Workload.Prompt)), Int(float64(c.Workload.Generate)), batchWords(c.Workload.Batch), c.Hardware, c.Fidelity, c.Basis, c.Knob))
	return t
}

func batchWords(n int) string {
	if n == 0 {
		return "as large as fits"
	}
	return Int(float64(n))
}
