package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/OWNER/ridgeline/internal/plain"
)

// Width is how many characters a table may be wide on a terminal.
const Width = 100

// Column is a column of figures or of text.
type Column struct {
	Name string // of the column; its lines are separated by \n, which CSV replaces by spaces
	Unit string // without prefix: "s", "B"; "" for text and plain numbers
	CSV  string // name of the column in CSV: the unit has no prefix, words are joined by _
	Left bool   // text, aligned to the left
	// Scale says that all figures of the column are printed with one SI prefix. Without Scale,
	// figures are printed as whole numbers.
	Scale bool
	Plain bool // figures are printed with three significant digits and without a prefix
	Cells []Cell
}

// Cell is a number, a text, or a number that is shown as a text.
type Cell struct {
	V    float64
	Text string // where it is not "", printed in place of V
	num  bool   // whether CSV has V though Text is set
}

// Num makes the cell of a number.
func Num(v float64) Cell { return Cell{V: v} }

// Shown makes the cell of a number that tables print as the given text; CSV has the number.
func Shown(v float64, text string) Cell { return Cell{v, text, true} }

// Txt makes the cell of a text.
func Txt(s string) Cell { return Cell{Text: s} }

// Table is a grid of columns, with text above and below.
type Table struct {
	Title   string
	Columns []Column
	Notes   []string
	Turn    bool // whether rows and columns may be swapped where the table is too wide
}

// Add appends a row; it panics unless there is one cell for each column.
func (t *Table) Add(cells ...Cell) {
	if len(cells) != len(t.Columns) {
		panic(fmt.Sprintf("reports: %d cells for %d columns", len(cells), len(t.Columns)))
	}
	for i, c := range cells {
		t.Columns[i].Cells = append(t.Columns[i].Cells, c)
	}
}

func (t *Table) rows() int {
	if len(t.Columns) == 0 {
		return 0
	}
	return len(t.Columns[0].Cells)
}

// rendered returns the header lines and the printed cells of a column.
func (c *Column) rendered() (head string, cells []string) {
	head = c.Name
	prefix, scale := "", 1.0
	if c.Scale {
		var vs []float64
		for _, x := range c.Cells {
			if x.Text == "" {
				vs = append(vs, x.V)
			}
		}
		prefix, scale = prefixFor(c.Unit, vs...)
	}
	if c.Unit != "" {
		head += "\n" + prefix + c.Unit
	} else if prefix != "" {
		head += "\n×" + map[string]string{"k": "10³", "M": "10⁶", "G": "10⁹", "T": "10¹²", "P": "10¹⁵", "E": "10¹⁸", "m": "10⁻³", "µ": "10⁻⁶", "n": "10⁻⁹"}[prefix]
	}
	for _, x := range c.Cells {
		switch {
		case x.Text != "":
			cells = append(cells, x.Text)
		case c.Scale:
			cells = append(cells, Digits(x.V/scale))
		case c.Plain:
			cells = append(cells, Digits(x.V))
		default:
			cells = append(cells, Int(x.V))
		}
	}
	return head, cells
}

// Text writes the table for a terminal. It keeps to Width where it can: a table that has Turn set
// and is too wide gets its columns as rows.
func (t *Table) Text(w io.Writer) error { return t.TextWidth(w, Width) }

// TextWidth writes the table as Text does, for a terminal that is width characters wide.
func (t *Table) TextWidth(w io.Writer, width int) error {
	heads, cells := t.grid()
	over := gridWidth(heads, cells) - width
	body := t.wrapped(over)
	if over <= 0 || !t.Turn && (width >= Width || body.gridWidth() <= width) {
		return t.text(w, body, width)
	}
	// As many columns as fit stand side by side; the others follow below.
	all := t.turned(width)
	for from := 1; from < len(all.Columns); {
		to := len(all.Columns)
		part := all.slice(from, to)
		for to > from+1 && part.gridWidth() > width {
			to--
			part = all.slice(from, to)
		}
		if from > 1 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		} else {
			part.Title = t.Title
		}
		if to == len(all.Columns) {
			part.Notes = t.Notes
		}
		part = part.narrowed(width)
		if err := part.text(w, part, width); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// wrapped breaks the texts of the last column into lines, so that the table becomes over
// characters narrower. It does nothing where the column has figures or would become too narrow
// for words.
func (t *Table) wrapped(over int) *Table {
	last := len(t.Columns) - 1
	if over <= 0 || last < 1 || !t.Columns[last].Left {
		return t
	}
	room := 0
	for _, c := range t.Columns[last].Cells {
		room = max(room, utf8.RuneCountInString(c.Text))
	}
	if room -= over; room < 20 {
		return t
	}
	out := *t
	out.Columns = append([]Column(nil), t.Columns...)
	c := &out.Columns[last]
	c.Cells = nil
	for _, x := range t.Columns[last].Cells {
		x.Text = wrapTo(x.Text, room)
		c.Cells = append(c.Cells, x)
	}
	return &out
}

// narrowed breaks the labels and values of a table of two columns that is too wide: labels get at
// most two fifths of the width, and values the rest.
func (t *Table) narrowed(width int) *Table {
	if len(t.Columns) != 2 || t.gridWidth() <= width {
		return t
	}
	heads, rows := t.grid()
	labels := longest(heads[0])
	for _, r := range rows {
		labels = max(labels, longest(r[0]))
	}
	labels = min(labels, width*2/5)
	room := [2]int{labels, width - labels - 2}
	out := *t
	out.Columns = append([]Column(nil), t.Columns...)
	for i := range out.Columns {
		c := &out.Columns[i]
		c.Name = broken(heads[i], room[i])
		c.Cells = nil
		for _, r := range rows {
			c.Cells = append(c.Cells, Txt(broken(r[i], room[i])))
		}
	}
	return &out
}

// broken breaks a text into lines of at most width characters, also within longer words.
func broken(s string, width int) string {
	var lines []string
	for _, l := range strings.Split(wrapTo(s, width), "\n") {
		r := []rune(l)
		for ; len(r) > width; r = r[width:] {
			lines = append(lines, string(r[:width]))
		}
		lines = append(lines, string(r))
	}
	return strings.Join(lines, "\n")
}

// slice returns the table with its first column and the columns [from, to) only.
func (t *Table) slice(from, to int) *Table {
	return &Table{Columns: append([]Column{t.Columns[0]}, t.Columns[from:to]...)}
}

func (t *Table) gridWidth() int { return gridWidth(t.grid()) }

// Rendered returns the header and the cells as they are printed; the lines of a header are
// separated by \n.
func (t *Table) Rendered() (heads []string, rows [][]string) { return t.grid() }

func (t *Table) grid() (heads []string, rows [][]string) {
	rows = make([][]string, t.rows())
	for i := range t.Columns {
		h, cs := t.Columns[i].rendered()
		heads = append(heads, h)
		for r, c := range cs {
			rows[r] = append(rows[r], c)
		}
	}
	return heads, rows
}

func gridWidth(heads []string, rows [][]string) int {
	total := 0
	for i, h := range heads {
		w := longest(h)
		for _, r := range rows {
			w = max(w, longest(r[i]))
		}
		total += w + 2
	}
	return total - 2
}

// longest returns the number of characters of the longest line.
func longest(s string) int {
	n := 0
	for _, l := range strings.Split(s, "\n") {
		n = max(n, utf8.RuneCountInString(l))
	}
	return n
}

// turned swaps rows and columns: the cells of the first column become the header.
func (t *Table) turned(width int) *Table {
	heads, rows := t.grid()
	out := &Table{Columns: []Column{{Name: "", Left: true}}}
	for _, r := range rows {
		out.Columns = append(out.Columns, Column{Name: shorten(r[0], width*2/5)})
	}
	for i := 1; i < len(heads); i++ {
		name, unit, _ := strings.Cut(heads[i], "\n")
		if j := strings.LastIndex(heads[i], "\n"); j >= 0 {
			name, unit = strings.ReplaceAll(heads[i][:j], "\n", " "), heads[i][j+1:]
		}
		label := name
		if unit != "" {
			label += ", " + unit
		}
		line := []Cell{Txt(label)}
		for _, r := range rows {
			line = append(line, Txt(r[i]))
		}
		out.Add(line...)
	}
	return out
}

func (t *Table) text(w io.Writer, body *Table, columns int) error {
	if t.Title != "" {
		if _, err := fmt.Fprintf(w, "%s\n\n", wrapTo(t.Title, columns)); err != nil {
			return err
		}
	}
	heads, rows := body.grid()
	align := make([]tw.Align, len(heads))
	for i := range body.Columns {
		align[i] = tw.AlignRight
		if body.Columns[i].Left {
			align[i] = tw.AlignLeft
		}
	}
	var buf strings.Builder
	tab := tablewriter.NewTable(&buf,
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: "  ", Overwrite: true}),
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines: tw.Lines{ShowHeaderLine: tw.On}},
		})))
	tab.Header(heads)
	for _, r := range rows {
		if err := tab.Append(r); err != nil {
			return err
		}
	}
	if err := tab.Render(); err != nil {
		return err
	}
	width := gridWidth(heads, rows)
	for _, l := range strings.Split(strings.TrimRight(buf.String(), "\n"), "\n") {
		l = strings.TrimRight(l, " ")
		if strings.HasPrefix(l, "─") { // the renderer's rule runs under the last padding
			l = strings.Repeat("─", width)
		}
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return t.notes(w, func(s string) string { return wrapTo(s, columns) })
}

func (t *Table) notes(w io.Writer, shape func(string) string) error {
	for i, n := range t.Notes {
		lead := ""
		if i == 0 {
			lead = "\n"
		}
		if _, err := fmt.Fprintf(w, "%s%s\n", lead, shape(n)); err != nil {
			return err
		}
	}
	return nil
}

// Wrap breaks a text into lines of at most Width characters.
func Wrap(s string) string { return wrapTo(s, Width) }

func wrapTo(s string, width int) string {
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(s) {
		l := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case n+1+l > width:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += l
	}
	return b.String()
}

// Markdown writes the table in GitHub's format.
func (t *Table) Markdown(w io.Writer) error {
	heads, rows := t.grid()
	esc := func(s string) string {
		return plain.Markdown(strings.ReplaceAll(s, "\n", " "))
	}
	line := func(cells []string) string {
		out := make([]string, len(cells))
		for i, c := range cells {
			out[i] = esc(c)
		}
		return "| " + strings.Join(out, " | ") + " |\n"
	}
	var b strings.Builder
	if t.Title != "" {
		fmt.Fprintf(&b, "**%s**\n\n", esc(t.Title))
	}
	b.WriteString(line(heads))
	for i := range t.Columns {
		if t.Columns[i].Left {
			b.WriteString("|:--")
		} else {
			b.WriteString("|--:")
		}
	}
	b.WriteString("|\n")
	for _, r := range rows {
		b.WriteString(line(r))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return t.notes(w, func(s string) string { return esc(s) + "\n" })
}

// CSV writes figures in units without prefixes and in full precision; text below the table is
// left out.
func (t *Table) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	var head []string
	for i := range t.Columns {
		n := t.Columns[i].CSV
		if n == "" {
			n = strings.ReplaceAll(t.Columns[i].Name, "\n", " ")
		}
		head = append(head, n)
	}
	if err := c.Write(head); err != nil {
		return err
	}
	for r := range t.rows() {
		var line []string
		for i := range t.Columns {
			x := t.Columns[i].Cells[r]
			switch {
			case x.Text != "" && !x.num:
				line = append(line, plain.Cell(present(x.Text)))
			default:
				line = append(line, exact(x.V))
			}
		}
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// present returns a text as CSV has it: "" where a dash or a blank stands for a figure that does
// not exist.
func present(s string) string {
	if s = strings.TrimSpace(s); s == "–" {
		return ""
	}
	return s
}
