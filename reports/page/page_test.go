package page

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/study"
)

func build(t *testing.T, f costmodel.Fidelity, on string, names ...string) *Page {
	t.Helper()
	hw, err := hardware.Lookup(on)
	if err != nil {
		t.Fatal(err)
	}
	s := &study.Setup{Fidelity: f, Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16}}
	for _, name := range names {
		m, err := models.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := costmodel.Compile(m, hw, costmodel.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Compiled = append(s.Compiled, c)
	}
	p, err := Build(context.Background(), s, Made{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func document(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSameInputSameBytes(t *testing.T) {
	a := document(t, build(t, costmodel.Calibrated, "a100-80gb", "phi4-mini", "phi4-mini-flash"))
	b := document(t, build(t, costmodel.Calibrated, "a100-80gb", "phi4-mini", "phi4-mini-flash"))
	if a != b {
		t.Error("two reports of one input differ")
	}
}

// What a reader is told, and in which order.
func TestOrder(t *testing.T) {
	p := build(t, costmodel.Roofline, "h100-sxm", "phi4-mini", "phi4-mini-flash")
	if strings.Count(strings.TrimSuffix(p.Verdict, "."), ". ") != 0 {
		t.Errorf("the verdict is more than a sentence: %s", p.Verdict)
	}
	doc := document(t, p)
	at := 0
	for _, mark := range []string{p.Verdict[:40], `id="comparison"`, `id="throughput"`, `id="tpot"`, `id="time"`, `id="fits"`, `id="gmu-ratio"`, `id="claims"`, `id="method"`} {
		i := strings.Index(doc[at:], mark)
		if i < 0 {
			t.Fatalf("%s does not follow what comes before it", mark)
		}
		at += i
	}
	for _, say := range []string{"Fidelity: roofline", "arXiv:2507.06607", "NVIDIA H100"} {
		if !strings.Contains(doc[at:], say) {
			t.Errorf("the method does not say %q", say)
		}
	}
}

func TestCalibratedSaysWhatItRestsOn(t *testing.T) {
	doc := document(t, build(t, costmodel.Calibrated, "a100-80gb", "phi4-mini", "phi4-mini-flash"))
	for _, say := range []string{"aiconfigurator", "fitted on this GPU", "Mamba-1 scans transferred from h100-sxm", "nine in ten"} {
		if !strings.Contains(doc, say) {
			t.Errorf("a calibrated report does not say %q", say)
		}
	}
	if strings.Contains(doc, "no measurement of the device enters") {
		t.Error("a calibrated report says that nothing was measured")
	}
}

// Nothing is fetched: the file works from disk without a network.
func TestSelfContained(t *testing.T) {
	doc := document(t, build(t, costmodel.Calibrated, "a100-80gb", "phi4-mini", "phi4-mini-flash"))
	for _, re := range []string{`(?i)\bsrc\s*=`, `(?i)<link`, `(?i)<script`, `(?i)<iframe`, `(?i)@import`, `(?i)url\((?:["']?)(?:https?:|//)`, `(?i)xlink:href="https?:`} {
		if m := regexp.MustCompile(re).FindString(doc); m != "" {
			t.Errorf("the page fetches something: %s", m)
		}
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(doc, -1) {
		if !strings.HasPrefix(m[1], "#") {
			t.Errorf("a link leaves the page: %s", m[1])
		}
	}
}

func TestAccessible(t *testing.T) {
	doc := document(t, build(t, costmodel.Calibrated, "a100-80gb", "phi4-mini", "phi4-mini-flash"))
	for _, want := range []string{`<html lang="en">`, `prefers-color-scheme: dark`, `@media print`, `name="viewport"`, `class="skip"`, `<main id="main">`} {
		if !strings.Contains(doc, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if n := strings.Count(doc, "<h1"); n != 1 {
		t.Errorf("%d first headings", n)
	}
	level := 0
	for _, m := range regexp.MustCompile(`<h([1-6])`).FindAllStringSubmatch(doc, -1) {
		l := int(m[1][0] - '0')
		if l > level+1 {
			t.Errorf("a heading of level %d follows one of level %d", l, level)
		}
		level = l
	}
	if figures, named := strings.Count(doc, "<figure"), len(regexp.MustCompile(`<figure role="img" aria-label="[^"]{20,}"`).FindAllString(doc, -1)); figures == 0 || figures != named {
		t.Errorf("%d of %d figures say what they show", named, figures)
	}
	if tables, scopes := strings.Count(doc, "<table>"), strings.Count(doc, `<thead><tr><th scope="col"`); tables == 0 || tables != scopes {
		t.Errorf("%d of %d tables have headers with a scope", scopes, tables)
	}
	if tables, captions := strings.Count(doc, "<table>"), strings.Count(doc, "<table><caption>"); captions != tables {
		t.Errorf("%d of %d tables have a caption", captions, tables)
	}
	for _, stop := range regexp.MustCompile(`<[^>]*tabindex[^>]*>`).FindAllString(doc, -1) {
		if !strings.Contains(stop, `tabindex="0" role="region" aria-label="`) {
			t.Errorf("a stop of the keyboard has no name: %s", stop)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bid="([^"]*)"`).FindAllStringSubmatch(doc, -1) {
		if ids[m[1]] {
			t.Errorf("two elements are called %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(doc, -1) {
		if !ids[m[1]] {
			t.Errorf("a link goes to #%s, which is not there", m[1])
		}
	}
}

// A figure wider than the others is shown wider, so that its letters are of their size, and
// every figure is there again for phones, no wider than one.
func TestWideFigures(t *testing.T) {
	p := build(t, costmodel.Roofline, "a100-80gb", "phi4-mini", "phi4-mini-flash")
	doc := document(t, p)
	shown := regexp.MustCompile(`style="max-width:(\d+)rem"`).FindAllStringSubmatch(doc, -1)
	if len(shown) < 4 {
		t.Fatalf("%d figures", len(shown))
	}
	line, err := strconv.Atoi(shown[0][1])
	if err != nil {
		t.Fatal(err)
	}
	wide := 0
	for _, s := range shown {
		rem, err := strconv.Atoi(s[1])
		if err != nil {
			t.Fatal(err)
		}
		wide = max(wide, rem)
	}
	if float64(wide) < 1.25*float64(line) || wide > 60 {
		t.Errorf("the widest figure is shown at %d rem, the first at %d", wide, line)
	}
	for _, s := range regexp.MustCompile(`class="narrow light"><svg[^>]* width="([\d.]+)pt"`).FindAllStringSubmatch(doc, -1) {
		if w, err := strconv.ParseFloat(s[1], 64); err != nil || w > 9.5*72/2.54 {
			t.Errorf("a figure is %s pt wide on a phone", s[1])
		}
	}
	if wide, narrow := strings.Count(doc, `class="wide light"`), strings.Count(doc, `class="narrow dark"`); wide < 4 || wide != narrow {
		t.Errorf("%d figures for wide screens, %d for narrow ones", wide, narrow)
	}
}

// A model whose name is markup is text.
func TestNamesAreEscaped(t *testing.T) {
	p := build(t, costmodel.Roofline, "a100-80gb", "phi4-mini")
	p.Title = "<img onerror=x>"
	p.Sections[0].Tables[0].Columns[0].Cells[0].Text = "<script>alert(1)</script>"
	if doc := document(t, p); strings.Contains(doc, "<img") || strings.Contains(doc, "<script>alert") {
		t.Error("a name became markup")
	}
}

func TestMarkdown(t *testing.T) {
	p := build(t, costmodel.Calibrated, "a100-80gb", "phi4-mini", "phi4-mini-flash")
	var b bytes.Buffer
	if err := p.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	md := b.String()
	at := 0
	for _, s := range p.Sections {
		i := strings.Index(md[at:], "## "+s.Heading)
		if i < 0 {
			t.Fatalf("section %q is missing or out of order", s.Heading)
		}
		at += i
	}
	if !strings.Contains(md, "| phi4-mini-flash |") {
		t.Error("no table has a row of phi4-mini-flash")
	}
}

// The claims made of SambaY and the GMU ratio are in a report only where a model has a
// cross-decoder.
func TestNoCrossDecoder(t *testing.T) {
	doc := document(t, build(t, costmodel.Roofline, "a100-80gb", "llama-3.1-8b", "qwen3-8b"))
	for _, not := range []string{`id="claims"`, `id="gmu-ratio"`, "SambaY", "GMU"} {
		if strings.Contains(doc, not) {
			t.Errorf("a report of transformers says %s", not)
		}
	}
}

// The share of an operation in the table is the one in the figure above it, and the times
// are of the report's fidelity.
func TestTablesAgreeWithFigures(t *testing.T) {
	for _, f := range []costmodel.Fidelity{costmodel.Roofline, costmodel.Calibrated} {
		p := build(t, f, "a100-80gb", "phi4-mini", "phi4-mini-flash")
		i := slices.IndexFunc(p.Sections, func(s Section) bool { return s.ID == "time" })
		section := p.Sections[i]
		for k, bar := range section.Charts[0].Panels[0].Series {
			heads, rows := section.Tables[k].Rendered()
			if !strings.HasPrefix(heads[3], "share") {
				t.Fatalf("columns are %q", heads)
			}
			found := 0
			for _, part := range bar.Points {
				for _, row := range rows {
					if row[0] == part.Name {
						found++
						if want := fmt.Sprintf("%.0f %%", 100*part.Share); row[3] != want {
							t.Errorf("%s, %s: %s takes %s in the table and %s in the figure", f, bar.Name, part.Name, row[3], want)
						}
					}
				}
			}
			if found < 5 {
				t.Errorf("%s: the table has %d of the figure's operations", bar.Name, found)
			}
		}
	}
}

// What does not fit is said in words before any figure.
func TestMisfitIsSaid(t *testing.T) {
	p := build(t, costmodel.Roofline, "a100-80gb", "llama-3.1-70b", "phi4-mini")
	doc := document(t, p)
	if i, j := strings.Index(doc, "llama-3.1-70b does not fit: batch 16 lacks"), strings.Index(doc, `id="comparison"`); i < 0 || i > j {
		t.Error("the report does not begin with what does not fit")
	}
	if !strings.Contains(doc, "broken lines: does not") {
		t.Error("its figures do not say what is broken")
	}
}

// A report says how it was made, and can leave that out.
func TestMade(t *testing.T) {
	p := build(t, costmodel.Roofline, "a100-80gb", "phi4-mini")
	if strings.Contains(document(t, p), "Made by") {
		t.Error("a report says how it was made though nobody knows")
	}
	p.Made = Made{"ridgeline report 'a b'", "ridgeline v1, a build", "today"}
	if doc := document(t, p); !strings.Contains(doc, "Made by <code>ridgeline report &#39;a b&#39;</code> with ridgeline v1, a build on today.") {
		t.Error("a report does not say how it was made")
	}
	var b bytes.Buffer
	if err := p.Markdown(&b); err != nil || !strings.Contains(b.String(), "Made by `ridgeline report 'a b'` with ridgeline v1, a build on today.") {
		t.Error("the Markdown does not say how it was made")
	}
}

// Where not even one sequence fits, a report says so instead of drawing nothing.
func TestNothingFits(t *testing.T) {
	hw, err := hardware.Lookup("l4")
	if err != nil {
		t.Fatal(err)
	}
	m, err := models.Open("llama-3.1-70b")
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Build(context.Background(), &study.Setup{Compiled: []*costmodel.Compiled{c},
		Fidelity: costmodel.Roofline, Load: costmodel.Workload{Prompt: 2000, Generate: 32000}}, Made{})
	if err != nil {
		t.Fatal(err)
	}
	if doc := document(t, p); !strings.Contains(doc, "Not drawn, Decode throughput") || !strings.Contains(doc, "lacks") {
		t.Error("a report of a model that does not fit does not say so")
	}
}

// Curves that share no place along x are a list in Markdown, not columns of dashes; those that
// share all of them are columns.
func TestCurvesApartAreAList(t *testing.T) {
	line := func(name string, xs ...float64) study.Series {
		s := study.Series{Name: name}
		for _, x := range xs {
			s.Points = append(s.Points, study.Point{X: x, Y: 2 * x, Fits: true, Name: "2 clients"})
		}
		return s
	}
	table := func(s ...study.Series) *reports.Table {
		return numbers(&study.Chart{Title: "x", Panels: []study.Panel{{Form: study.Curves, X: study.Axis{Label: "throughput"}, Y: study.Axis{Label: "time", Unit: "s"}, Series: s}}})[0]
	}
	_, rows := table(line("a", 1, 2, 3), line("b", 1.5, 2.5, 3.5)).Rendered()
	if len(rows) != 6 || rows[4][0] != "b" || rows[4][1] != "2 clients" || rows[4][2] != "2.50" || rows[4][3] != "5.00 s" {
		t.Errorf("curves apart: %q", rows)
	}
	if heads, rows := table(line("a", 1, 2, 3), line("b", 1, 2, 3)).Rendered(); len(rows) != 3 || len(heads) != 3 {
		t.Errorf("curves at the same places: %q", rows)
	}
}
