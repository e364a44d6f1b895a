package reports

import (
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Column is a column of a table: its header (lines separated by newlines), and whether
// it holds words, which align left.
type Column struct {
	Head  string
	Words bool
}

// Table is rows of text under headers.
type Table struct {
	Columns []Column
	Rows    [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Width is the number of characters the table's lines take in text.
func (t *Table) Width() int {
	total := 0
	for i := range t.Columns {
		total += t.columnWidth(i)
	}
	return total + gap*(len(t.Columns)-1)
}

// gap is the spaces between columns.
const gap = 2

func (t *Table) columnWidth(i int) int {
	w := 0
	for _, l := range strings.Split(t.Columns[i].Head, "\n") {
		w = max(w, utf8.RuneCountInString(l))
	}
	for _, r := range t.Rows {
		if i < len(r) {
			w = max(w, utf8.RuneCountInString(r[i]))
		}
	}
	return w
}

func (t *Table) text(w *strings.Builder) {
	lines := 1
	for _, c := range t.Columns {
		lines = max(lines, 1+strings.Count(c.Head, "\n"))
	}
	rendered := t.render(renderer.NewBlueprint(tw.Rendition{
		Borders: tw.BorderNone,
		Symbols: tw.NewSymbols(tw.StyleLight),
		Settings: tw.Settings{
			Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off, ShowHeader: tw.On},
			Lines:      tw.Lines{ShowHeaderLine: tw.On},
		},
	}), tw.Padding{Right: strings.Repeat(" ", gap), Overwrite: true}, func(s string) string {
		// Headers hang at the bottom, against their figures.
		return strings.Repeat("\n", lines-1-strings.Count(s, "\n")) + s
	})
	for i, l := range strings.Split(strings.TrimSuffix(rendered, "\n"), "\n") {
		l = strings.TrimRight(l, " ")
		if i == lines {
			l = strings.Repeat("─", t.Width())
		}
		w.WriteString(l + "\n")
	}
}

func (t *Table) markdown(w *strings.Builder) {
	escaped := &Table{Columns: t.Columns}
	for _, r := range t.Rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = escapeMarkdown(strings.TrimSpace(c))
			if strings.HasPrefix(c, " ") && cells[i] != "" {
				cells[i] = "&nbsp;&nbsp;" + cells[i]
			}
		}
		escaped.Rows = append(escaped.Rows, cells)
	}
	w.WriteString(escaped.render(renderer.NewMarkdown(), tw.Padding{Left: " ", Right: " ", Overwrite: true},
		func(s string) string { return escapeMarkdown(strings.ReplaceAll(s, "\n", " ")) }))
}

func (t *Table) render(r tw.Renderer, pad tw.Padding, head func(string) string) string {
	align := make(tw.Alignment, len(t.Columns))
	heads := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		align[i] = tw.AlignRight
		if c.Words {
			align[i] = tw.AlignLeft
		}
		heads[i] = head(c.Head)
	}
	var b strings.Builder
	table := tablewriter.NewTable(&b,
		tablewriter.WithRenderer(r),
		tablewriter.WithHeaderAutoFormat(tw.Off), // it would write "TOK / S"
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithPadding(pad),
		tablewriter.WithAlignment(align),
	)
	table.Header(heads)
	for _, row := range t.Rows {
		cells := make([]string, len(t.Columns))
		copy(cells, row)
		// The only error is a row that cannot be turned into text, and this one is text.
		_ = table.Append(cells)
	}
	_ = table.Render()
	return b.String()
}
