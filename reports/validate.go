package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/kernels/crosscheck"
	tensors "github.com/OWNER/ridgeline/kernels/golden"
)

// ValidateTables show what a cross-check found, with one table for each part.
func ValidateTables(r *crosscheck.Report) []*Table {
	var out []*Table
	if r.Golden != nil {
		out = append(out, goldenTable(r.Golden, r.NotExecuted))
	}
	if r.Counts != nil {
		out = append(out, countsTable(r.Counts))
	}
	if r.Tiny != nil {
		out = append(out, tinyTable(r.Tiny))
	}
	if r.Time != nil {
		out = append(out, timeTable(r))
	}
	if r.SpeedupResult != nil {
		out = append(out, speedupTable(r.SpeedupResult), crossingTable(r.Crossings))
	}
	return out
}

func goldenTable(rs []tensors.Result, notExecuted []string) *Table {
	t := &Table{Title: "Golden tensors: kernels against independent implementations", Columns: []Column{
		{Name: "file", CSV: "file", Left: true}, {Name: "op", CSV: "op", Left: true},
		{Name: "relative\nerror", CSV: "max_rel_err"}, {Name: "", CSV: "ok", Left: true},
	}}
	skipped := 0
	for _, r := range rs {
		verdict, e := "ok", Shown(r.MaxRelErr, fmt.Sprintf("%.1e", r.MaxRelErr))
		switch {
		case r.Skipped:
			verdict, e = "skipped", Txt("–")
			skipped++
		case r.Why != "":
			verdict, e = "FAILS: "+r.Why, Txt("–")
		case !r.OK:
			verdict = "FAILS at " + r.Worst
		}
		op := r.Op
		if r.Model != "" {
			op = r.Model
		}
		t.Add(Txt(r.File), Txt(op), e, Txt(verdict))
	}
	t.Notes = append(t.Notes, fmt.Sprintf("An operation holds below %.0e, a whole model below %.0e.", tensors.OpTolerance, tensors.ModelTolerance))
	if skipped > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d skipped: nothing here runs them.", skipped))
	}
	if len(notExecuted) > 0 {
		t.Notes = append(t.Notes, "Read and priced, but never held against a checkpoint: "+strings.Join(notExecuted, ", ")+".")
	}
	return t
}

func tinyTable(rs []crosscheck.TinyResult) *Table {
	t := &Table{Title: "Small twins: the layout at a small width, executed with random weights", Columns: []Column{
		{Name: "model", CSV: "model", Left: true}, {Name: "layers", CSV: "layers"}, {Name: "parameters\nof the twin", CSV: "params"},
		{Name: "steps against\none pass", CSV: "max_rel_err"}, {Name: "operations\ncounted", CSV: "operations"}, {Name: "", CSV: "ok", Left: true},
	}}
	for _, r := range rs {
		verdict := "ok"
		switch {
		case r.Mismatch != "":
			verdict = "FAILS: " + r.Mismatch
		case !r.OK:
			verdict = "FAILS: steps differ"
		}
		t.Add(Txt(r.Model), Num(float64(r.Layers)), Num(float64(r.Params)), Shown(r.MaxRelErr, fmt.Sprintf("%.1e", r.MaxRelErr)),
			Num(float64(r.Operations)), Txt(verdict))
	}
	t.Notes = append(t.Notes, "Counted bytes and FLOPs must equal the predicted ones, and prefill with steps the one pass within 1e-4.")
	return t
}

func countsTable(c *crosscheck.CountsResult) *Table {
	t := &Table{Title: "Counts: bytes and FLOPs counted while running against predicted", Columns: []Column{
		{Name: "layouts", CSV: "cases"}, {Name: "calls", CSV: "calls"}, {Name: "operations", CSV: "operations"}, {Name: "mismatches", CSV: "mismatches"},
	}}
	t.Add(Num(float64(c.Cases)), Num(float64(c.Calls)), Num(float64(c.Operations)), Num(float64(c.Mismatches)))
	if c.FirstMismatch != "" {
		t.Notes = append(t.Notes, "First: "+c.FirstMismatch)
	}
	return t
}

// notJudged says that nothing could be compared; that is not a failure.
const notJudged = "* Nothing here streams past the last-level cache this machine reports: measured, but not judged."

func timeTable(r *crosscheck.Report) *Table {
	t := &Table{Title: "Time: kernels that stream from memory", Columns: []Column{
		{Name: "kernel", CSV: "kernel", Left: true}, {Name: "shape", CSV: "shape", Left: true},
		{Name: "predicted", Unit: "s", CSV: "predicted_seconds", Scale: true}, {Name: "measured", Unit: "s", CSV: "measured_seconds", Scale: true},
		{Name: "ratio", CSV: "ratio"},
	}}
	cached := 0
	for _, x := range r.Time {
		ratio := fmt.Sprintf("%.2f", x.Ratio)
		if !x.PastCache {
			ratio += " *"
			cached++
		}
		t.Add(Txt(x.Kernel), Txt(x.Shape), Num(x.Predicted), Num(x.Measured), Shown(x.Ratio, ratio))
	}
	switch {
	case cached == 0:
	case cached == len(r.Time):
		t.Notes = append(t.Notes, notJudged)
	default:
		t.Notes = append(t.Notes, "* does not stream past the last-level cache: not counted.")
	}
	if h := r.Host; h != nil {
		t.Notes = append(t.Notes, fmt.Sprintf("Host: %s reads %s, multiplies at %s; an operation costs %s at least.",
			h.Title, SI(h.Bandwidth, "B/s"), SI(h.Peak, "FLOP/s"), SI(h.CallSeconds, "s")))
	}
	return t
}

func speedupTable(s *crosscheck.SpeedupResult) *Table {
	t := &Table{Title: "Speedup: decoding for real, caches filled to the context", Columns: []Column{
		{Name: "baseline", CSV: "baseline", Left: true}, {Name: "model", CSV: "model", Left: true}, {Name: "context", CSV: "context"},
		{Name: "baseline", Unit: "tok/s", CSV: "baseline_tokens_per_second", Scale: true}, {Name: "model", Unit: "tok/s", CSV: "model_tokens_per_second", Scale: true},
		{Name: "measured", CSV: "measured"}, {Name: "predicted", CSV: "predicted"}, {Name: "error", CSV: "error"},
	}}
	rows := slices.Clone(s.Rows)
	slices.SortStableFunc(rows, func(a, b crosscheck.SpeedupRow) int {
		switch {
		case a.Baseline+a.Model == b.Baseline+b.Model:
			return 0
		case first(s.Rows, a) < first(s.Rows, b):
			return -1
		}
		return 1
	})
	for _, r := range rows {
		off := fmt.Sprintf("%.0f %%", 100*r.Error())
		if !r.PastCache {
			off += " *"
		}
		t.Add(Txt(r.Baseline), Txt(r.Model), Num(float64(r.Context)), Num(r.BaselineTokens), Num(r.ModelTokens),
			Shown(r.Measured, fmt.Sprintf("%.2f×", r.Measured)), Shown(r.Predicted, fmt.Sprintf("%.2f×", r.Predicted)), Shown(r.Error(), off))
	}
	if !s.Judged() {
		t.Notes = append(t.Notes, notJudged)
	} else {
		t.Notes = append(t.Notes, fmt.Sprintf("Prediction is off by %.1f %% in the median, %.1f %% at worst, where steps stream past the last-level cache; it holds within %.0f %% in the median.",
			100*s.MedianError, 100*s.WorstError, 100*crosscheck.Tolerance))
		if slices.ContainsFunc(rows, func(r crosscheck.SpeedupRow) bool { return !r.PastCache }) {
			t.Notes = append(t.Notes, "* not past the last-level cache: not counted.")
		}
	}
	if n := len(s.LeftOut); n > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("Contexts from %s on are left out: their caches take more than the quarter of the available memory, and 1 GiB, that are used at most.", Int(float64(s.LeftOut[0]))))
	}
	return t
}

// first returns the index of the first row that compares the same two things as x.
func first(rows []crosscheck.SpeedupRow, x crosscheck.SpeedupRow) int {
	return slices.IndexFunc(rows, func(r crosscheck.SpeedupRow) bool { return r.Baseline == x.Baseline && r.Model == x.Model })
}

func crossingTable(cs []crosscheck.Crossing) *Table {
	t := &Table{Title: "Context from which a pair is faster by more than", Columns: []Column{
		{Name: "baseline", CSV: "baseline", Left: true}, {Name: "model", CSV: "model", Left: true},
		{Name: "2×", CSV: "context_2x"}, {Name: "5×", CSV: "context_5x"}, {Name: "10×", CSV: "context_10x"}, {Name: "tends to", CSV: "limit"},
	}}
	for i := 0; i+2 < len(cs); i += 3 {
		cells := []Cell{Txt(cs[i].Baseline), Txt(cs[i].Model)}
		for _, c := range cs[i : i+3] {
			if c.Context == 0 {
				cells = append(cells, Txt("never"))
			} else {
				cells = append(cells, Num(float64(c.Context)))
			}
		}
		t.Add(append(cells, Shown(cs[i].Limit, fmt.Sprintf("%.2f×", cs[i].Limit)))...)
	}
	t.Notes = append(t.Notes, "Predicted, one sequence.")
	return t
}
