package figure

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Scale is how an axis runs.
type Scale uint8

// The scales.
const (
	Linear Scale = iota
	Log10
	Log2 // ticks at powers of two
)

// Series is a named line or cloud of points.
type Series struct {
	Name   string
	X, Y   []float64
	Points bool // markers only
	Bare   bool // line only
	// Index picks colour, dash and marker; unless Axes.Indexed it follows the order.
	Index int
}

// Axes is a panel of lines, points and level lines.
type Axes struct {
	Heading        string
	XLabel, YLabel string
	X, Y           Scale
	FromZero       bool // a linear y axis begins at 0
	Indexed        bool // the series say their own Index
	Series         []Series
	Levels         []Level
	Labels         []Label
}

// Level is a horizontal line with a name, such as a capacity.
type Level struct {
	Name string
	Y    float64
}

// Label names a point.
type Label struct {
	Text string
	X, Y float64
}

// Lines makes a figure of one or more panels that share a legend.
func Lines(title, subtitle, alt string, panels ...*Axes) *Figure {
	f := &Figure{Title: title, Subtitle: subtitle, Alt: alt, Width: 16 * vg.Centimeter, Height: 10.5 * vg.Centimeter}
	if len(panels) > 1 {
		f.Width = vg.Length(min(7.5*float64(len(panels)), 24)) * vg.Centimeter
		f.Height = 9 * vg.Centimeter
	}
	seen := map[string]bool{}
	for _, p := range panels {
		for i, s := range p.Series {
			if !p.Indexed {
				p.Series[i].Index = i
			}
			if s.Name != "" && !seen[s.Name] {
				seen[s.Name] = true
				f.Legend = append(f.Legend, Key{Name: s.Name, Index: p.Series[i].Index, Line: s.Bare, Point: s.Points})
			}
		}
		f.panels = append(f.panels, p)
	}
	return f
}

// usable keeps the finite points, on a log scale the positive ones.
func (a *Axes) usable(s Series) plotter.XYs {
	var out plotter.XYs
	for i := range s.X {
		x, y := s.X[i], s.Y[i]
		if math.IsNaN(x) || math.IsInf(x, 0) || math.IsNaN(y) || math.IsInf(y, 0) || a.X != Linear && x <= 0 || a.Y != Linear && y <= 0 {
			continue
		}
		out = append(out, plotter.XY{X: x, Y: y})
	}
	return out
}

// ErrEmpty is a figure none of whose points can be drawn.
var ErrEmpty = fmt.Errorf("nothing to draw: no point is finite (and, on a log scale, positive)")

func (a *Axes) empty() bool {
	return !slices.ContainsFunc(a.Series, func(s Series) bool { return len(a.usable(s)) > 0 })
}

// newPlot has no titles: gonum takes the place of an axis' title on a logarithmic scale to
// be where half the largest value is, and leaves room for it beside the axis. See titles.
func newPlot(t Theme) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = t.Back
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Tick.Label.Font, a.Tick.Label.Color = t.sans(tickSize, false), t.Ink
		a.LineStyle.Color, a.Tick.LineStyle.Color = t.Ink, t.Ink
		a.Padding = 4
	}
	return p
}

// titleBand is the room for an axis' title or a panel's heading.
const titleBand = 15

// titles writes the heading above the data and the axes' titles beside it.
func (a *Axes) titles(t Theme, c, data draw.Canvas) {
	x, y := (data.Min.X+data.Max.X)/2, (data.Min.Y+data.Max.Y)/2
	head := style(t, labelSize, true, -0.5, -1)
	c.FillText(head, vg.Point{X: x, Y: c.Max.Y}, a.Heading)
	title := style(t, labelSize, false, -0.5, 0)
	c.FillText(title, vg.Point{X: x, Y: c.Min.Y}, a.XLabel)
	title.Rotation = math.Pi / 2
	title.XAlign, title.YAlign = 0, -1
	c.FillText(title, vg.Point{X: c.Min.X, Y: max(y-title.Width(a.YLabel)/2, c.Min.Y)}, a.YLabel)
}

func (s Scale) apply(a *plot.Axis) {
	switch s {
	case Linear:
		a.Tick.Marker = linear{}
	case Log10:
		a.Scale, a.Tick.Marker = plot.LogScale{}, decades{}
	case Log2:
		a.Scale, a.Tick.Marker = plot.LogScale{}, doublings{}
	}
}

func (a *Axes) draw(t Theme, c draw.Canvas) error {
	p := newPlot(t)
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: t.Faint, Width: 0.5}
	grid.Vertical = grid.Horizontal
	p.Add(grid)
	if a.empty() {
		return ErrEmpty
	}
	for _, s := range a.Series {
		xy := a.usable(s)
		if len(xy) == 0 {
			continue
		}
		line, points, err := plotter.NewLinePoints(xy)
		if err != nil {
			return err
		}
		line.LineStyle, points.GlyphStyle = lineStyle(t, s.Index), glyph(t, s.Index)
		if !s.Points {
			p.Add(line)
		}
		switch {
		case s.Points && len(xy) > 400:
			points.GlyphStyle.Radius = 1.2
			p.Add(points)
		case s.Points || !s.Bare && len(xy) <= 40:
			p.Add(points)
		}
	}
	for _, l := range a.Levels {
		if l.Y > 0 {
			p.Y.Max, p.Y.Min = math.Max(p.Y.Max, l.Y*1.04), math.Min(p.Y.Min, l.Y)
		}
	}
	a.extend(p)
	for _, l := range a.Levels {
		level, err := plotter.NewLine(plotter.XYs{{X: p.X.Min, Y: l.Y}, {X: p.X.Max, Y: l.Y}})
		if err != nil {
			return err
		}
		level.LineStyle = draw.LineStyle{Color: t.Ink, Width: 1, Dashes: []vg.Length{4, 3}}
		p.Add(level)
	}
	a.X.apply(&p.X)
	a.Y.apply(&p.Y)
	above := vg.Length(0)
	if a.Heading != "" {
		above = titleBand
	}
	inner := draw.Crop(c, titleBand, 0, titleBand, -above)
	p.Draw(inner)
	data := p.DataCanvas(inner)
	a.titles(t, c, data)
	trace := a.trace(p, data)
	a.nameLevels(t, data, p, trace)
	a.place(t, data, p, trace)
	return nil
}

// extend gives a flat range some room, and starts from zero where that is asked.
func (a *Axes) extend(p *plot.Plot) {
	if a.FromZero && a.Y == Linear {
		p.Y.Min = 0
		p.Y.Max *= 1.05
	}
	for _, x := range []struct {
		axis *plot.Axis
		s    Scale
	}{{&p.X, a.X}, {&p.Y, a.Y}} {
		if x.axis.Max > x.axis.Min*(1+1e-9) && x.axis.Max-x.axis.Min > 1e-300 {
			continue
		}
		v := x.axis.Max
		if x.s != Linear || v > 0 {
			x.axis.Min, x.axis.Max = v/2, v*2
		} else {
			x.axis.Min, x.axis.Max = v-1, v+1
		}
	}
}

// trace is where the series are drawn: their points, and along lines a point every 3 pt.
func (a *Axes) trace(p *plot.Plot, c draw.Canvas) (out []vg.Point) {
	for _, s := range a.Series {
		var last vg.Point
		for i, xy := range a.usable(s) {
			at := vg.Point{X: c.X(p.X.Norm(xy.X)), Y: c.Y(p.Y.Norm(xy.Y))}
			if i > 0 && !s.Points {
				n := math.Ceil(math.Hypot(float64(at.X-last.X), float64(at.Y-last.Y)) / 3)
				for k := 1.0; k < n; k++ {
					f := vg.Length(k / n)
					out = append(out, vg.Point{X: last.X + (at.X-last.X)*f, Y: last.Y + (at.Y-last.Y)*f})
				}
			}
			out, last = append(out, at), at
		}
	}
	return out
}

// nameLevels writes the names of the levels above or below them, as far left as no series
// is in the way.
func (a *Axes) nameLevels(t Theme, c draw.Canvas, p *plot.Plot, trace []vg.Point) {
	s := style(t, tickSize, false, 0, 0)
	const height, off, step = tickSize + 1, 3, 8
	for _, l := range a.Levels {
		y, w := c.Y(p.Y.Norm(l.Y)), s.Width(l.Name)
		at := vg.Point{X: c.Min.X + 4, Y: y + off}
	search:
		for _, bottom := range []vg.Length{y + off, y - off - height} {
			for x := c.Min.X + 4; x+w < c.Max.X; x += step {
				box := vg.Rectangle{Min: vg.Point{X: x, Y: bottom}, Max: vg.Point{X: x + w, Y: bottom + height}}
				if box.Min.Y >= c.Min.Y && box.Max.Y <= c.Max.Y && !covers(box, trace) {
					at = box.Min
					break search
				}
			}
		}
		c.SetColor(t.Back)
		c.Fill(rectangle(vg.Rectangle{Min: at, Max: vg.Point{X: at.X + w, Y: at.Y + height}}))
		c.FillText(s, vg.Point{X: at.X, Y: at.Y + 2}, l.Name)
	}
}

// place writes labels beside their points, a line of text for each line of the label, each
// at the nearest place where it covers no other label and none of the lines; a thin line
// leads back to its point.
func (a *Axes) place(t Theme, c draw.Canvas, p *plot.Plot, trace []vg.Point) {
	s := style(t, tickSize, false, 0, -0.5)
	const lineHeight, step = 10, 4
	var taken []vg.Rectangle
	for _, l := range a.Labels {
		at := vg.Point{X: c.X(p.X.Norm(l.X)), Y: c.Y(p.Y.Norm(l.Y))}
		text := strings.Split(l.Text, "\n")
		w, h := vg.Length(0), vg.Length(lineHeight*len(text))
		for _, line := range text {
			w = max(w, s.Width(line))
		}
		best, nearest := vg.Rectangle{}, math.Inf(1)
		for x := c.Min.X; x+w <= c.Max.X; x += step {
			for top := c.Min.Y + h; top <= c.Max.Y; top += step {
				box := vg.Rectangle{Min: vg.Point{X: x, Y: top - h}, Max: vg.Point{X: x + w, Y: top}}
				side := max(x-at.X, at.X-x-w)
				far := math.Hypot(float64(max(side, 0)), float64(top-lineHeight/2-at.Y))
				// Clear of the point, and to its right unless that is much farther.
				if far < 16 || side < 10 || far >= nearest || x < at.X && 2*far >= nearest {
					continue
				}
				if !overlaps(box, taken) && !covers(box, trace) {
					best, nearest = box, far
				}
			}
		}
		if math.IsInf(nearest, 1) {
			continue // no room: the points stay without a name
		}
		taken = append(taken, best)
		edge := best.Min.X - 2
		if edge < at.X {
			edge = best.Max.X + 2
		}
		c.StrokeLine2(draw.LineStyle{Color: t.Ink, Width: 0.4}, at.X, at.Y, edge, best.Max.Y-lineHeight/2)
		c.SetColor(t.Back)
		c.Fill(rectangle(best))
		for i, line := range text {
			c.FillText(s, vg.Point{X: best.Min.X, Y: best.Max.Y - lineHeight*(vg.Length(i)+0.5)}, line)
		}
	}
}

// covers reports whether a box, and a little around it, holds one of the points.
func covers(r vg.Rectangle, points []vg.Point) bool {
	const around = 4
	return slices.ContainsFunc(points, func(p vg.Point) bool {
		return p.X > r.Min.X-around && p.X < r.Max.X+around && p.Y > r.Min.Y-around && p.Y < r.Max.Y+around
	})
}

func overlaps(r vg.Rectangle, others []vg.Rectangle) bool {
	for _, o := range others {
		if r.Min.X < o.Max.X && o.Min.X < r.Max.X && r.Min.Y < o.Max.Y && o.Min.Y < r.Max.Y {
			return true
		}
	}
	return false
}
