package page

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ridgeline/arch"
	"ridgeline/costmodel"
	"ridgeline/hardware"
	"ridgeline/reports/figure"
)

func setup(t *testing.T, models ...*arch.Model) *figure.Setup {
	t.Helper()
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	s := &figure.Setup{Devices: []*hardware.Profile{hw}, Fidelity: costmodel.Roofline, Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16}}
	for _, m := range models {
		c, err := costmodel.Compile(m, hw, costmodel.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Compiled = append(s.Compiled, c)
	}
	return s
}

func open(t *testing.T, names ...string) (ms []*arch.Model) {
	t.Helper()
	for _, n := range names {
		m, err := arch.Open(n)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

// pages are reports of one, two and eight models, with and without a cross-decoder.
func pages(t *testing.T) map[string]*Page {
	t.Helper()
	out := map[string]*Page{}
	for _, names := range [][]string{{"phi4-mini"}, {"phi4-mini", "phi4-mini-flash"},
		{"phi4-mini-flash", "phi4-mini", "llama-3.1-8b", "qwen3-8b", "sambay-1b", "gdny-1b", "mixtral-8x7b", "transformer++(d=8)"}} {
		p, err := Build(setup(t, open(t, names...)...))
		if err != nil {
			t.Fatal(err)
		}
		out[strings.Join(names, " ")] = p
	}
	return out
}

func write(t *testing.T, p *Page) (html, markdown string) {
	t.Helper()
	var h, m bytes.Buffer
	if err := p.HTML(&h); err != nil {
		t.Fatal(err)
	}
	if err := p.Markdown(&m); err != nil {
		t.Fatal(err)
	}
	return h.String(), m.String()
}

func TestSameInputSameBytes(t *testing.T) {
	a, b := pages(t), pages(t)
	for name := range a {
		ah, am := write(t, a[name])
		bh, bm := write(t, b[name])
		if ah != bh || am != bm {
			t.Errorf("%s: made twice, the report differs", name)
		}
	}
}

// What a reader wants first comes first: the verdict, in one sentence, then in this order.
func TestOrder(t *testing.T) {
	want := []string{"Comparison", "Throughput against generation length", "Where the time goes", "What fits", "The GMU ratio", "How these figures were made"}
	h2 := regexp.MustCompile(`<h2[^>]*>([^<]*)</h2>`)
	for name, p := range pages(t) {
		html, markdown := write(t, p)
		var got, gotMD []string
		for _, m := range h2.FindAllStringSubmatch(html, -1) {
			got = append(got, m[1])
		}
		for _, l := range strings.Split(markdown, "\n") {
			if h, ok := strings.CutPrefix(l, "## "); ok {
				gotMD = append(gotMD, h)
			}
		}
		if !slices.Equal(got, want) || !slices.Equal(gotMD, want) {
			t.Errorf("%s: sections %q, in Markdown %q", name, got, gotMD)
		}
		if strings.Index(html, `class="verdict"`) > strings.Index(html, "<h2") {
			t.Errorf("%s: a section before the verdict", name)
		}
		if !strings.HasSuffix(p.Verdict, ".") || strings.Contains(p.Verdict, ". ") || strings.Contains(p.Verdict, "\n") {
			t.Errorf("%s: the verdict is not one sentence: %s", name, p.Verdict)
		}
		method := html[strings.LastIndex(html, "<section"):]
		for _, w := range []string{"Fidelity: roofline", "Basis: datasheet only", "weights bf16", "NVIDIA", "arXiv:2507.06607", "Layouts"} {
			if !strings.Contains(method, w) {
				t.Errorf("%s: the method does not say %q", name, w)
			}
		}
		// Each section holds what it is named for.
		for id, parts := range map[string][]string{"comparison": {"<table>"}, "throughput": {"<svg"}, "time": {"<svg", "<table>"}, "fits": {"<svg", "<table>"}} {
			_, rest, _ := strings.Cut(html, `<section id="`+id+`"`)
			section, _, _ := strings.Cut(rest, "</section>")
			for _, x := range parts {
				if !strings.Contains(section, x) {
					t.Errorf("%s: section %s has no %s", name, id, x)
				}
			}
		}
	}
}

var (
	tag  = regexp.MustCompile(`<(/?)([a-z][a-z0-9]*)([^>]*)>`)
	attr = regexp.MustCompile(`([a-z:-]+)="([^"]*)"`)
)

// elements lists the start tags of a page with their attributes.
func elements(html string) (out []element) {
	for _, m := range tag.FindAllStringSubmatch(html, -1) {
		if m[1] == "/" {
			continue
		}
		e := element{m[2], map[string]string{}}
		for _, a := range attr.FindAllStringSubmatch(m[3], -1) {
			e.attrs[a[1]] = a[2]
		}
		out = append(out, e)
	}
	return out
}

type element struct {
	name  string
	attrs map[string]string
}

// A report needs nothing but itself.
func TestNoNetwork(t *testing.T) {
	for name, p := range pages(t) {
		html, _ := write(t, p)
		for _, e := range elements(html) {
			if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "base", "image", "use"}, e.name) {
				t.Errorf("%s: a <%s>", name, e.name)
			}
			for k, v := range e.attrs {
				switch {
				case strings.HasPrefix(k, "on") || k == "src" || k == "srcset" || k == "data":
					t.Errorf("%s: <%s %s=%q>", name, e.name, k, v)
				case k == "href" || k == "xlink:href":
					if e.name != "a" || !strings.HasPrefix(v, "#") {
						t.Errorf("%s: <%s> refers to %s", name, e.name, v)
					}
				}
			}
		}
		for _, s := range []string{"url(", "@import", "@font-face"} {
			if strings.Contains(html, s) {
				t.Errorf("%s: has %s", name, s)
			}
		}
	}
}

// Who cannot see the page, or prints it, or reads at night, gets it too.
func TestAccessible(t *testing.T) {
	for name, p := range pages(t) {
		html, _ := write(t, p)
		if !strings.Contains(html, `<html lang="en">`) || !strings.Contains(html, "<title>What a token costs") {
			t.Errorf("%s: no language or title", name)
		}
		for _, s := range []string{"@media print", "@media (prefers-color-scheme: dark)", `name="viewport"`} {
			if !strings.Contains(html, s) {
				t.Errorf("%s: no %s", name, s)
			}
		}
		level, h1 := 0, 0
		ids := map[string]bool{}
		figures, svgs := 0, 0
		for _, e := range elements(html) {
			if id := e.attrs["id"]; id != "" {
				if ids[id] {
					t.Errorf("%s: id %s twice", name, id)
				}
				ids[id] = true
			}
			switch e.name {
			case "h1", "h2", "h3", "h4":
				n := int(e.name[1] - '0')
				if n > level+1 {
					t.Errorf("%s: <%s> after level %d", name, e.name, level)
				}
				level = n
				if n == 1 {
					h1++
				}
			case "th":
				if s := e.attrs["scope"]; s != "col" && s != "row" {
					t.Errorf("%s: a <th> without scope", name)
				}
			case "figure":
				figures++
				if e.attrs["role"] != "img" || len(e.attrs["aria-label"]) < 30 {
					t.Errorf("%s: a figure without a name: %v", name, e.attrs)
				}
			case "svg":
				svgs++
				if e.attrs["aria-hidden"] != "true" {
					t.Errorf("%s: a drawing beside its name", name)
				}
			}
			if e.attrs["tabindex"] != "" && (e.attrs["tabindex"] != "0" || e.attrs["aria-label"] == "") {
				t.Errorf("%s: a tab stop without a name or out of order: %v", name, e.attrs)
			}
		}
		if h1 != 1 {
			t.Errorf("%s: %d <h1>", name, h1)
		}
		if svgs != 2*figures || figures < 3 {
			t.Errorf("%s: %d drawings of %d figures, one light and one dark each", name, svgs, figures)
		}
		for _, e := range elements(html) {
			if to, ok := strings.CutPrefix(e.attrs["href"], "#"); ok && !ids[to] {
				t.Errorf("%s: a link to #%s, which is nowhere", name, to)
			}
			if to := e.attrs["aria-labelledby"]; to != "" && !ids[to] {
				t.Errorf("%s: labelled by %s, which is nowhere", name, to)
			}
		}
		for i, table := range strings.Split(html, "<table>")[1:] {
			if !strings.HasPrefix(table, "<caption>") {
				t.Errorf("%s: table %d has no caption", name, i)
			}
		}
	}
}

// The letters of a wide figure are as large as those of a narrow one, up to the page.
func TestLetters(t *testing.T) {
	p := pages(t)["phi4-mini phi4-mini-flash"]
	html, _ := write(t, p)
	size := regexp.MustCompile(`style="max-width:([0-9.]+)rem;min-width:([0-9.]+)rem" width="([0-9.]+)pt"`)
	found := size.FindAllStringSubmatch(html, -1)
	if len(found) == 0 {
		t.Fatal("no figure says its size")
	}
	widths := map[string]string{}
	for _, m := range found {
		widths[m[3]] = m[1]
	}
	if len(widths) < 2 || widths["453.54"] == widths["680.31"] {
		t.Errorf("figures of all widths are drawn equally wide: %v", widths)
	}
}

// A model's name is text wherever it appears.
func TestNamesAreText(t *testing.T) {
	m := open(t, "phi4-mini-flash")[0]
	m.Name = `<script>alert("x")</script>&<b>`
	p, err := Build(setup(t, m))
	if err != nil {
		t.Fatal(err)
	}
	html, _ := write(t, p)
	if strings.Contains(html, "<script") || strings.Contains(html, "<b>") {
		t.Error("a name becomes markup")
	}
}
