package reports

import (
	"fmt"
	"math"
	"slices"

	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
)

// addServed appends to a comparison's table how its models do under a simulated load. A note
// below says what the load is and where the time goes.
func (x *Comparison) addServed(t *Table, u *study.UnderLoad, served []*serving.Served) {
	cols := []Column{
		{Name: "served\ntok/s", CSV: "served_tokens_per_second", Plain: true},
		{Name: "served\nTTFT", Unit: "s", CSV: "served_ttft_seconds", Scale: true},
		{Name: "served\nTPOT p99", Unit: "s", CSV: "served_tpot_p99_seconds", Scale: true},
	}
	slo := u.SLO.Set()
	if slo {
		cols = append(cols, Column{Name: "users\nin SLO", CSV: "served_users"})
	}
	priced := slices.ContainsFunc(x.JSON.Rows, func(r RowJSON) bool { return r.Cost != nil })
	if priced {
		cols = append(cols, Column{Name: "served", Unit: "USD/Mtok", CSV: "served_usd_per_million_output", Plain: true})
	}
	for i, s := range served {
		p99 := Num(s.TPOT.P99)
		if math.IsNaN(s.TPOT.P99) { // there is no time per token where every answer has one token
			p99 = Txt("–")
		}
		cells := []Cell{Num(s.OutputThroughput), Num(s.TTFT.Mean), p99}
		if slo {
			cells = append(cells, Num(float64(s.Users)))
		}
		if priced {
			cells = append(cells, orDash(x.servedUSD(i, s), 1))
		}
		for j := range cols {
			cols[j].Cells = append(cols[j].Cells, cells[j])
		}
		say := x.Names[i] + " served: " + s.Why
		if slo {
			say += fmt.Sprintf(" Beyond %s what breaks is %s.", people(s.Users), s.Binds)
		}
		t.Notes = append(t.Notes, say)
	}
	t.Columns = append(t.Columns, cols...)
	s := "Served: " + u.String() + ", simulated."
	if slo {
		s += " Users: clients of whose requests 99 % meet " + u.SLOText + "."
	}
	t.Notes = append(t.Notes, s)
}

func people(n int) string {
	if n == 1 {
		return "1 user"
	}
	return Int(float64(n)) + " users"
}
