// Package page makes the report: one HTML file that needs no other file, or Markdown. It answers
// these questions in order: what the verdict is; how the models compare; how throughput falls
// with the generation length, and how a token slows down with the context; where the time goes;
// what fits; for models with a cross-decoder, what the GMU ratio changes and which claims of the
// sources hold; and how the figures were made.
package page

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/OWNER/ridgeline/claims"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/plain"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/study"
)

// Made says how a report was made, so that it can be made again. The zero value leaves this out.
type Made struct {
	Command string // as one would type it
	Version string // what --version prints
	Date    string
}

// Page is a report that has not been written yet.
type Page struct {
	Title    string
	Verdict  string
	Faster   string   // a sentence that says from which context on a model decodes faster
	Misfits  []string // what does not fit its device, in words
	Setting  string
	Made     Made
	Sections []Section
}

// Section is a heading with texts, tables and charts.
type Section struct {
	ID, Heading string
	Text        []string
	Tables      []*reports.Table
	Charts      []*study.Chart
	After       []string // texts below the tables
}

// Build prices the models of the setup and lays out the report. The claims about
// decoder-hybrid-decoders and the GMU ratio are part of it where a model has a cross-decoder.
func Build(ctx context.Context, s *study.Setup, made Made) (*Page, error) {
	x, err := reports.CompareSetup(s)
	if err != nil {
		return nil, err
	}
	rows, names, compare := x.Rows, x.Names, reports.CompareTable(x.Rows) // costs have a table of their own
	compare.Title, compare.Notes = "What each costs; the first is the baseline", nil
	p := &Page{
		Title:   "What a token costs: " + strings.Join(names, ", "),
		Verdict: reports.Verdict(rows),
		Setting: reports.CompareSetting(rows),
		Made:    made,
	}
	p.Faster = x.JSON.Faster
	p.Misfits = reports.Misfits(rows)
	p.add(Section{ID: "comparison", Heading: "Comparison", Tables: []*reports.Table{compare, sureTable(rows, names)}, Text: []string{
		"KV stored: cache bytes a token of context leaves behind; capacity counts these. KV read: bytes a step reads for each token of context; time counts these. Windowed layers are in neither. TTFT is the time of all prompts of the batch together, TPOT the mean time of a decode step."}, After: reports.Remarks(rows)})
	if s.Serve != nil {
		load, err := underLoad(ctx, s, x)
		if err != nil {
			return nil, err
		}
		p.add(load)
	}
	p.add(Section{ID: "throughput", Heading: "Throughput against generation length", Charts: []*study.Chart{s.Throughput()}})
	p.add(Section{ID: "tpot", Heading: "Time per token against context", Charts: []*study.Chart{s.TPOT()}})
	if len(s.Price) > 0 {
		cost, err := s.Cost()
		if err != nil {
			return nil, err
		}
		p.add(Section{ID: "cost", Heading: "Cost and energy", Tables: []*reports.Table{reports.CostTable(rows, s.Price)},
			Text: []string{reports.CostNote(s.PriceFrom)}, Charts: []*study.Chart{cost}})
	}
	time := Section{ID: "time", Heading: "Where the time goes", Charts: []*study.Chart{s.Breakdown()}}
	for i, c := range s.Compiled {
		time.Tables = append(time.Tables, largestOps(s, c, names[i]))
	}
	p.add(time)
	p.add(Section{ID: "fits", Heading: "What fits", Charts: []*study.Chart{s.Memory()}, Tables: []*reports.Table{reports.FitsTable(rows)}})
	if f, err := s.GMURatio(); err == nil {
		t, err := ratioTable(s)
		if err != nil {
			return nil, err
		}
		p.add(Section{ID: "gmu-ratio", Heading: "The GMU ratio", Charts: []*study.Chart{f}, Tables: []*reports.Table{t}, Text: []string{
			"A GMU ratio of 0 is YOCO: every layer of the cross-decoder reads the one cache. At 1 none does."}})
		audit, err := claims.Run(ctx, claims.Options{Hardware: s.Compiled[0].Hardware})
		if err != nil {
			return nil, err
		}
		p.add(claimed(audit))
	}
	p.add(method(s))
	return p, nil
}

// underLoad simulates the models under the load that was asked for.
func underLoad(ctx context.Context, s *study.Setup, x *reports.Comparison) (Section, error) {
	served, err := s.Under(ctx, s.Serve)
	if err != nil {
		return Section{}, err
	}
	curve, err := s.UnderCurve(ctx, s.Serve)
	if err != nil {
		return Section{}, err
	}
	t := x.ServedTable(s.Serve, served)
	notes := t.Notes
	t.Notes = nil
	return Section{ID: "load", Heading: "Under load, simulated", Charts: []*study.Chart{curve}, Tables: []*reports.Table{t}, After: notes}, nil
}

// claimed audits the sources' claims on the report's first device.
func claimed(r *claims.Report) Section {
	t := reports.ClaimsTable(r)
	notes := t.Notes
	t.Notes = nil
	return Section{ID: "claims", Heading: "What the sources claim", Tables: []*reports.Table{t}, After: notes}
}

// add adds a section; where no sequence fits the device, figures would be empty and are left out.
func (p *Page) add(s Section) {
	var drawn []*study.Chart
	for _, f := range s.Charts {
		if f.Empty() {
			s.Text = append(s.Text, "Not drawn, "+f.Title+": not even one sequence fits.")
			continue
		}
		drawn = append(drawn, f)
	}
	s.Charts = drawn
	p.Sections = append(p.Sections, s)
}

// topOps is how many operations a table lists.
const topOps = 8

// largestOps lists the operations that take longest, with the times and shares that the figure
// above it shows.
func largestOps(s *study.Setup, c *costmodel.Compiled, name string) *reports.Table {
	ops := s.Operations(c)
	sort.SliceStable(ops, func(i, j int) bool { return ops[i].Seconds > ops[j].Seconds })
	t := &reports.Table{Title: name + ": the operations that take longest in a mean decode step", Columns: []reports.Column{
		{Name: "operation", Left: true}, {Name: "layers"}, {Name: "time\nms"}, {Name: "share"},
		{Name: "moved", Unit: "B", Scale: true}, {Name: "intensity\nFLOP/B"}, {Name: "bound by", Left: true}}}
	for _, o := range ops[:min(topOps, len(ops))] {
		layers, intensity, bound := reports.Num(float64(o.Layers)), reports.Shown(o.Intensity, reports.Digits(o.Intensity)), o.Bound.String()
		if o.Layers == 0 { // the engine's time belongs to no layer
			layers, intensity, bound = reports.Txt("–"), reports.Txt("–"), "host and launches"
		}
		t.Add(reports.Txt(study.OpName(o)), layers, reports.Shown(o.Seconds, reports.Digits(1e3*o.Seconds)), reports.Shown(o.Share, fmt.Sprintf("%.0f %%", 100*o.Share)),
			reports.Num(o.Total()), intensity, reports.Txt(bound))
	}
	return t
}

// sureTable says how sure each row is.
func sureTable(rows []costmodel.Row, names []string) *reports.Table {
	t := &reports.Table{Title: "What each row rests on", Columns: []reports.Column{{Name: "model", Left: true}, {Name: "TPOT, nine in ten"}, {Name: "basis", Left: true}}}
	for i, r := range rows {
		span := "no interval"
		if r.Interval.Low != nil {
			span = reports.Span(*r.Interval.Low, *r.Interval.High, "s")
		}
		t.Add(reports.Txt(names[i]), reports.Txt(span), reports.Txt(r.Basis))
	}
	return t
}

// ratioTable prices the first model with a cross-decoder at five ratios.
func ratioTable(s *study.Setup) (*reports.Table, error) {
	for _, c := range s.Compiled {
		if _, ok := c.Model.GMURatio(); !ok {
			continue
		}
		var cs []*costmodel.Compiled
		var built []string
		for i := range 5 {
			x, err := study.WithRatio(c, float64(i)/4)
			if err != nil {
				return nil, err
			}
			// The cross-decoder may have the same nearest ratio twice.
			r, _ := x.Model.GMURatio()
			if x.Model.Name = fmt.Sprintf("ratio %.3g", r); slices.Contains(built, x.Model.Name) {
				continue
			}
			built, cs = append(built, x.Model.Name), append(cs, x)
		}
		v := *s
		v.Compiled = cs
		rows, err := v.Compare()
		if err != nil {
			return nil, err
		}
		t := reports.CompareTable(rows)
		t.Title, t.Notes = c.Model.Name+" with other GMU ratios", nil
		return t, nil
	}
	return nil, nil
}

// fidelities says in words what a time of each fidelity is.
var fidelities = map[costmodel.Fidelity]string{
	costmodel.Limit:      "limit is max(ΣFLOPs/peak, Σbytes/bandwidth) for a step, the speed of light; no measurement of the device enters, and real kernels are slower.",
	costmodel.Roofline:   "roofline is the sum over operations of max(FLOPs/peak, bytes/bandwidth); no measurement of the device enters, and real kernels are slower, small batches most of all.",
	costmodel.Calibrated: "calibrated is the sum over operations of a time fitted to timings of GPU kernels, and what the serving engine adds; nine in ten measurements should lie in its interval. Timings: NVIDIA AIConfigurator, github.com/ai-dynamo/aiconfigurator, commit 095f58a51, Apache-2.0.",
}

func method(s *study.Setup) Section {
	c := s.Compiled[0]
	x := Section{ID: "method", Heading: "How these figures were made", Text: []string{
		"",
		"Formats: " + c.Formats() + ". Kernels read K and V " + c.Options.KVRead.String() + "; differential attention runs " + c.Options.Diff.String() + "; prefill " + c.Options.Prefill.String() + ".",
		"What is counted, operation by operation, is a written convention; reference kernels count the same bytes and FLOPs while they run, and tests hold the two equal, integer for integer.",
	}}
	for i, f := range s.Fidelities() {
		if i > 0 {
			x.Text[0] += " "
		}
		x.Text[0] += fmt.Sprintf("Fidelity: %s. %s", f, fidelities[f])
	}
	t := &reports.Table{Title: "Layouts", Columns: []reports.Column{{Name: "model", Left: true}, {Name: "layout", Left: true}}}
	var models, devices []string
	var profiles []*reports.Table
	for _, c := range s.Compiled {
		if !slices.Contains(models, c.Model.Name) {
			models = append(models, c.Model.Name)
			t.Add(reports.Txt(c.Model.Name), reports.Txt(c.Model.Summary()))
		}
		if !slices.Contains(devices, c.Hardware.Name) {
			devices = append(devices, c.Hardware.Name)
			profiles = append(profiles, reports.ProfileTable(c.Hardware))
		}
	}
	x.Tables = append(append(x.Tables, t), profiles...)
	x.Text = append(x.Text, "Architecture formulas: Ren et al., Decoder-Hybrid-Decoder Architecture for Efficient Reasoning with Long Generation, arXiv:2507.06607v3.")
	return x
}

// numbers returns the points of a chart's curves as tables, with a column for each curve, where
// no figure can be shown. Points that do not fit their device are marked. Charts of other forms
// have tables of their own.
func numbers(c *study.Chart) (out []*reports.Table) {
	for _, p := range c.Panels {
		if p.Form != study.Curves || len(p.Series) == 0 {
			continue
		}
		unit := func(a study.Axis) string {
			if a.Unit == "" {
				return a.Label
			}
			return a.Label + ", " + a.Unit
		}
		show := func(q study.Point) reports.Cell {
			text := reports.SI(q.Y, "")
			if p.Y.Unit == "s" || p.Y.Unit == "B" {
				text = reports.SI(q.Y, p.Y.Unit)
			}
			if !q.Fits {
				text += " (does not fit)"
			}
			return reports.Shown(q.Y, text)
		}
		if apart(p.Series) {
			t := &reports.Table{Title: c.Title + ": " + unit(p.Y), Columns: []reports.Column{{Name: "curve", Left: true}, {Name: "at", Left: true}, {Name: unit(p.X)}, {Name: unit(p.Y)}}}
			for _, s := range p.Series {
				for _, q := range s.Points {
					t.Add(reports.Txt(s.Name), reports.Txt(q.Name), reports.Shown(q.X, reports.Digits(q.X)), show(q))
				}
			}
			out = append(out, t)
			continue
		}
		t := &reports.Table{Title: c.Title + ": " + unit(p.Y), Columns: []reports.Column{{Name: unit(p.X)}}}
		cells := map[float64][]reports.Cell{}
		var xs []float64
		for i, s := range p.Series {
			t.Columns = append(t.Columns, reports.Column{Name: s.Name})
			for _, q := range s.Points {
				if cells[q.X] == nil {
					cells[q.X] = make([]reports.Cell, len(p.Series))
					xs = append(xs, q.X)
				}
				cells[q.X][i] = show(q)
			}
		}
		sort.Float64s(xs)
		for _, x := range xs {
			row := []reports.Cell{reports.Shown(x, reports.Digits(x))}
			for _, k := range cells[x] {
				if k.Text == "" {
					k = reports.Txt("–")
				}
				row = append(row, k)
			}
			t.Add(row...)
		}
		out = append(out, t)
	}
	return out
}

// apart reports whether most places along x belong to one of several curves alone: columns for the
// curves would be mostly empty.
func apart(all []study.Series) bool {
	points, at := 0, map[float64]bool{}
	for _, s := range all {
		for _, q := range s.Points {
			points++
			at[q.X] = true
		}
	}
	return len(all) > 1 && 3*len(at) > 2*points
}

// Markdown writes the report with tables in place of its figures.
func (p *Page) Markdown(w io.Writer) error {
	var b bytes.Buffer
	esc := plain.Markdown
	fmt.Fprintf(&b, "# %s\n\n**%s**\n\n", esc(p.Title), esc(p.Verdict))
	if p.Faster != "" {
		fmt.Fprintf(&b, "%s\n\n", esc(p.Faster))
	}
	for _, m := range p.Misfits {
		fmt.Fprintf(&b, "%s\n\n", esc(m))
	}
	fmt.Fprintf(&b, "%s\n", esc(p.Setting))
	if p.Made != (Made{}) {
		fmt.Fprintf(&b, "\nMade by `%s` with %s on %s.\n", strings.ReplaceAll(plain.Visible(p.Made.Command), "`", "'"), p.Made.Version, p.Made.Date)
	}
	for _, s := range p.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n", esc(s.Heading))
		for _, t := range s.Text {
			fmt.Fprintf(&b, "%s\n\n", esc(t))
		}
		for _, c := range s.Charts {
			for _, t := range numbers(c) {
				if err := t.Markdown(&b); err != nil {
					return err
				}
				b.WriteByte('\n')
			}
		}
		for _, t := range s.Tables {
			if err := t.Markdown(&b); err != nil {
				return err
			}
			b.WriteByte('\n')
		}
		for _, t := range s.After {
			fmt.Fprintf(&b, "%s\n\n", esc(t))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
