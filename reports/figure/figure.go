// Package figure draws results with gonum/plot: lines, bars, scatters, heat maps, in SVG,
// PNG or PDF, light or dark. The same figure makes the same bytes (PDF excepted, which
// carries a date).
//
// Every figure names its setting under the title, so that it stands alone; legends are
// outside the data; colours are Okabe and Ito's, told apart by dashes and markers too.
package figure

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Theme is what a figure is drawn with.
type Theme struct {
	Name             string
	Back, Ink, Faint color.Color
	Colors           []color.Color
	plain            bool // no bold: gonum's PDF canvas does not find a bold font again
}

func rgb(r, g, b uint8) color.Color { return color.NRGBA{r, g, b, 255} }

// Light and Dark are the themes. Colours: Okabe and Ito (2008), which people with any
// common colour blindness tell apart; black and yellow give way to the background.
func Light() Theme {
	return Theme{Name: "light", Back: rgb(255, 255, 255), Ink: rgb(30, 30, 30), Faint: rgb(215, 215, 215), Colors: []color.Color{
		rgb(0, 114, 178), rgb(213, 94, 0), rgb(0, 158, 115), rgb(204, 121, 167), rgb(86, 180, 233), rgb(230, 159, 0), rgb(60, 60, 60), rgb(140, 100, 40)}}
}

// Dark is Light for dark pages.
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

// Figure is something that draws itself below a title.
type Figure struct {
	Title    string
	Subtitle string // the setting; may be several lines
	Width    vg.Length
	Height   vg.Length
	Legend   []Key
	Alt      string // what it shows, for those who cannot see it
	panels   []panel
}

// Key is a legend entry.
type Key struct {
	Name  string
	Index int  // of the colour, dash and marker
	Bar   bool // a filled box instead of a line
	Line  bool // a line without a marker
	Point bool // a marker without a line
}

// Empty reports whether a panel has nothing to draw: Write would return ErrEmpty.
func (f *Figure) Empty() bool {
	return slices.ContainsFunc(f.panels, panel.empty)
}

// panel draws one set of axes.
type panel interface {
	empty() bool
	draw(t Theme, c draw.Canvas) error
}

const (
	titleSize    = 13
	subtitleSize = 8.5
	labelSize    = 9.5
	tickSize     = 8.5
	margin       = 10
)

func (t Theme) sans(size vg.Length, bold bool) font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold && !t.plain {
		f.Weight = 3 // x/image/font.WeightBold
	}
	return f
}

func style(t Theme, size vg.Length, bold bool, x, y float64) text.Style {
	return text.Style{Color: t.Ink, Font: t.sans(size, bold), XAlign: text.XAlignment(x), YAlign: text.YAlignment(y), Handler: plot.DefaultTextHandler}
}

// Formats lists the endings Write knows.
const Formats = ".svg, .png or .pdf"

// Supported reports whether a path ends in a format Write knows.
func Supported(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".svg", ".png", ".pdf":
		return nil
	}
	return fmt.Errorf("%s: figures are written as %s", path, Formats)
}

// Write draws the figure in the format that path ends in.
func (f *Figure) Write(w io.Writer, path string, t Theme) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".svg":
		c := vgsvg.New(f.Width, f.Height)
		if err := f.draw(t, draw.New(c)); err != nil {
			return err
		}
		var b bytes.Buffer
		if _, err := c.WriteTo(&b); err != nil {
			return err
		}
		_, err := f.named().WriteString(w, b.String())
		return err
	case ".png":
		c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(f.Width, f.Height), vgimg.UseDPI(150), vgimg.UseBackgroundColor(t.Back))}
		if err := f.draw(t, draw.New(c)); err != nil {
			return err
		}
		_, err := c.WriteTo(w)
		return err
	case ".pdf":
		c := vgpdf.New(f.Width, f.Height)
		c.EmbedFonts(true)
		t.plain = true
		if err := f.draw(t, draw.New(c)); err != nil {
			return err
		}
		_, err := c.WriteTo(w)
		return err
	}
	return Supported(path)
}

// named gives a drawing its name for those who cannot see it, and letters of the same
// width where Liberation Sans is not installed.
func (f *Figure) named() *strings.Replacer {
	var name bytes.Buffer
	// A buffer takes everything.
	_ = xml.EscapeText(&name, []byte(f.Title+". "+f.Alt+"."))
	return strings.NewReplacer("<svg ", `<svg role="img" aria-label="`+name.String()+`" `,
		"font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
}

func (f *Figure) draw(t Theme, c draw.Canvas) error {
	c.SetColor(t.Back)
	c.Fill(rectangle(c.Rectangle))
	c = draw.Crop(c, margin, -margin, margin, -margin)
	top := f.heading(t, c)
	c = draw.Crop(c, 0, 0, 0, -top)
	if len(f.Legend) > 0 {
		c = f.legend(t, c)
	}
	n := vg.Length(len(f.panels))
	gap := vg.Length(14)
	w := (c.Max.X - c.Min.X - gap*(n-1)) / n
	for i, p := range f.panels {
		left := vg.Length(i) * (w + gap)
		if err := p.draw(t, draw.Crop(c, left, left+w-(c.Max.X-c.Min.X), 0, 0)); err != nil {
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

// heading draws title and subtitle and returns the height they take.
func (f *Figure) heading(t Theme, c draw.Canvas) vg.Length {
	y := c.Max.Y
	title := style(t, titleSize, true, 0, -1)
	for _, line := range fold(title, f.Title, c.Max.X-c.Min.X) {
		c.FillText(title, vg.Point{X: c.Min.X, Y: y}, line)
		y -= titleSize * 1.3
	}
	sub := style(t, subtitleSize, false, 0, -1)
	y -= 2
	for _, line := range fold(sub, f.Subtitle, c.Max.X-c.Min.X) {
		c.FillText(sub, vg.Point{X: c.Min.X, Y: y}, line)
		y -= subtitleSize * 1.35
	}
	return c.Max.Y - y + 6
}

// fold breaks text into lines that fit.
func fold(s text.Style, str string, width vg.Length) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(str) {
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

// legend draws the keys below the data, in as many rows as they need, and returns what
// is left above.
func (f *Figure) legend(t Theme, c draw.Canvas) draw.Canvas {
	s := style(t, labelSize, false, 0, -0.5)
	const sample, gap, rowHeight = 22, 14, 14
	rows := [][]Key{{}}
	x := vg.Length(0)
	for _, k := range f.Legend {
		w := sample + 4 + s.Width(k.Name) + gap
		if x > 0 && x+w > c.Max.X-c.Min.X {
			rows = append(rows, nil)
			x = 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], k)
		x += w
	}
	y := c.Min.Y + rowHeight*vg.Length(len(rows)) - rowHeight/2
	for _, r := range rows {
		x := c.Min.X
		for _, k := range r {
			k.sample(t, c, x, x+sample, y)
			c.FillText(s, vg.Point{X: x + sample + 4, Y: y + 1}, k.Name)
			x += sample + 4 + s.Width(k.Name) + gap
		}
		y -= rowHeight
	}
	return draw.Crop(c, 0, 0, rowHeight*vg.Length(len(rows))+6, 0)
}

func (k Key) sample(t Theme, c draw.Canvas, x0, x1, y vg.Length) {
	if k.Bar {
		c.SetColor(shade(t, k.Index))
		c.Fill(rectangle(vg.Rectangle{Min: vg.Point{X: x0 + 5, Y: y - 4}, Max: vg.Point{X: x1 - 5, Y: y + 4}}))
		return
	}
	if !k.Point {
		c.StrokeLine2(lineStyle(t, k.Index), x0, y, x1, y)
	}
	if !k.Line {
		c.DrawGlyph(glyph(t, k.Index), vg.Point{X: (x0 + x1) / 2, Y: y})
	}
}

// shade is the colour of a series; past the palette it starts again, lighter.
func shade(t Theme, i int) color.Color { return t.Colors[i%len(t.Colors)] }

func lineStyle(t Theme, i int) draw.LineStyle {
	dashes := [][]vg.Length{nil, {6, 3}, {2, 2}, {8, 3, 2, 3}}
	return draw.LineStyle{Color: shade(t, i), Width: 1.8, Dashes: dashes[i%len(dashes)]}
}

func glyph(t Theme, i int) draw.GlyphStyle {
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{}}
	return draw.GlyphStyle{Color: shade(t, i), Radius: 3, Shape: shapes[i%len(shapes)]}
}
