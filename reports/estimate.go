package reports

import (
	"fmt"
	"slices"
	"sort"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
)

// EstimateTable lays one deployment out as a list of figures. Calibrated times have the
// roofline's times beside them.
func EstimateTable(row costmodel.Row) *Table {
	c, e := row.Compiled, row.Estimate
	t := &Table{Title: c.Model.Name + ": " + c.Model.Summary(), Columns: []Column{
		{Name: "", CSV: "group", Left: true}, {Name: "figure", CSV: "figure", Left: true}, {Name: "value", CSV: "value"}}}
	r := row.Roofline
	if r != nil {
		t.Columns[2] = Column{Name: "calibrated", CSV: "calibrated"}
		t.Columns = append(t.Columns, Column{Name: "roofline", CSV: "roofline"})
	}
	group := ""
	add := func(g, name, v string) {
		if g == group {
			g = " "
		} else {
			group = g
		}
		cells := []Cell{Txt(g), Txt(name), Txt(v)}
		if r != nil {
			cells = append(cells, Txt(" "))
		}
		t.Add(cells...)
	}
	// timed adds a figure that depends on the fidelity.
	timed := func(g, name string, v func(costmodel.Estimate) string) {
		add(g, name, v(e))
		if r != nil {
			last := &t.Columns[3]
			last.Cells[len(last.Cells)-1] = Txt(v(*r))
		}
	}
	p, m, d := c.Model.Params(), e.Memory, e.Decode
	add("model", "parameters", SI(float64(p.Total), ""))
	if active := c.Model.ActiveParams().Total; active != p.Total {
		add("model", "active per token", SI(float64(active), ""))
	}
	per := ""
	if c.Devices() > 1 {
		per = " (per device)"
	}
	if c.PP() > 1 {
		per = " (fullest device)"
	}
	add("memory"+per, "weights", SI(m.WeightsBytes, "B"))
	add("memory"+per, "KV stored per token", Int(m.CacheBytesPerToken)+" B")
	add("memory"+per, "KV read per token of context", Int(m.CacheReadBytesPerToken)+" B")
	add("memory"+per, "window caches per sequence", SI(m.WindowCacheBytesPerSequence, "B"))
	add("memory"+per, "recurrent state per sequence", SI(m.StateBytesPerSequence, "B"))
	add("memory"+per, fmt.Sprintf("in use at batch %d, of %s", e.Workload.Batch, SI(m.CapacityBytes, "B")), SI(m.TotalBytes, "B"))
	add("memory"+per, "largest batch that fits", Int(float64(m.MaxBatch)))
	timed("prefill", "time to first token", func(e costmodel.Estimate) string { return SI(e.TTFT(), "s") })
	add("prefill", "arithmetic", SI(e.Prefill.FLOPs, "FLOP"))
	add("prefill", "bytes moved", SI(e.Prefill.Bytes, "B"))
	handOver(add, e.Transfer)
	timed("decode", "first step", func(e costmodel.Estimate) string { return SI(e.Decode.FirstStepSeconds, "s") })
	timed("decode", "last step", func(e costmodel.Estimate) string { return SI(e.Decode.LastStepSeconds, "s") })
	timed("decode", "mean step (TPOT)", func(e costmodel.Estimate) string { return SI(e.TPOT(), "s") })
	if e.Interval.Low != nil {
		add("decode", "90 % of measurements would lie in", Span(*e.Interval.Low, *e.Interval.High, "s"))
	}
	timed("decode", "throughput", func(e costmodel.Estimate) string { return Digits(e.Decode.TokensPerSecond) + " tok/s" })
	if e.Workload.Batch > 1 && e.ServedTPOTSeconds > 0 {
		add("decode", fmt.Sprintf("TPOT with %s requests always in flight", Int(float64(e.Workload.Batch))), SI(e.ServedTPOTSeconds, "s"))
	}
	add("decode", "arithmetic per token", SI(d.FLOPsPerToken, "FLOP"))
	add("decode", "bytes per token", SI(d.BytesPerToken, "B"))
	add("decode", "most time is bound by", d.Bound)
	addParallel(c, &e, add)
	timed("request", fmt.Sprintf("%s + %s tokens", Int(float64(e.Workload.Prompt)), Int(float64(e.Workload.Generate))), func(e costmodel.Estimate) string { return SI(e.RequestSeconds, "s") })
	speculated(add, row.Speculative)
	if s := BeyondContext(c, e.Workload); s != "" {
		t.Notes = append(t.Notes, s)
	}
	t.Notes = append(t.Notes, prefixNotes([]costmodel.Row{row})...)
	t.Notes = append(t.Notes, speculationNotes([]costmodel.Row{row})...)
	if s := storedNote(c); s != "" {
		t.Notes = append(t.Notes, s)
	}
	if !e.Memory.Fits {
		t.Notes = append(t.Notes, c.Model.Name+" "+Misfit(e))
	}
	if e.Parallel != nil {
		t.Notes = append(t.Notes, overlapNote(e.Fidelity))
	}
	t.Notes = append(t.Notes, Setting(c, e))
	return t
}

// BeyondContext returns a warning where a workload is longer than the model was made for, else
// "".
func BeyondContext(c *costmodel.Compiled, w costmodel.Workload) string {
	return LongerThan(c.Model, w.Prompt, w.Generate)
}

// LongerThan returns a warning where a prompt and its generated tokens are longer than a model
// was made for, "" where they are not or where the model does not say how long that is.
func LongerThan(m *arch.Model, prompt, generate int) string {
	if m.MaxContext == 0 || prompt+generate <= m.MaxContext {
		return ""
	}
	return fmt.Sprintf("%s is made for %s positions; %s of prompt and %s generated are %s.", m.Name, Int(float64(m.MaxContext)),
		Int(float64(prompt)), Int(float64(generate)), Int(float64(prompt+generate)))
}

// storedNote says how many bytes the weights of a quantised checkpoint take in each format, the
// modules that were left unconverted included.
func storedNote(c *costmodel.Compiled) string {
	shares := c.Stored()
	if len(shares) == 0 {
		return ""
	}
	s := "Weights of the checkpoint: "
	for i, x := range shares {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s in %s", SI(float64(x.Bytes), "B"), x.Format)
	}
	return s + "."
}

// Span prints an interval with one unit for both ends.
func Span(low, high float64, unit string) string {
	prefix, scale := prefixFor(unit, high)
	return fmt.Sprintf("%s–%s %s%s", Digits(low/scale), Digits(high/scale), prefix, unit)
}

// BreakdownTable lists operations, the slowest first, and their sum. Where fitted is not nil, it
// holds the same operations with calibrated times, and those get a column of their own.
func BreakdownTable(title string, ops, fitted []costmodel.OpCost) *Table {
	order := make([]int, len(ops))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return ops[order[i]].Seconds > ops[order[j]].Seconds })
	t := &Table{Title: title, Columns: []Column{
		{Name: "operation", CSV: "operation", Left: true}, {Name: "layers", CSV: "layers"},
		{Name: "time", Unit: "s", CSV: "seconds", Scale: true}, {Name: "share", CSV: "share"},
		{Name: "fitted\ntime", Unit: "s", CSV: "calibrated_seconds", Scale: true},
		{Name: "work", Unit: "FLOP", CSV: "flops", Scale: true}, {Name: "moved", Unit: "B", CSV: "bytes", Scale: true},
		{Name: "FLOP/B", CSV: "flops_per_byte"}, {Name: "ridge\nFLOP/B", CSV: "ridge_flops_per_byte"},
		{Name: "bound by", CSV: "bound", Left: true}}}
	var sum costmodel.OpCost
	calibrated := 0.0
	for _, i := range order {
		o, measured := ops[i], 0.0
		if fitted != nil {
			measured = fitted[i].Seconds
		}
		name := o.Name
		if o.Detail != "" {
			name += ", " + o.Detail
		}
		t.Add(Txt(name), Num(float64(o.Layers)), Num(o.Seconds), Shown(o.Share, percent(o.Share)), Num(measured), Num(o.FLOPs), Num(o.Total()),
			Shown(o.Intensity, Digits(o.Intensity)), Shown(o.Ridge, Digits(o.Ridge)), Txt(o.Bound.String()))
		sum.Seconds += o.Seconds
		sum.Share += o.Share
		calibrated += measured
		sum.FLOPs += o.FLOPs
		for k := range sum.Bytes {
			sum.Bytes[k] += o.Bytes[k]
		}
	}
	drop := 8 // the arithmetic intensity of the ridge: there is no room for it beside the fitted times
	if fitted == nil {
		drop = 4
	}
	t.Columns = slices.Delete(t.Columns, drop, drop+1)
	intensity := sum.FLOPs / max(sum.Total(), 1)
	total := []Cell{Txt("sum"), Txt(" "), Num(sum.Seconds), Shown(sum.Share, percent(sum.Share)), Num(calibrated), Num(sum.FLOPs), Num(sum.Total()),
		Shown(intensity, Digits(intensity)), Txt(" "), Txt(" ")}
	t.Add(slices.Delete(total, drop, drop+1)...)
	return t
}

func percent(s float64) string {
	if s < 0.0005 {
		return "<0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*s)
}
