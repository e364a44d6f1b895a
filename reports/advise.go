package reports

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/advise"
)

// AdviseTable lists what the rules found, warnings first. What to change stands below the table.
func AdviseTable(r *advise.Report) *Table {
	t := &Table{Title: r.Model + ": " + r.Layout, Columns: []Column{
		{Name: "rule", CSV: "rule", Left: true}, {Name: "", CSV: "severity", Left: true},
		{Name: "gain", CSV: "gain", Left: true}, {Name: "measured", CSV: "measured", Left: true}}}
	var fine []string
	for _, s := range []advise.Severity{advise.Warning, advise.Note} {
		for _, v := range r.Advice {
			if v.Severity != s {
				continue
			}
			gain := Txt("–")
			if len(v.Gains) > 0 {
				g := v.Gains[0]
				gain = Shown(g.Factor, ratio(g.Factor)+" "+metricName(g.Metric))
			}
			t.Add(Txt(v.ID), Txt(string(v.Severity)), gain, Txt(v.Measured))
			t.Notes = append(t.Notes, adviceNote(r, v))
		}
	}
	for _, v := range r.Advice {
		if v.Severity == advise.Fine {
			fine = append(fine, v.ID)
		}
	}
	if len(fine) > 0 {
		t.Notes = append(t.Notes, "Nothing to say: "+strings.Join(fine, ", ")+".")
	}
	t.Notes = append(t.Notes, fmt.Sprintf("%s tokens prompt + %s generated, batch %s on %s. Fidelity %s, basis: %s. Gains are priced with the change made; --apply RULE writes its model.",
		Int(float64(r.Workload.Prompt)), Int(float64(r.Workload.Generate)), Int(float64(r.Workload.Batch)), r.Hardware, r.Fidelity, r.Basis))
	return t
}

func metricName(m advise.Metric) string {
	return map[advise.Metric]string{advise.TPOT: "TPOT", advise.TTFT: "TTFT", advise.Request: "request", advise.TokensPerSecond: "tok/s",
		advise.MaxBatch: "largest batch", advise.PerDevice: "tok/s a device"}[m]
}

// adviceNote says what to change, what the change gains, and how to ask for the changed design.
func adviceNote(r *advise.Report, v *advise.Advice) string {
	s := v.ID + ": " + v.Change + "."
	for i, g := range v.Gains {
		unit := "s"
		switch g.Metric {
		case advise.MaxBatch:
			unit = "count"
		case advise.TokensPerSecond, advise.PerDevice:
			unit = ""
		}
		lead := "; "
		if i == 0 {
			lead = " Gains: "
		}
		s += fmt.Sprintf("%s%s %s to %s (%s)", lead, metricName(g.Metric), quantity(g.Before, unit), quantity(g.After, unit), ratio(g.Factor))
	}
	if len(v.Gains) > 0 {
		s += "."
	}
	switch {
	case v.Model != "":
		s += fmt.Sprintf(" As MODEL: '%s'.", v.Model)
	case v.Layout != "":
		s += fmt.Sprintf(" Layout: %s (--apply %s).", v.Layout, v.ID)
	}
	if len(v.Flags) > 0 {
		s += " With " + strings.Join(v.Flags, " ") + "."
	}
	return s + " [" + v.Source + "]"
}
