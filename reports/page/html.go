package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"io"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/reports/figure"
	"github.com/OWNER/ridgeline/study"
)

//go:embed page.css
var style string

// HTML writes the report as one file that needs nothing else: figures inline in both
// themes, of which the reader's preference shows one.
//
// The page is written by functions and not by html/template: that package finds methods by
// their names while it runs, and a program that does so anywhere must keep every exported
// method of every type it links, 5 MB of this one.
func (p *Page) HTML(w io.Writer) error {
	var h markup
	h.raw(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="ridgeline">
`)
	h.say("<title>%s</title>\n", p.Title)
	h.raw("<style>\n" + style + "</style>\n</head>\n<body>\n")
	h.raw(`<a class="skip" href="#main">Skip to the verdict</a>` + "\n" + `<main id="main">` + "\n")
	h.say("<h1>%s</h1>\n", p.Title)
	h.say(`<p class="verdict">%s</p>`+"\n", p.Verdict)
	if p.Faster != "" {
		h.say("<p>%s</p>\n", p.Faster)
	}
	for _, m := range p.Misfits {
		h.say(`<p class="misfit">%s</p>`+"\n", m)
	}
	h.say(`<p class="setting">%s</p>`+"\n", p.Setting)
	if p.Made.Command != "" {
		h.say(`<p class="setting made">Made by <code>%s</code> with %s on %s.</p>`+"\n", p.Made.Command, p.Made.Version, p.Made.Date)
	}
	h.raw(`<nav aria-label="Sections"><ul>`)
	for _, s := range p.Sections {
		h.say(`<li><a href="#%s">%s</a></li>`, s.ID, s.Heading)
	}
	h.raw("</ul></nav>\n")
	for _, s := range p.Sections {
		if err := h.section(s); err != nil {
			return err
		}
	}
	h.raw("\n</main>\n</body>\n</html>\n")
	_, err := w.Write(h.Bytes())
	return err
}

func (h *markup) section(s Section) error {
	h.say("\n"+`<section id="%s" aria-labelledby="%s-heading">`+"\n", s.ID, s.ID)
	h.say(`<h2 id="%s-heading">%s</h2>`+"\n", s.ID, s.Heading)
	for _, t := range s.Text {
		h.say(`<p class="note">%s</p>`+"\n", t)
	}
	for _, c := range s.Charts {
		if err := h.chart(c); err != nil {
			return err
		}
	}
	for _, t := range s.Tables {
		name := t.Title
		if name == "" {
			name = "Table"
		}
		h.say(`<div class="scroll" tabindex="0" role="region" aria-label="%s">`, name)
		h.table(t)
		h.raw("</div>\n")
	}
	for _, t := range s.After {
		h.say(`<p class="note">%s</p>`+"\n", t)
	}
	h.raw("</section>\n")
	return nil
}

// phone is the width at which figures are drawn for narrow screens.
const phone = 9.4 * vg.Centimeter

// chart puts a chart into the page four times, for wide and for narrow screens in both
// themes; the style shows one of them. Text in figures of any width is of one size: 16 cm
// are 46 rem, and no figure is wider than the page.
func (h *markup) chart(c *study.Chart) error {
	wide, narrow := figure.New(c, figure.Options{}), figure.New(c, figure.Options{Width: phone})
	w, _ := wide.Size()
	h.say(`<figure role="img" aria-label="%s. %s." style="max-width:%srem">`+"\n", c.Title, c.Alt, fmt.Sprint(min(int(46*float64(w/(16*vg.Centimeter))), 60)))
	for _, x := range []struct {
		f           *figure.Figure
		size, theme string
	}{{wide, "wide", "light"}, {wide, "wide", "dark"}, {narrow, "narrow", "light"}, {narrow, "narrow", "dark"}} {
		drawn, err := svg(x.f, x.theme)
		if err != nil {
			return err
		}
		h.say(`<div class="%s %s">`, x.size, x.theme)
		h.raw(drawn + "</div>\n")
	}
	h.raw("</figure>\n")
	return nil
}

// svg draws a figure for inlining. The drawing is ours; names in it are escaped by the
// canvas.
func svg(f *figure.Figure, theme string) (string, error) {
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
	return strings.Replace(s[i:], "<svg", `<svg aria-hidden="true" focusable="false"`, 1), nil
}

// table writes a table with scopes, so that a screen reader names row and column.
func (h *markup) table(t *reports.Table) {
	heads, rows := t.Rendered()
	h.raw("<table>")
	if t.Title != "" {
		h.say("<caption>%s</caption>", t.Title)
	}
	h.raw("<thead><tr>")
	cell := func(tag string, i int, lines []string) {
		h.raw("<" + tag)
		if t.Columns[i].Left {
			h.raw(` class="text"`)
		}
		h.raw(">")
		for n, l := range lines {
			if n > 0 {
				h.raw("<br>")
			}
			h.say("%s", l)
		}
		h.raw("</" + tag[:2] + ">")
	}
	for i, head := range heads {
		cell(`th scope="col"`, i, strings.Split(head, "\n"))
	}
	h.raw("</tr></thead><tbody>")
	for _, r := range rows {
		h.raw("<tr>")
		for i, c := range r {
			tag := "td"
			if i == 0 {
				tag = `th scope="row"`
			}
			cell(tag, i, []string{c})
		}
		h.raw("</tr>")
	}
	h.raw("</tbody></table>")
}

// markup is HTML being written.
type markup struct{ bytes.Buffer }

// raw writes markup of our own as it stands.
func (h *markup) raw(s string) { h.WriteString(s) }

// say writes a format whose values are text of others, escaped. They may stand between
// tags and in quoted values of attributes that hold text or an id, nowhere else.
func (h *markup) say(format string, values ...string) {
	safe := make([]any, len(values))
	for i, v := range values {
		safe[i] = html.EscapeString(strings.ReplaceAll(v, "\x00", "\ufffd"))
	}
	fmt.Fprintf(h, format, safe...)
}
