package figure

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/OWNER/ridgeline/study"
)

// grid is a heat map of ratios with its numbers written in: 1 is the background, above and
// below it two hues. Cells that do not fit their device are hatched, without a number.
type grid struct{ *study.Panel }

func newGrid(p *study.Panel) *grid { return &grid{p} }

func (g *grid) height(vg.Length) vg.Length {
	return vg.Length(1.6+0.72*float64(len(g.Series))) * vg.Centimeter
}

func (g *grid) empty() bool { return len(g.Series) == 0 || len(g.Series[0].Points) == 0 }

func (g *grid) draw(t Theme, c draw.Canvas) error {
	if g.empty() {
		return ErrEmpty
	}
	tick := style(t, tickSize, false, -0.5, -0.5)
	label := style(t, labelSize, false, -0.5, 0)
	left := vg.Length(0)
	name := func(s study.Series) string { return study.Tokens(int(s.Points[0].Y)) }
	for _, s := range g.Series {
		left = max(left, tick.Width(name(s)))
	}
	left += 24
	const bottom = 32
	w := (c.Max.X - c.Min.X - left) / vg.Length(len(g.Series[0].Points))
	h := (c.Max.Y - c.Min.Y - bottom) / vg.Length(len(g.Series))
	top := 0.0
	for _, s := range g.Series {
		for _, p := range s.Points {
			if p.Fits && p.Value > 0 && !math.IsInf(p.Value, 0) {
				top = math.Max(top, math.Abs(math.Log2(p.Value)))
			}
		}
	}
	for j, s := range g.Series {
		y := c.Min.Y + bottom + h*vg.Length(j)
		r := tick
		r.XAlign = -1
		c.FillText(r, vg.Point{X: c.Min.X + left - 5, Y: y + h/2}, name(s))
		for i, p := range s.Points {
			x := c.Min.X + left + w*vg.Length(i)
			box := vg.Rectangle{Min: vg.Point{X: x, Y: y}, Max: vg.Point{X: x + w - 1, Y: y + h - 1}}
			if !p.Fits {
				c.SetColor(t.Faint)
				c.Fill(rectangle(box))
				hatch(t, c, box)
				continue
			}
			fill := blend(t, p.Value, top)
			c.SetColor(fill)
			c.Fill(rectangle(box))
			st := tick
			st.Color = contrast(fill)
			c.FillText(st, vg.Point{X: x + w/2, Y: y + h/2}, factor(p.Value, w < 30))
		}
	}
	for i, p := range g.Series[0].Points {
		c.FillText(tick, vg.Point{X: c.Min.X + left + w*(vg.Length(i)+0.5), Y: c.Min.Y + bottom - 9}, study.Tokens(int(p.X)))
	}
	title := g.X.Label
	if g.X.Unit != "" {
		title += ", " + g.X.Unit
	}
	c.FillText(label, vg.Point{X: c.Min.X + left + (c.Max.X-c.Min.X-left)/2, Y: c.Min.Y}, title)
	v := label
	v.Rotation = math.Pi / 2
	v.XAlign, v.YAlign = 0, -1
	c.FillText(v, vg.Point{X: c.Min.X, Y: c.Min.Y + bottom + (h*vg.Length(len(g.Series))-label.Width(g.Y.Label))/2}, g.Y.Label)
	return nil
}

// factor writes a ratio: 1.2×, 12×; without the sign where room is short.
func factor(x float64, short bool) string {
	s := fmt.Sprintf("%.1f", x)
	if x >= 9.95 {
		s = fmt.Sprintf("%.0f", x)
	}
	if short {
		return s
	}
	return s + "×"
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
