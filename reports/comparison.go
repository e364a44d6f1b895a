package reports

import (
	"slices"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
)

// Comparison is the models of a setup beside each other, the first the baseline: what the
// compare command prints.
type Comparison struct {
	Rows  []costmodel.Row
	Names []string // of the rows
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

// CompareRows lays rows of a setup out, with what they cost where there are prices.
func CompareRows(s *study.Setup, rows []costmodel.Row) *Comparison {
	x := &Comparison{Rows: rows, Names: RowNames(rows), Table: CompareTable(rows), JSON: Compare(rows)}
	if len(rows) > 1 { // beside the verdict
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

// Serve adds what became of the models under a load, in the order of the rows.
func (x *Comparison) Serve(u *study.UnderLoad, served []*serving.Served) {
	for i, s := range served {
		f := u.Figures(s)
		x.JSON.Rows[i].Served = &f
	}
	addServed(x.Table, u, served, x.Names)
}

// ServedTable is what became of the models under a load, alone, with what it means below.
func (x *Comparison) ServedTable(u *study.UnderLoad, served []*serving.Served) *Table {
	t := &Table{Title: "Under load: " + u.String(), Columns: []Column{{Name: "model", CSV: "model", Left: true}}}
	for _, n := range x.Names {
		t.Add(Txt(n))
	}
	addServed(t, u, served, x.Names)
	return t
}
