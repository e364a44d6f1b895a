package reports

import (
	"fmt"

	"github.com/OWNER/ridgeline/serving/check"
)

// ServingCheckTables show how far simulations are from measured runs.
func ServingCheckTables(r *check.Report) []*Table {
	var out []*Table
	percent := func(name, csv string) Column {
		return Column{Name: name, Unit: "%", CSV: csv, Plain: true}
	}
	if len(r.By) > 0 {
		t := &Table{Title: "Tables of whole runs: error of the mean, by model, system and engine", Columns: []Column{
			{Name: "model", CSV: "model", Left: true}, {Name: "system", CSV: "system", Left: true}, {Name: "engine", CSV: "engine", Left: true}, {Name: "rows", CSV: "rows"},
			percent("TPOT\nMAPE", "tpot_mape_percent"), percent("TTFT\nMAPE", "ttft_mape_percent"), percent("TTFT\nmedian", "ttft_median_percent"),
			{Name: "held\nout", CSV: "held_out_rows"}, percent("TPOT\nMAPE", "held_out_tpot_mape_percent"), percent("TTFT\nmedian", "held_out_ttft_median_percent"), {Name: "not judged because", CSV: "note", Left: true}}}
		for _, g := range r.By {
			note := "–"
			if g.Note != "" {
				note = g.Note
			}
			t.Add(Txt(g.Model), Txt(g.System), Txt(g.Engine+" "+g.Version), Num(float64(g.Rows)), Num(100*g.TPOTMAPE), Num(100*g.TTFTMAPE), Num(100*g.TTFTMed), Num(float64(g.HeldRows)), Num(100*g.HeldTPOT), Num(100*g.HeldTTFT), Txt(note))
		}
		if r.TPOTMAPE != nil {
			t.Notes = append(t.Notes, fmt.Sprintf("All %d rows: TPOT %.1f %% (median %.1f), TTFT %.1f %% (median %.1f).", *r.Rows, 100**r.TPOTMAPE, 100**r.TPOTMedian, 100**r.TTFTMAPE, 100**r.TTFTMedian))
		}
		if r.SteadyTPOTMAPE != nil {
			t.Notes = append(t.Notes, fmt.Sprintf("Groups of one client protocol, %d rows: TPOT %.1f %%, TTFT %.1f %% (median).", r.SteadyRows, 100**r.SteadyTPOTMAPE, 100**r.SteadyTTFTMed))
		}
		if r.HeldOutTPOT != nil {
			t.Notes = append(t.Notes, fmt.Sprintf("Of those, %d rows that no host time was fitted to: TPOT %.1f %%, TTFT %.1f %% (median).", r.HeldOutRows, 100**r.HeldOutTPOT, 100**r.HeldOutTTFTMed))
		}
		out = append(out, t)
	}
	if len(r.Runs) > 0 {
		t := &Table{Title: "Runs of which every request is known", Columns: []Column{
			{Name: "run", CSV: "file", Left: true}, {Name: "hardware", CSV: "hardware", Left: true}, {Name: "TTFT", Unit: "s", CSV: "ttft_measured", Plain: true}, percent("error", "ttft_error_percent"),
			{Name: "TPOT", Unit: "s", CSV: "tpot_measured", Plain: true}, percent("error", "tpot_error_percent"), {Name: "end to end", Unit: "s", CSV: "e2e_measured", Plain: true}, percent("error", "e2e_error_percent")}}
		for _, x := range r.Runs {
			name := x.File
			if x.Part != "" {
				name += ", " + x.Part
			}
			if x.Overloaded {
				name += " (overloaded)"
			}
			e := func(p check.Pair) Cell { return Num(100 * (p.Simulated/p.Measured - 1)) }
			t.Add(Txt(shorten(name, 48)), Txt(x.Hardware), Num(x.TTFT.Measured), e(x.TTFT), Num(x.TPOT.Measured), e(x.TPOT), Num(x.E2E.Measured), e(x.E2E))
		}
		t.Notes = append(t.Notes, fmt.Sprintf("Median errors: TTFT %.1f %%, TPOT %.1f %%, end to end %.1f %%. Times are measured means.", 100**r.RunsTTFTMedian, 100**r.RunsTPOTMedian, 100**r.RunsE2EMedian))
		out = append(out, t)
	}
	if len(r.Skipped) > 0 {
		t := &Table{Title: "Not simulated", Columns: []Column{{Name: "rows", CSV: "rows"}, {Name: "reason", CSV: "reason", Left: true}}}
		for _, s := range r.Skipped {
			t.Add(Num(float64(s.Rows)), Txt(s.Reason))
		}
		out = append(out, t)
	}
	return out
}
