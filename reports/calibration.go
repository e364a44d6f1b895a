package reports

import (
	"fmt"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/served"
	"github.com/OWNER/ridgeline/units"
)

// CheckJSON says how far predictions are from tables of timings.
type CheckJSON struct {
	Tables  []calibrate.TableError `json:"tables"`
	Skipped []served.Skipped       `json:"skipped,omitempty"` // served runs that were not priced
}

// ErrorTable lists errors table by table.
func ErrorTable(title string, tables []calibrate.TableError) *Table {
	t := &Table{Title: title, Columns: []Column{
		{Name: "file", CSV: "file", Left: true}, {Name: "rows", CSV: "rows"},
		{Name: "mean\nerror", CSV: "mape"}, {Name: "90th\npercentile", CSV: "p90_ape"},
		{Name: "inside\ninterval", CSV: "coverage"}, {Name: "roofline\nerror", CSV: "roofline_mape"}, {Name: "basis", CSV: "basis", Left: true}}}
	for _, e := range tables {
		inside := Txt("–")
		if e.Coverage > 0 {
			inside = Shown(e.Coverage, percent(e.Coverage))
		}
		roof := Txt("–")
		if e.Roofline > 0 {
			roof = Shown(e.Roofline, percent(e.Roofline))
		}
		t.Add(Txt(e.File), Num(float64(e.Rows)), Shown(e.MAPE, percent(e.MAPE)), Shown(e.P90APE, percent(e.P90APE)), inside, roof, Txt(e.Basis))
	}
	t.Notes = append(t.Notes, "Errors are |predicted − measured| / measured; JSON has the median and kernels over 20 µs too.")
	return t
}

// FitTables show how good a fit is: the errors of rows that were left out of it, by class of
// kernel and by the time the rows took, and the table cells that are furthest off.
func FitTables(r *calibrate.Report) []*Table {
	first := ErrorTable("Fitted to "+r.Hardware+": errors of rows left out of the fit", r.Tables)
	sizes := &Table{Title: "By measured time", Columns: []Column{
		{Name: "class", CSV: "class", Left: true}, {Name: "from", Unit: "", CSV: "from_seconds"}, {Name: "to", CSV: "to_seconds"}, {Name: "rows", CSV: "rows"},
		{Name: "mean\nerror", CSV: "mape"}, {Name: "90th\npercentile", CSV: "p90_ape"}, {Name: "bias", CSV: "bias"}}}
	for _, s := range r.Sizes {
		sizes.Add(Txt(s.Class), Shown(s.From, SI(s.From, "s")), Shown(s.To, SI(s.To, "s")), Num(float64(s.Rows)), Shown(s.MAPE, percent(s.MAPE)), Shown(s.P90APE, percent(s.P90APE)), Shown(s.Bias, fmt.Sprintf("%+.1f %%", 100*s.Bias)))
	}
	sizes.Notes = append(sizes.Notes, "Bias is the mean of log(measured/predicted): above 0 is slower than predicted.")
	worst := &Table{Title: "Worst cells", Columns: []Column{
		{Name: "file", CSV: "file", Left: true}, {Name: "line", CSV: "line"}, {Name: "measured", CSV: "measured_seconds"}, {Name: "predicted", CSV: "predicted_seconds"}, {Name: "shape", CSV: "shape", Left: true}}}
	for _, c := range r.Worst {
		worst.Add(Txt(c.File), Num(float64(c.Line)), Shown(c.Measured, SI(c.Measured, "s")), Shown(c.Predicted, SI(c.Predicted, "s")), Txt(c.Shape))
	}
	return []*Table{first, sizes, worst}
}

// EngineTable lists the fitted engines and, for each group of runs, how far predictions of whole
// served runs are from measurements.
func EngineTable(engines []kerneltime.Engine) *Table {
	t := &Table{Title: "What an engine adds to the kernels of a step", Columns: []Column{
		{Name: "engine", CSV: "engine", Left: true}, {Name: "host\nper step", Unit: "s", CSV: "host_seconds", Scale: true}, {Name: "per\nsequence", Unit: "s", CSV: "sequence_seconds", Scale: true},
		{Name: "streaming\nkernel", Unit: "s", CSV: "stream_seconds", Scale: true}, {Name: "gap per\nkernel", Unit: "s", CSV: "gap_seconds", Scale: true},
		{Name: "share of\nprefills", CSV: "interleave"}, {Name: "runs", CSV: "rows"}, {Name: "mean\nerror", CSV: "mape"}}}
	for _, e := range engines {
		mape := Txt("–")
		if e.Rows > 0 {
			mape = Shown(e.MAPE, percent(e.MAPE))
		}
		t.Add(Txt(e.Name), Num(e.Host), Num(e.Sequence), Num(e.Stream), Num(e.Gap), Shown(e.Interleave, percent(e.Interleave)), Num(float64(e.Rows)), mape)
	}
	return t
}

// ServedTable lists groups of served runs, and below them which runs were skipped and why.
func ServedTable(groups []served.GroupCheck, skipped []served.Skipped) *Table {
	t := &Table{Title: "Time per output token of whole served runs", Columns: []Column{
		{Name: "model", CSV: "model", Left: true}, {Name: "hardware", CSV: "hardware", Left: true}, {Name: "engine", CSV: "engine", Left: true}, {Name: "version", CSV: "version", Left: true},
		{Name: "weights", CSV: "weights", Left: true}, {Name: "runs", CSV: "runs"}, {Name: "mean\nerror", CSV: "mape"}, {Name: "note", CSV: "note", Left: true}}}
	for _, g := range groups {
		t.Add(Txt(g.Model), Txt(g.Hardware), Txt(g.Engine), Txt(g.Version), Txt(g.Weights), Num(float64(g.Runs)), Shown(g.MAPE, percent(g.MAPE)), Txt(g.Note))
	}
	for _, s := range skipped {
		t.Notes = append(t.Notes, fmt.Sprintf("Skipped rows of serving.csv: %s, the first on line %d: %s.", units.Int(float64(s.Rows)), s.Line, s.Reason))
	}
	return t
}
