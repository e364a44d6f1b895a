package reports

import (
	"fmt"
	"strings"
)

// Comparison is several models under the same workload, the first of which is the
// baseline.
type Comparison struct {
	Baseline string        `json:"baseline"`
	Rows     []ComparedRow `json:"rows"`
}

// ComparedRow is an estimate and how its decode rate stands to the baseline's.
type ComparedRow struct {
	*Estimate
	Speedup float64 `json:"speedup"`
}

// Compare puts estimates side by side. Speedup is the ratio of decode tokens/s, each at
// its workload's batch.
func Compare(es []*Estimate) *Comparison {
	c := &Comparison{Baseline: es[0].Model}
	for _, e := range es {
		c.Rows = append(c.Rows, ComparedRow{e, e.Decode.TokensPerSecond / es[0].Decode.TokensPerSecond})
	}
	return c
}

func (c *Comparison) estimates() []*Estimate {
	es := make([]*Estimate, len(c.Rows))
	for i := range c.Rows {
		es[i] = c.Rows[i].Estimate
	}
	return es
}

// comparedFigures are the columns between the model and the speedup; name is what a row
// calls it, head what stands over a column.
func (c *Comparison) comparedFigures() []struct {
	figure
	head string
} {
	type f = struct {
		figure
		head string
	}
	batch := "max"
	if b, same := c.batch(); same {
		batch = "b=" + Count(b)
	}
	return []f{
		{figure{"parameters", "", false, func(e *Estimate) float64 { return float64(e.Params.Total) }}, "params"},
		{figure{"KV stored per token", "B", true, func(e *Estimate) float64 { return e.Memory.CacheBytesPerToken }}, "KV stored\nB/token"},
		{figure{"KV read per token", "B", true, func(e *Estimate) float64 { return e.Memory.CacheReadBytesPerToken }}, "KV read\nB/token"},
		{figure{"state per sequence", "B", false, func(e *Estimate) float64 { return e.Memory.StateBytesPerSequence }}, "state\n/seq"},
		{figure{"largest batch", "", true, func(e *Estimate) float64 { return float64(e.Memory.MaxBatch) }}, "max\nbatch"},
		{figure{"TTFT", "s", false, func(e *Estimate) float64 { return e.TTFTSeconds }}, "TTFT"},
		{figure{"TPOT", "s", false, func(e *Estimate) float64 { return e.TPOTSeconds }}, "TPOT"},
		{figure{"tokens/s at batch " + strings.TrimPrefix(batch, "b="), "", true, func(e *Estimate) float64 { return e.Decode.TokensPerSecond }}, "tok/s\n" + batch},
		{figure{"tokens/s at the largest batch", "", true, atMax}, "tok/s\nmax b"},
	}
}

// batch is the batch of all rows, and whether they agree.
func (c *Comparison) batch() (int, bool) {
	b := c.Rows[0].Workload.Batch
	for _, r := range c.Rows {
		if r.Workload.Batch != b {
			return 0, false
		}
	}
	return b, true
}

// WriteComparison shows a row for each model with a column for each figure, or where
// that is too wide a row for each figure; below, what makes the difference.
func WriteComparison(c *Comparison) *Document {
	d := &Document{}
	if t := c.wide(); t.Width() <= LineWidth {
		d.Table(t)
	} else {
		blockwise(c.estimates(), c.tall, d)
	}
	d.Paragraph(Explain(c))
	e := c.Rows[0]
	d.Paragraph(basisLine(c.estimates()) + fmt.Sprintf(" Prompt %s, generate %s.",
		Count(e.Workload.Prompt), Count(e.Workload.Generate)))
	return d
}

func (c *Comparison) wide() *Table {
	es := c.estimates()
	t := &Table{Columns: []Column{{"model", true}}}
	for _, e := range es {
		t.Add(e.Model)
	}
	for _, f := range c.comparedFigures() {
		unit, numbers := f.row(es)
		head := f.head
		switch {
		case strings.HasSuffix(head, "\n/seq"):
			head = strings.Replace(head, "\n", "\n"+unit, 1)
		case !strings.Contains(head, "\n"):
			head += "\n" + unit
		}
		t.Columns = append(t.Columns, Column{Head: head})
		for i, n := range numbers {
			t.Rows[i] = append(t.Rows[i], n)
		}
	}
	t.Columns = append(t.Columns, Column{Head: "speed-\nup"})
	for i, r := range c.Rows {
		t.Rows[i] = append(t.Rows[i], Times(r.Speedup))
	}
	return t
}

// tall has a column for each model.
func (c *Comparison) tall(es []*Estimate) *Table {
	t := &Table{Columns: []Column{{"", true}, {"unit", true}}}
	for _, e := range es {
		t.Columns = append(t.Columns, Column{Head: shortName(e.Model)})
	}
	for _, f := range c.comparedFigures() {
		unit, numbers := f.row(es)
		t.Add(append([]string{f.name, unit}, numbers...)...)
	}
	row := []string{"speedup", ""}
	for _, e := range es {
		for _, r := range c.Rows {
			if r.Estimate == e {
				row = append(row, Times(r.Speedup))
				break
			}
		}
	}
	t.Add(row...)
	return t
}
