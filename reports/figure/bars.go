package figure

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Bar is a named stack of parts.
type Bar struct {
	Name  string
	Parts []float64 // one for each part's name
}

// stack draws horizontal bars of parts that sum to a whole.
type stack struct {
	parts []string
	bars  []Bar
}

// Stacked makes a figure of bars split into the same parts; each bar is drawn to its
// whole, parts above 4 % with their share.
func Stacked(title, subtitle, alt string, parts []string, bars []Bar) *Figure {
	f := &Figure{Title: title, Subtitle: subtitle, Alt: alt, Width: 17 * vg.Centimeter,
		Height: vg.Length(4.2+1.15*float64(len(bars))) * vg.Centimeter, panels: []panel{&stack{parts, bars}}}
	for i, p := range parts {
		f.Legend = append(f.Legend, Key{Name: p, Index: i, Bar: true})
	}
	return f
}

func (s *stack) empty() bool {
	return slices.ContainsFunc(s.bars, func(b Bar) bool { w := b.whole(); return !(w > 0) || math.IsInf(w, 0) })
}

func (b Bar) whole() (sum float64) {
	for _, v := range b.Parts {
		sum += v
	}
	return sum
}

func (s *stack) draw(t Theme, c draw.Canvas) error {
	if s.empty() {
		return ErrEmpty
	}
	name := style(t, labelSize, false, -1, -0.5)
	left := vg.Length(0)
	for _, b := range s.bars {
		left = max(left, name.Width(b.Name))
	}
	left += 8
	n := vg.Length(len(s.bars))
	slot := (c.Max.Y - c.Min.Y) / n
	for i, b := range s.bars {
		y := c.Max.Y - slot*(vg.Length(i)+0.5)
		half := min(slot*0.36, 12)
		c.FillText(name, vg.Point{X: c.Min.X + left - 8, Y: y}, b.Name)
		sum := b.whole()
		x, width := c.Min.X+left, c.Max.X-c.Min.X-left
		for k, v := range b.Parts {
			w := width * vg.Length(v/sum)
			box := vg.Rectangle{Min: vg.Point{X: x, Y: y - half}, Max: vg.Point{X: x + w, Y: y + half}}
			fill := shade(t, k)
			c.SetColor(fill)
			c.Fill(rectangle(box))
			c.StrokeLine2(draw.LineStyle{Color: t.Back, Width: 0.8}, x+w, y-half, x+w, y+half)
			label := style(t, tickSize, false, -0.5, -0.5)
			label.Color = contrast(fill)
			if txt := fmt.Sprintf("%.0f %%", 100*v/sum); label.Width(txt)+4 < w {
				c.FillText(label, vg.Point{X: x + w/2, Y: y}, txt)
			}
			x += w
		}
	}
	return nil
}

// contrast is black or white, whichever reads better on a colour (W3C relative luminance).
func contrast(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	lin := func(v uint32) float64 { return math.Pow(float64(v)/65535, 2.2) }
	if 0.2126*lin(r)+0.7152*lin(g)+0.0722*lin(b) > 0.22 {
		return color.Black
	}
	return color.White
}

// grid is a heat map with its numbers written in.
type grid struct {
	xlabel, ylabel string
	xs, ys         []string
	v              [][]float64 // [y][x]
	format         func(float64) string
}

// Heat makes a heat map of ratios over two axes: 1 is the background, above and below it
// two hues, with every value written in its cell.
func Heat(title, subtitle, alt, xlabel, ylabel string, xs, ys []string, v [][]float64, format func(float64) string) *Figure {
	return &Figure{Title: title, Subtitle: subtitle, Alt: alt, Width: 16 * vg.Centimeter, Height: vg.Length(4.5+0.75*float64(len(ys))) * vg.Centimeter,
		panels: []panel{&grid{xlabel, ylabel, xs, ys, v, format}}}
}

func (g *grid) empty() bool { return len(g.xs) == 0 || len(g.ys) == 0 }

func (g *grid) draw(t Theme, c draw.Canvas) error {
	tick := style(t, tickSize, false, -0.5, -0.5)
	label := style(t, labelSize, false, -0.5, 0)
	left := vg.Length(0)
	for _, y := range g.ys {
		left = max(left, tick.Width(y))
	}
	left += 24
	const bottom = 32
	w := (c.Max.X - c.Min.X - left) / vg.Length(len(g.xs))
	h := (c.Max.Y - c.Min.Y - bottom) / vg.Length(len(g.ys))
	top := 0.0
	for _, row := range g.v {
		for _, v := range row {
			if v > 0 && !math.IsInf(v, 0) {
				top = math.Max(top, math.Abs(math.Log2(v)))
			}
		}
	}
	for j, row := range g.v {
		y := c.Min.Y + bottom + h*vg.Length(j)
		r := tick
		r.XAlign = -1
		c.FillText(r, vg.Point{X: c.Min.X + left - 5, Y: y + h/2}, g.ys[j])
		for i, v := range row {
			x := c.Min.X + left + w*vg.Length(i)
			fill := blend(t, v, top)
			c.SetColor(fill)
			c.Fill(rectangle(vg.Rectangle{Min: vg.Point{X: x, Y: y}, Max: vg.Point{X: x + w - 1, Y: y + h - 1}}))
			s := tick
			s.Color = contrast(fill)
			c.FillText(s, vg.Point{X: x + w/2, Y: y + h/2}, g.format(v))
		}
	}
	for i, x := range g.xs {
		c.FillText(tick, vg.Point{X: c.Min.X + left + w*(vg.Length(i)+0.5), Y: c.Min.Y + bottom - 9}, x)
	}
	c.FillText(label, vg.Point{X: c.Min.X + left + (c.Max.X-c.Min.X-left)/2, Y: c.Min.Y}, g.xlabel)
	v := label
	v.Rotation = math.Pi / 2
	v.XAlign, v.YAlign = 0, -1
	c.FillText(v, vg.Point{X: c.Min.X, Y: c.Min.Y + bottom + (h*vg.Length(len(g.ys))-label.Width(g.ylabel))/2}, g.ylabel)
	return nil
}

// blend goes from the background to blue above 1 and to orange below, by log₂ of the ratio.
func blend(t Theme, v, top float64) color.Color {
	if !(v > 0) || math.IsInf(v, 0) {
		return t.Faint
	}
	if top == 0 {
		top = 1
	}
	share := math.Abs(math.Log2(v)) / top * 0.85
	to := color.Color(rgb(0, 114, 178))
	if v < 1 {
		to = rgb(230, 159, 0)
	}
	r0, g0, b0, _ := t.Back.RGBA()
	r1, g1, b1, _ := to.RGBA()
	mix := func(a, b uint32) uint8 { return uint8((float64(a)*(1-share) + float64(b)*share) / 257) }
	return color.NRGBA{mix(r0, r1), mix(g0, g1), mix(b0, b1), 255}
}
