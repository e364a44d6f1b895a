package reports

import (
	"fmt"

	"github.com/OWNER/ridgeline/claims"
)

// ClaimsTable lists the claims of an audit with their verdicts; the reasons stand below the
// table.
func ClaimsTable(r *claims.Report) *Table {
	t := &Table{Title: "What is claimed, and what " + r.Hardware + " gives", Columns: []Column{
		{Name: "claim", CSV: "id", Left: true}, {Name: "source", CSV: "source", Left: true}, {Name: "verdict", CSV: "verdict", Left: true},
		{Name: "claimed", CSV: "claimed"}, {Name: "limit", CSV: "limit"}, {Name: "roofline", CSV: "roofline"},
		{Name: "calibrated", CSV: "calibrated"}}}
	simulated := false
	for _, c := range r.Claims {
		simulated = simulated || c.Simulated != nil
	}
	if simulated {
		t.Columns = append(t.Columns, Column{Name: "simulated", CSV: "simulated"})
	}
	for _, c := range r.Claims {
		cells := []Cell{Txt(c.ID), Txt(c.Source), Txt(string(c.Verdict)), claimed(&c.Claimed, c.Unit), claimed(c.Limit, c.Unit),
			claimed(c.Roofline, c.Unit), claimed(c.Calibrated, c.Unit)}
		if simulated {
			cells = append(cells, claimed(c.Simulated, c.Unit))
		}
		t.Add(cells...)
		t.Notes = append(t.Notes, fmt.Sprintf("%s (%s) %s. %s%s", c.ID, c.Setting, says(c), c.Reason, quote(c)))
	}
	for _, c := range r.Claims {
		if c.Grounds != "" { // said once: the other claims about served runs rest on the same
			t.Notes = append(t.Notes, c.ID+" as simulated. "+c.Grounds)
			break
		}
	}
	t.Notes = append(t.Notes, fmt.Sprintf("Verdicts rest on %s, as deployed: %s. A dash: no figures. --id CLAIM shows the working.", r.Judge, r.Kernels))
	return t
}

// quote returns the sentence that can be quoted about a claim measured on a serving engine, with
// a space before it, or "" where the claim has no such sentence.
func quote(c *claims.Claim) string {
	if c.Quote == "" {
		return ""
	}
	return " " + c.Quote
}

// says returns a verdict together with the condition under which it holds.
func says(c *claims.Claim) string {
	switch {
	case c.Condition == "":
		return string(c.Verdict)
	case c.Verdict == claims.DoesNotHold:
		return string(c.Verdict) + "; it would when " + c.Condition
	}
	return string(c.Verdict) + " " + c.Condition
}

func claimed(v *float64, unit string) Cell {
	if v == nil {
		return Txt("–")
	}
	return Shown(*v, quantity(*v, unit))
}

// quantity prints a figure with its unit.
func quantity(v float64, unit string) string {
	switch unit {
	case "×":
		return ratio(v)
	case "tokens", "count":
		return Int(v)
	case "":
		return Digits(v)
	}
	return SI(v, unit)
}

// ClaimTables show how the verdict on one claim was reached.
func ClaimTables(r *claims.Report, c *claims.Claim) []*Table {
	what := &Table{Title: c.ID + ": " + c.Statement, Columns: []Column{{Name: "", CSV: "figure", Left: true}, {Name: "value", CSV: "value"}, {Name: "how", CSV: "how", Left: true}}}
	add := func(name string, v *float64, how string) {
		if v != nil {
			what.Add(Txt(name), claimed(v, c.Unit), Txt(how))
		}
	}
	add("claimed", &c.Claimed, c.Source)
	for _, f := range []struct {
		name string
		v    *float64
	}{{"limit", c.Limit}, {"roofline", c.Roofline}, {"calibrated", c.Calibrated}, {"simulated", c.Simulated}} {
		add(f.name, f.v, c.Quantity)
	}
	for _, s := range c.Working {
		what.Add(Txt(s.What), Shown(s.Value, quantity(s.Value, s.Unit)), Txt(s.How))
	}
	what.Notes = []string{"Setting of the claim: " + c.Setting + ".", "It " + says(c) + ". " + c.Reason + quote(c)}
	if c.Grounds != "" {
		what.Notes = append(what.Notes, c.Grounds)
	}
	what.Notes = append(what.Notes, fmt.Sprintf("On %s, verdict at %s, as deployed: %s.", r.Hardware, r.Judge, r.Kernels))
	out := []*Table{what}
	for i := range c.Sweeps {
		out = append(out, gridTable(&c.Sweeps[i]))
	}
	return out
}

func gridTable(g *claims.Grid) *Table {
	t := &Table{Title: g.Title, Turn: true, Columns: []Column{{Name: g.Over, CSV: g.Over, Left: true}}}
	for _, c := range g.Columns {
		t.Columns = append(t.Columns, Column{Name: c.Name})
	}
	for _, r := range g.Rows {
		cells := []Cell{Txt(r.Name)}
		for i, v := range r.Values {
			cells = append(cells, Shown(v, quantity(v, g.Columns[i].Unit)))
		}
		t.Add(cells...)
	}
	return t
}
