package reports

import (
	"fmt"
	"sort"

	"ridgeline/costmodel"
)

// Operation is one line of a breakdown: an operation in all the layers that have it, on
// one device.
type Operation struct {
	Operation string  `json:"operation"`
	Class     string  `json:"class"`
	Layers    int     `json:"layers"`
	Seconds   float64 `json:"seconds"`
	Share     float64 `json:"share"`
	FLOPs     float64 `json:"flops"`
	Bytes     float64 `json:"bytes"`
	Intensity float64 `json:"intensity"` // FLOP/byte
	Ridge     float64 `json:"ridge"`     // FLOP/byte from which arithmetic binds
	Bound     string  `json:"bound"`
}

// Operations lists costs by falling share of the time.
func Operations(costs []costmodel.OpCost) []Operation {
	out := make([]Operation, len(costs))
	for i := range costs {
		c := &costs[i]
		out[i] = Operation{c.Name, c.Class.String(), c.Layers, c.Seconds, c.Share, c.FLOPs, c.Total(),
			c.Intensity, c.Ridge, c.Bound.String()}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Seconds > out[j].Seconds })
	return out
}

func breakdownTitle(e *Estimate) string {
	return fmt.Sprintf("%s: mean decode step by operation at roofline, one device", e.Model)
}

// breakdownTable shows operations, then their sum.
func breakdownTable(ops []Operation) *Table {
	var sum Operation
	seconds := make([]float64, len(ops))
	flops := make([]float64, len(ops))
	bytes := make([]float64, len(ops))
	for i, o := range ops {
		sum.Seconds += o.Seconds
		sum.FLOPs += o.FLOPs
		sum.Bytes += o.Bytes
		sum.Share += o.Share
		seconds[i], flops[i], bytes[i] = o.Seconds, o.FLOPs, o.Bytes
	}
	st, sf, sb := ScaleOf(seconds...), WholeScaleOf(flops...), WholeScaleOf(bytes...)
	t := &Table{Columns: []Column{{"operation", true}, {"layers", false}, {"time\n" + st.Prefix + "s", false},
		{"share", false}, {"FLOPs\n" + sf.Prefix, false}, {"moved\n" + sb.Prefix + "B", false},
		{"FLOP\nper B", false}, {"ridge\nat", false}, {"bound by", true}}}
	line := func(o Operation) []string {
		return []string{o.Operation, Count(o.Layers), fixed(st, o.Seconds), Percent(o.Share), fixed(sf, o.FLOPs),
			fixed(sb, o.Bytes), significant(o.Intensity, 3), significant(o.Ridge, 3), o.Bound}
	}
	for _, o := range ops {
		t.Add(line(o)...)
	}
	if sum.Bytes > 0 {
		sum.Intensity = sum.FLOPs / sum.Bytes
	}
	last := line(sum)
	last[0], last[1], last[7], last[8] = "sum", "", "", ""
	t.Add(last...)
	return t
}

// fixed writes a value with three decimals at a scale, so that a column lines up and
// adds up.
func fixed(s Scale, v float64) string { return Grouped(fmt.Sprintf("%.3f", v/s.Factor)) }
