// Package page makes the report: one self-contained HTML file, or Markdown, that answers
// in this order what the verdict is, how the models compare, how throughput falls with
// generation length, where the time goes, what fits, what the GMU ratio buys, which claims
// of the sources hold, and how the figures were made.
package page

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io"
	"sort"
	"strings"

	"gonum.org/v1/plot/vg"

	"ridgeline/arch/family"
	"ridgeline/claims"
	"ridgeline/costmodel"
	"ridgeline/reports"
	"ridgeline/reports/figure"
	"ridgeline/study"
)

//go:embed page.html
var files embed.FS

// Page is a report before it is written.
type Page struct {
	Title    string
	Verdict  string
	Setting  string
	Sections []Section
}

// Section is a heading with text, tables and figures.
type Section struct {
	ID, Heading string
	Text        []string
	Tables      []*reports.Table
	Charts      []*study.Chart
	After       []string // text below the tables
}

// Build prices the models of the setup and lays the report out.
func Build(ctx context.Context, s *study.Setup) (*Page, error) {
	rows, err := s.Compare()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range s.Compiled {
		names = append(names, c.Model.Name)
	}
	compare := reports.CompareTable(rows)
	compare.Title, compare.Notes = "What each costs; the first is the baseline", nil
	p := &Page{
		Title:   "What a token costs: " + strings.Join(names, ", "),
		Verdict: reports.Verdict(rows),
		Setting: reports.Setting(rows[0].Compiled, rows[0].Estimate),
	}
	p.add(Section{ID: "comparison", Heading: "Comparison", Tables: []*reports.Table{compare}, Text: []string{
		"KV stored: cache bytes a token of context leaves behind; capacity counts these. KV read: bytes a step reads for each token of context; time counts these. Windowed layers are in neither. The first model is the baseline."}})
	p.add(Section{ID: "throughput", Heading: "Throughput against generation length", Charts: []*study.Chart{s.Throughput()}})
	time := Section{ID: "time", Heading: "Where the time goes", Charts: []*study.Chart{s.Breakdown()}}
	for _, r := range rows {
		time.Tables = append(time.Tables, largestOps(r))
	}
	p.add(time)
	p.add(Section{ID: "fits", Heading: "What fits", Charts: []*study.Chart{s.Memory()}, Tables: []*reports.Table{memoryTable(rows)}})
	if f, err := s.GMURatio(); err == nil {
		t, err := ratioTable(s)
		if err != nil {
			return nil, err
		}
		p.add(Section{ID: "gmu-ratio", Heading: "The GMU ratio", Charts: []*study.Chart{f}, Tables: []*reports.Table{t}, Text: []string{
			"A GMU ratio of 0 is YOCO: every layer of the cross-decoder reads the one cache. At 1 none does."}})
	} else {
		p.add(Section{ID: "gmu-ratio", Heading: "The GMU ratio", Text: []string{"None of these models has a cross-decoder, so there is nothing for Gated Memory Units to replace."}})
	}
	audit, err := claims.Run(ctx, claims.Options{Hardware: s.Compiled[0].Hardware})
	if err != nil {
		return nil, err
	}
	p.add(claimed(audit))
	p.add(method(s, rows))
	return p, nil
}

// claimed is the audit of the sources' claims on the report's device.
func claimed(r *claims.Report) Section {
	t := reports.ClaimsTable(r)
	notes := t.Notes
	t.Notes = nil
	return Section{ID: "claims", Heading: "What the sources claim", Tables: []*reports.Table{t}, After: notes}
}

// add keeps a section; where no sequence fits the device a figure would be empty.
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

// topOps is how many operations a table of the report lists.
const topOps = 8

func largestOps(r costmodel.Row) *reports.Table {
	ops := r.Compiled.FittedBreakdown(r.Workload)
	sort.SliceStable(ops, func(i, j int) bool { return ops[i].Seconds > ops[j].Seconds })
	ops = ops[:min(topOps, len(ops))]
	t := reports.BreakdownTable(r.Compiled.Model.Name+": the operations that take longest in a mean decode step, at roofline", ops)
	// The shares are of the whole step; a sum over the largest is no sum.
	for i := range t.Columns {
		t.Columns[i].Cells = t.Columns[i].Cells[:len(ops)]
	}
	return t
}

func memoryTable(rows []costmodel.Row) *reports.Table {
	t := &reports.Table{Title: "A device's memory at full length", Columns: []reports.Column{
		{Name: "model", Left: true}, {Name: "weights", Unit: "B", Scale: true}, {Name: "a sequence", Unit: "B", Scale: true},
		{Name: "in use", Unit: "B", Scale: true}, {Name: "capacity", Unit: "B", Scale: true}, {Name: "batch"}, {Name: "largest batch"}, {Name: "verdict", Left: true}}}
	for _, r := range rows {
		v := "fits"
		if !r.Memory.Fits {
			v = "lacks " + reports.SI(r.Memory.MissingBytes, "B")
		}
		m := r.Memory
		t.Add(reports.Txt(r.Compiled.Model.Name), reports.Num(m.WeightsBytes), reports.Num(m.BytesPerSequence), reports.Num(m.TotalBytes), reports.Num(m.CapacityBytes),
			reports.Num(float64(r.Workload.Batch)), reports.Num(float64(m.MaxBatch)), reports.Txt(v))
	}
	return t
}

// ratioTable prices the first model that has a cross-decoder at five ratios.
func ratioTable(s *study.Setup) (*reports.Table, error) {
	for _, c := range s.Compiled {
		if _, ok := c.Model.GMURatio(); !ok {
			continue
		}
		var cs []*costmodel.Compiled
		for i := range 5 {
			m, err := family.WithGMURatio(c.Model, float64(i)/4)
			if err != nil {
				return nil, err
			}
			m.Name = fmt.Sprintf("ratio %g", float64(i)/4)
			x, err := costmodel.Compile(m, c.Hardware, c.Options)
			if err != nil {
				return nil, err
			}
			cs = append(cs, x)
		}
		rows, err := costmodel.Compare(cs, s.Fidelity, s.Load)
		if err != nil {
			return nil, err
		}
		t := reports.CompareTable(rows)
		t.Title, t.Notes = c.Model.Name+" with other GMU ratios", nil
		return t, nil
	}
	return nil, nil
}

// fidelities say in words what a time is.
var fidelities = map[costmodel.Fidelity]string{
	costmodel.Limit:      "limit is max(ΣFLOPs/peak, Σbytes/bandwidth) for a step, the speed of light; no measurement of the device enters, and real kernels are slower.",
	costmodel.Roofline:   "roofline is the sum over operations of max(FLOPs/peak, bytes/bandwidth); no measurement of the device enters, and real kernels are slower, small batches most of all.",
	costmodel.Calibrated: "calibrated is the sum over operations of a time fitted to timings of GPU kernels, and what the serving engine adds; nine in ten measurements should lie in its interval. Timings: NVIDIA AIConfigurator, github.com/ai-dynamo/aiconfigurator, commit 095f58a51, Apache-2.0.",
}

func method(s *study.Setup, rows []costmodel.Row) Section {
	c := s.Compiled[0]
	x := Section{ID: "method", Heading: "How these figures were made", Text: []string{
		fmt.Sprintf("Fidelity: %s. %s", s.Fidelity, fidelities[s.Fidelity]),
		"Formats: " + c.Formats() + ". Kernels read K and V " + c.Options.KVRead.String() + "; differential attention runs " + c.Options.Diff.String() + "; prefill " + c.Options.Prefill.String() + ".",
		"What is counted, operation by operation, is a written convention; reference kernels count the same bytes and FLOPs while they run, and tests hold the two equal, integer for integer.",
	}}
	sure := &reports.Table{Title: "What each row rests on", Columns: []reports.Column{{Name: "model", Left: true}, {Name: "TPOT, nine in ten"}, {Name: "basis", Left: true}}}
	for _, r := range rows {
		span := "no interval"
		if r.Interval.Low != nil {
			span = reports.Span(*r.Interval.Low, *r.Interval.High, "s")
		}
		sure.Add(reports.Txt(r.Compiled.Model.Name), reports.Txt(span), reports.Txt(r.Basis))
	}
	x.Tables = append(x.Tables, sure)
	t := &reports.Table{Title: "Layouts", Columns: []reports.Column{{Name: "model", Left: true}, {Name: "layout", Left: true}}}
	for _, c := range s.Compiled {
		t.Add(reports.Txt(c.Model.Name), reports.Txt(c.Model.Summary()))
	}
	x.Tables = append(x.Tables, t, reports.ProfileTable(c.Hardware))
	x.Text = append(x.Text, "Architecture formulas: Ren et al., Decoder-Hybrid-Decoder Architecture for Efficient Reasoning with Long Generation, arXiv:2507.06607v3.")
	return x
}

// HTML writes the report as one file that needs nothing else: figures inline in both
// themes, of which the reader's preference shows one.
func (p *Page) HTML(w io.Writer) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{"svg": svg, "table": tableHTML, "show": show}).ParseFS(files, "page.html")
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

// phone is the width figures are drawn at for narrow screens.
const phone = 9.4 * vg.Centimeter

// shown is how a chart is put into the page: for wide and for narrow screens.
type shown struct {
	Title, Alt   string
	Rem          int // width it is shown at on wide screens
	Wide, Narrow *figure.Figure
}

// draw lays a chart out twice. Text in figures of any width is of one size: 16 cm are 46
// rem, and no figure is wider than the page.
func show(c *study.Chart) shown {
	wide := figure.New(c, figure.Options{})
	w, _ := wide.Size()
	return shown{c.Title, c.Alt, min(int(46*float64(w/(16*vg.Centimeter))), 60), wide, figure.New(c, figure.Options{Width: phone})}
}

// svg draws a figure for inlining.
func svg(f *figure.Figure, theme string) (template.HTML, error) {
	th, err := figure.ParseTheme(theme)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := f.Write(&b, "x.svg", th); err != nil {
		return "", err
	}
	s := b.String()
	i := strings.Index(s, "<svg")
	if i < 0 {
		return "", fmt.Errorf("a figure drew no svg")
	}
	// The drawing is ours, names in it are escaped by the canvas.
	return template.HTML(strings.Replace(s[i:], "<svg", `<svg aria-hidden="true" focusable="false"`, 1)), nil
}

// tableHTML writes a table with scopes, so that a screen reader names row and column.
func tableHTML(t *reports.Table) template.HTML {
	heads, rows := t.Rendered()
	var b strings.Builder
	esc := template.HTMLEscapeString
	b.WriteString("<table>")
	if t.Title != "" {
		b.WriteString("<caption>" + esc(t.Title) + "</caption>")
	}
	b.WriteString("<thead><tr>")
	class := func(i int) string {
		if t.Columns[i].Left {
			return ` class="text"`
		}
		return ""
	}
	for i, h := range heads {
		fmt.Fprintf(&b, `<th scope="col"%s>%s</th>`, class(i), strings.ReplaceAll(esc(h), "\n", "<br>"))
	}
	b.WriteString("</tr></thead><tbody>")
	for _, r := range rows {
		b.WriteString("<tr>")
		for i, c := range r {
			if i == 0 {
				fmt.Fprintf(&b, `<th scope="row"%s>%s</th>`, class(i), esc(c))
			} else {
				fmt.Fprintf(&b, `<td%s>%s</td>`, class(i), esc(c))
			}
		}
		b.WriteString("</tr>")
	}
	b.WriteString("</tbody></table>")
	return template.HTML(b.String())
}

// Markdown writes the report without its figures, which Markdown cannot hold; each is
// named with what it would show.
func (p *Page) Markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n**%s**\n\n%s\n", p.Title, p.Verdict, p.Setting)
	for _, s := range p.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n", s.Heading)
		for _, t := range s.Text {
			fmt.Fprintf(&b, "%s\n\n", t)
		}
		for _, f := range s.Charts {
			fmt.Fprintf(&b, "*Figure in the HTML report: %s.*\n\n", f.Alt)
		}
		for _, t := range s.Tables {
			if err := t.Markdown(&b); err != nil {
				return err
			}
			b.WriteByte('\n')
		}
		for _, t := range s.After {
			fmt.Fprintf(&b, "%s\n\n", t)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
