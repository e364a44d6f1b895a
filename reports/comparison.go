package reports

import (
	"slices"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
)

// Comparison holds the models of a setup side by side, the baseline first: what the compare
// command prints.
type Comparison struct {
	Rows  []costmodel.Row
	Names []string // of the rows, in their order
	Table *Table
	JSON  CompareJSON
}

// CompareSetup prices a setup's models and lays them out.
func CompareSetup(s *study.Setup) (*Comparison, error) {
	rows, err := s.Compare()
	if err != nil {
		return nil, err
	}
	return CompareRows(s, rows), nil
}

// CompareRows lays out rows that a setup priced, with what they cost where prices were given.
func CompareRows(s *study.Setup, rows []costmodel.Row) *Comparison {
	x := &Comparison{Rows: rows, Names: RowNames(rows), Table: CompareTable(rows), JSON: Compare(rows)}
	if len(rows) > 1 { // the sentence stands beside the verdict, which needs two rows
		x.JSON.Faster = s.Faster(Furthest(rows))
		x.Table.Notes = slices.Insert(x.Table.Notes, 1, x.JSON.Faster)
	}
	for i := range rows {
		if p := s.Price[rows[i].Compiled.Hardware.Name]; p > 0 {
			x.JSON.Rows[i].Cost = Cost(&rows[i], p)
		}
	}
	AddCosts(x.Table, rows, s.Price, s.PriceFrom)
	return x
}

// servedUSD returns what a million tokens cost that a row generated in a simulated run, nil where
// no price was given.
func (x *Comparison) servedUSD(row int, s *serving.Served) *float64 {
	c := x.JSON.Rows[row].Cost
	if c == nil || !(s.OutputThroughput > 0) {
		return nil
	}
	v := 1e6 * c.USDPerHour / 3600 / s.OutputThroughput
	return &v
}

// Serve adds how the models did under a simulated load, in the order of the rows.
func (x *Comparison) Serve(u *study.UnderLoad, served []*serving.Served) {
	for i, s := range served {
		f := u.Figures(s)
		f.USDPerOutput = x.servedUSD(i, s)
		x.JSON.Rows[i].Served = &f
	}
	x.addServed(x.Table, u, served)
}

// ServedTable shows only how the models did under a simulated load, and below what that means.
func (x *Comparison) ServedTable(u *study.UnderLoad, served []*serving.Served) *Table {
	t := &Table{Title: "Under load: " + u.String(), Columns: []Column{{Name: "model", CSV: "model", Left: true}}}
	for _, n := range x.Names {
		t.Add(Txt(n))
	}
	x.addServed(t, u, served)
	return t
}
