package reports

import (
	"io"
	"strings"
	"unicode/utf8"
)

// LineWidth is the columns everything must be readable in.
const LineWidth = 100

// Document is a report for people: blocks one under the other.
type Document struct {
	blocks []block
}

type block interface {
	text(w *strings.Builder)
	markdown(w *strings.Builder)
}

// Heading adds a title line.
func (d *Document) Heading(s string) { d.blocks = append(d.blocks, heading(s)) }

// Paragraph adds prose, wrapped in text.
func (d *Document) Paragraph(s string) { d.blocks = append(d.blocks, paragraph(s)) }

// Table adds a table.
func (d *Document) Table(t *Table) { d.blocks = append(d.blocks, t) }

// WriteText writes the document for a terminal: at most LineWidth columns as long as its
// tables are no wider.
func (d *Document) WriteText(w io.Writer) error { return d.write(w, block.text) }

// WriteMarkdown writes the document as Markdown.
func (d *Document) WriteMarkdown(w io.Writer) error { return d.write(w, block.markdown) }

func (d *Document) write(w io.Writer, one func(block, *strings.Builder)) error {
	var b strings.Builder
	for i, x := range d.blocks {
		if i > 0 {
			b.WriteByte('\n')
		}
		one(x, &b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type heading string

func (h heading) text(w *strings.Builder)     { w.WriteString(Wrap(string(h), LineWidth)) }
func (h heading) markdown(w *strings.Builder) { w.WriteString("### " + escapeMarkdown(string(h)) + "\n") }

type paragraph string

func (p paragraph) text(w *strings.Builder)     { w.WriteString(Wrap(string(p), LineWidth)) }
func (p paragraph) markdown(w *strings.Builder) { w.WriteString(escapeMarkdown(string(p)) + "\n") }

// Wrap breaks prose into lines of at most width characters, each ended by a newline; a
// longer word keeps a line to itself.
func Wrap(s string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Split(s, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	b.WriteByte('\n')
	return b.String()
}

// escapeMarkdown keeps names such as transformer_ls and (d=8)*2 as they are.
func escapeMarkdown(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;").Replace(s)
}
