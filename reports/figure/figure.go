// Package figure draws the charts that package study measures: lines with bands, bars, heat maps
// and rooflines, as SVG, PNG or PDF, light or dark, in any width. It measures nothing. The same
// chart always gives the same bytes.
//
// Every figure says under its title what its numbers assume, so that it can be read alone. Lines
// are named at their ends where there is room, otherwise in a legend below. Colours are those of
// Okabe and Ito, and markers tell lines apart too. A broken line stands for what does not fit its
// device.
package figure

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/OWNER/ridgeline/internal/plain"
	"github.com/OWNER/ridgeline/study"
)

// Theme holds the colours of a figure.
type Theme struct {
	Name             string
	Back, Ink, Faint color.Color
	Colors           []color.Color
}

func rgb(r, g, b uint8) color.Color { return color.NRGBA{r, g, b, 255} }

// Light and Dark are the themes. Their colours are those of Okabe and Ito (2008), which people
// with any common form of colour blindness can tell apart; black and yellow were replaced because
// of the background.
func Light() Theme {
	return Theme{Name: "light", Back: rgb(255, 255, 255), Ink: rgb(30, 30, 30), Faint: rgb(215, 215, 215), Colors: []color.Color{
		rgb(0, 114, 178), rgb(213, 94, 0), rgb(0, 158, 115), rgb(204, 121, 167), rgb(86, 180, 233), rgb(230, 159, 0), rgb(60, 60, 60), rgb(140, 100, 40)}}
}

// Dark is the theme for dark pages.
func Dark() Theme {
	return Theme{Name: "dark", Back: rgb(24, 26, 31), Ink: rgb(228, 228, 228), Faint: rgb(66, 70, 78), Colors: []color.Color{
		rgb(86, 180, 233), rgb(230, 159, 0), rgb(0, 178, 135), rgb(224, 141, 187), rgb(240, 228, 66), rgb(233, 114, 40), rgb(200, 200, 200), rgb(120, 160, 255)}}
}

// ParseTheme reads light or dark.
func ParseTheme(s string) (Theme, error) {
	switch s {
	case "light":
		return Light(), nil
	case "dark":
		return Dark(), nil
	}
	return Theme{}, fmt.Errorf("theme %q is not light or dark", s)
}

// Options say how a figure looks. With the zero value, everything is chosen automatically.
type Options struct {
	Width vg.Length // of the whole figure; 0 stands for a width that suits the chart
	DPI   int       // resolution of PNG; 0 stands for 150
	Title string    // in place of the chart's title
	// Bare leaves out title and setting, for a page that has them in its text.
	Bare bool
}

// The smallest and largest values of --width and --dpi.
const (
	minWidth, maxWidth = 5 * vg.Centimeter, 100 * vg.Centimeter
	minDPI, maxDPI     = 36, 1200
	maxPixels          = 20000 // along one side
)

// Check returns an error for a figure that cannot be drawn.
func (o Options) Check() error {
	if o.Width != 0 && (o.Width < minWidth || o.Width > maxWidth) {
		return fmt.Errorf("width %.4g mm is not from %.4g to %.4g mm", o.Width/vg.Millimeter, minWidth/vg.Millimeter, maxWidth/vg.Millimeter)
	}
	if o.DPI != 0 && (o.DPI < minDPI || o.DPI > maxDPI) {
		return fmt.Errorf("dpi %d is not from %d to %d", o.DPI, minDPI, maxDPI)
	}
	if px := float64(max(o.Width, 24*vg.Centimeter)/vg.Inch) * float64(o.DPI); px > maxPixels {
		return fmt.Errorf("%.0f pixels are more than %d along a side: give a smaller width or dpi", px, maxPixels)
	}
	return nil
}

// ParseWidth reads a width such as 89mm, 9cm, 3.5in or 400pt.
func ParseWidth(s string) (vg.Length, error) {
	for _, u := range []struct {
		name string
		unit vg.Length
	}{{"mm", vg.Millimeter}, {"cm", vg.Centimeter}, {"in", vg.Inch}, {"pt", 1}} {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			if err != nil || !(v > 0) {
				break
			}
			w := vg.Length(v) * u.unit
			return w, Options{Width: w}.Check()
		}
	}
	return 0, fmt.Errorf("width %q is not a length: write 89mm, 9cm, 3.5in or 400pt", s)
}

// Figure is a chart that was laid out for a width.
type Figure struct {
	Title    string
	Subtitle string // what the numbers assume
	Alt      string // describes the figure to those who cannot see it
	dpi      int
	bare     bool
	w, h     vg.Length
	legend   []key
	panels   []panel
	columns  int         // number of panels side by side
	rows     []vg.Length // height of each row of panels
	empty    bool
	// hardSpaces draws spaces at full width, which the fonts' kerning would make too narrow
	// between capitals at a low resolution.
	hardSpaces bool
}

// key is an entry of the legend.
type key struct {
	name   string
	index  int
	bar    bool // a filled box in place of a line
	point  bool // a marker without a line
	level  bool // a thin dashed line
	broken bool // the line of what does not fit its device
}

// Size returns the width and height of the figure.
func (f *Figure) Size() (w, h vg.Length) { return f.w, f.h }

// Empty reports whether a panel has nothing to draw; Write would then return ErrEmpty.
func (f *Figure) Empty() bool { return f.empty }

// panel draws one set of axes.
type panel interface {
	// height returns the height that the panel needs at a width; empty says that it has nothing
	// to draw.
	height(w vg.Length) vg.Length
	empty() bool
	draw(t Theme, c draw.Canvas) error
}

const (
	titleSize    = 13
	subtitleSize = 8.5
	labelSize    = 9.5
	tickSize     = 8.5
	margin       = 10
	panelGap     = 16
	// the width below which panels stand one below the other
	narrow = 15 * vg.Centimeter
)

// New lays out a chart.
func New(c *study.Chart, o Options) *Figure {
	f := &Figure{Title: c.Title, Subtitle: strings.Join(c.Setting, " · "), Alt: c.Alt, dpi: o.DPI, bare: o.Bare, w: o.Width}
	if o.Title != "" {
		f.Title = o.Title
	}
	if f.dpi == 0 {
		f.dpi = 150
	}
	form := study.Curves
	if len(c.Panels) > 0 {
		form = c.Panels[0].Form
	}
	if f.w == 0 {
		f.w = 16 * vg.Centimeter
		switch {
		case form == study.Bars:
			f.w = 17 * vg.Centimeter
		case len(c.Panels) == 2 || form == study.Roofline && len(c.Panels) > 1:
			f.w = 22 * vg.Centimeter
		case len(c.Panels) > 2:
			f.w = 24 * vg.Centimeter
		}
	}
	switch form {
	case study.Bars:
		b := newBars(c.Panels)
		f.panels, f.legend = []panel{b}, b.legend()
	case study.Grid:
		for i := range c.Panels {
			f.panels = append(f.panels, newGrid(&c.Panels[i]))
		}
	default:
		f.curves(c)
	}
	f.columns = 1
	if f.w >= narrow {
		f.columns = len(f.panels)
		if form == study.Roofline || len(f.panels) > 3 {
			f.columns = min(2, len(f.panels))
		}
	}
	f.empty = len(f.panels) == 0 || slices.ContainsFunc(f.panels, panel.empty)
	f.measure()
	return f
}

// inner returns the width inside the margins.
func (f *Figure) inner() vg.Length { return f.w - 2*margin }

// panelWidth returns the width of a panel.
func (f *Figure) panelWidth() vg.Length {
	return (f.inner() - panelGap*vg.Length(f.columns-1)) / vg.Length(f.columns)
}

// measure computes the height of the figure.
func (f *Figure) measure() {
	t := Light() // letters have the same width in every theme
	f.h = 2*margin + f.headingHeight(t) + f.legendHeight(t)
	for i := 0; i < len(f.panels); i += f.columns {
		h := vg.Length(0)
		for _, p := range f.panels[i:min(i+f.columns, len(f.panels))] {
			h = max(h, p.height(f.panelWidth()))
		}
		f.rows = append(f.rows, h)
		if i > 0 {
			f.h += panelGap
		}
		f.h += h
	}
}

func (t Theme) sans(size vg.Length, bold bool) font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = 3 // x/image/font.WeightBold
	}
	return f
}

func style(t Theme, size vg.Length, bold bool, x, y float64) text.Style {
	return text.Style{Color: t.Ink, Font: t.sans(size, bold), XAlign: text.XAlignment(x), YAlign: text.YAlignment(y), Handler: letters()}
}

// Formats lists the endings of file names that Write knows.
const Formats = ".svg, .png or .pdf"

// Supported returns an error unless a path ends in one of those.
func Supported(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".svg", ".png", ".pdf":
		return nil
	}
	return fmt.Errorf("%s: figures are written as %s", path, Formats)
}

// ErrEmpty says that no point of a figure can be drawn.
var ErrEmpty = fmt.Errorf("nothing to draw: no point is finite (and, on a log scale, positive)")

// Write draws the figure in the format that path ends in.
func (f *Figure) Write(w io.Writer, path string, t Theme) error {
	if f.empty {
		return ErrEmpty
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".svg":
		c := vgsvg.New(f.w, f.h)
		if err := f.draw(t, draw.New(c)); err != nil {
			return err
		}
		var b bytes.Buffer
		if _, err := c.WriteTo(&b); err != nil {
			return err
		}
		_, err := f.named().WriteString(w, plain.Visible(b.String()))
		return err
	case ".png":
		g := *f
		g.hardSpaces = true
		f = &g
		c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(f.w, f.h), vgimg.UseDPI(f.dpi), vgimg.UseBackgroundColor(t.Back))}
		if err := f.draw(t, draw.New(c)); err != nil {
			return err
		}
		_, err := c.WriteTo(w)
		return err
	case ".pdf":
		c := newPDF(f.w, f.h, f.Title)
		if err := f.draw(t, draw.New(c)); err != nil {
			return err
		}
		return c.write(w)
	}
	return Supported(path)
}

// named gives a drawing a name for those who cannot see it, and letters of the same width where
// the font Liberation Sans is not installed.
func (f *Figure) named() *strings.Replacer {
	var name bytes.Buffer
	// Writing to a buffer cannot fail.
	_ = xml.EscapeText(&name, []byte(f.Title+". "+f.Alt+"."))
	return strings.NewReplacer("<svg ", `<svg role="img" aria-label="`+name.String()+`" `,
		"font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
}

func (f *Figure) draw(t Theme, c draw.Canvas) error {
	c.SetColor(t.Back)
	c.Fill(rectangle(c.Rectangle))
	c = draw.Crop(c, margin, -margin, margin, -margin)
	f.heading(t, c)
	f.drawLegend(t, c)
	top := c.Max.Y - f.headingHeight(t)
	w := f.panelWidth()
	for i, p := range f.panels {
		row, column := i/f.columns, i%f.columns
		if column == 0 && row > 0 {
			top -= f.rows[row-1] + panelGap
		}
		left := c.Min.X + vg.Length(column)*(w+panelGap)
		r := vg.Rectangle{Min: vg.Point{X: left, Y: top - f.rows[row]}, Max: vg.Point{X: left + w, Y: top}}
		if err := p.draw(t, draw.Canvas{Canvas: c.Canvas, Rectangle: r}); err != nil {
			return err
		}
	}
	return nil
}

func rectangle(r vg.Rectangle) vg.Path {
	var p vg.Path
	p.Move(r.Min)
	p.Line(vg.Point{X: r.Max.X, Y: r.Min.Y})
	p.Line(r.Max)
	p.Line(vg.Point{X: r.Min.X, Y: r.Max.Y})
	p.Close()
	return p
}

// lines breaks the heading into lines of the figure's width.
func (f *Figure) lines(t Theme) (title, sub []string) {
	if f.bare {
		return nil, nil
	}
	return fold(style(t, titleSize, true, 0, -1), f.Title, f.inner()), fold(style(t, subtitleSize, false, 0, -1), f.Subtitle, f.inner())
}

func (f *Figure) headingHeight(t Theme) vg.Length {
	title, sub := f.lines(t)
	if len(title)+len(sub) == 0 {
		return 4
	}
	return titleSize*1.3*vg.Length(len(title)) + 2 + subtitleSize*1.35*vg.Length(len(sub)) + 8
}

// heading draws the title and what is below it.
func (f *Figure) heading(t Theme, c draw.Canvas) {
	title, sub := f.lines(t)
	y := c.Max.Y
	s := style(t, titleSize, true, 0, -1)
	for _, line := range title {
		c.FillText(s, vg.Point{X: c.Min.X, Y: y}, f.spaced(line))
		y -= titleSize * 1.3
	}
	s = style(t, subtitleSize, false, 0, -1)
	y -= 2
	for _, line := range sub {
		c.FillText(s, vg.Point{X: c.Min.X, Y: y}, f.spaced(line))
		y -= subtitleSize * 1.35
	}
}

func (f *Figure) spaced(line string) string {
	if f.hardSpaces {
		return strings.ReplaceAll(line, " ", "\u00a0")
	}
	return line
}

// fold breaks a text into lines of a width.
func fold(s text.Style, str string, width vg.Length) []string {
	var lines []string
	line := ""
	// A dot between phrases ends a line and begins none.
	for _, word := range strings.Fields(strings.ReplaceAll(str, " · ", "\x00· ")) {
		word = strings.ReplaceAll(word, "\x00", " ")
		next := strings.TrimSpace(line + " " + word)
		if line != "" && s.Width(next) > width {
			lines, next = append(lines, line), word
		}
		line = next
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

const sample, keyGap, rowHeight = 22, 14, 14

// legendRows breaks the entries of the legend into rows of the figure's width.
func (f *Figure) legendRows(t Theme) [][]key {
	s := style(t, labelSize, false, 0, -0.5)
	var rows [][]key
	x := vg.Length(0)
	for _, k := range f.legend {
		w := sample + 4 + s.Width(k.name) + keyGap
		if len(rows) == 0 || x > 0 && x+w-keyGap > f.inner() {
			rows = append(rows, nil)
			x = 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], k)
		x += w
	}
	return rows
}

func (f *Figure) legendHeight(t Theme) vg.Length {
	if len(f.legend) == 0 {
		return 0
	}
	return rowHeight*vg.Length(len(f.legendRows(t))) + 6
}

// drawLegend draws the legend below the data.
func (f *Figure) drawLegend(t Theme, c draw.Canvas) {
	s := style(t, labelSize, false, 0, -0.5)
	rows := f.legendRows(t)
	y := c.Min.Y + rowHeight*vg.Length(len(rows)) - rowHeight/2
	for _, r := range rows {
		x := c.Min.X
		for _, k := range r {
			k.sample(t, c, x, x+sample, y)
			c.FillText(s, vg.Point{X: x + sample + 4, Y: y + 1}, k.name)
			x += sample + 4 + s.Width(k.name) + keyGap
		}
		y -= rowHeight
	}
}

func (k key) sample(t Theme, c draw.Canvas, x0, x1, y vg.Length) {
	switch {
	case k.bar:
		c.SetColor(shade(t, k.index))
		c.Fill(rectangle(vg.Rectangle{Min: vg.Point{X: x0 + 5, Y: y - 4}, Max: vg.Point{X: x1 - 5, Y: y + 4}}))
		return
	case k.level:
		c.StrokeLine2(levelStyle(t), x0, y, x1, y)
		return
	case k.broken && !k.point:
		c.StrokeLine2(brokenStyle(t, k.index), x0, y, x1, y)
	case !k.point:
		c.StrokeLine2(lineStyle(t, k.index), x0, y, x1, y)
	}
	marker := glyph(t, k.index)
	if k.broken {
		marker = hollow(marker)
	}
	c.DrawGlyph(marker, vg.Point{X: (x0 + x1) / 2, Y: y})
}

// shade returns the colour of a series; its marker tells it from others of the same colour.
func shade(t Theme, i int) color.Color { return t.Colors[i%len(t.Colors)] }

func lineStyle(t Theme, i int) draw.LineStyle { return draw.LineStyle{Color: shade(t, i), Width: 1.8} }

// brokenStyle returns the line style for what does not fit its device.
func brokenStyle(t Theme, i int) draw.LineStyle {
	return draw.LineStyle{Color: shade(t, i), Width: 1.1, Dashes: []vg.Length{1.5, 3}}
}

// hollow is the marker of what does not fit its device.
func hollow(g draw.GlyphStyle) draw.GlyphStyle {
	g.Shape, g.Radius = draw.RingGlyph{}, 1.8
	return g
}

func levelStyle(t Theme) draw.LineStyle {
	return draw.LineStyle{Color: t.Ink, Width: 1, Dashes: []vg.Length{5, 3}}
}

// glyph returns the marker of a series. Beyond the palette, shapes move on by one, so that no two
// of 64 series have the same colour and marker.
func glyph(t Theme, i int) draw.GlyphStyle {
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{}}
	return draw.GlyphStyle{Color: shade(t, i), Radius: 3, Shape: shapes[(i+i/len(t.Colors))%len(shapes)]}
}
