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

func newPlot(t Theme, xlabel, ylabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = t.Back
	p.X.Label.Text, p.Y.Label.Text = xlabel, ylabel
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Label.TextStyle.Color = t.sans(labelSize, false), t.Ink
		a.Tick.Label.Font, a.Tick.Label.Color = t.sans(tickSize, false), t.Ink
		a.LineStyle.Color, a.Tick.LineStyle.Color = t.Ink, t.Ink
		a.Padding = 4
		a.Label.Padding = 3
	}
	return p
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
	p := newPlot(t, a.XLabel, a.YLabel)
	p.Title.Text = a.Heading
	p.Title.TextStyle.Font, p.Title.TextStyle.Color = t.sans(labelSize, true), t.Ink
	p.Title.Padding = 4
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
	p.Draw(c)
	data := p.DataCanvas(c)
	s := style(t, tickSize, false, 0, 0)
	for _, l := range a.Levels {
		data.FillText(s, vg.Point{X: data.X(0) + 4, Y: data.Y(p.Y.Norm(l.Y)) + 3}, l.Name)
	}
	place(t, data, p, a.Labels)
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

// place writes labels beside their points, a line of text for each line of the label,
// each moved down or up until it covers no other; a thin line leads back to its point.
func place(t Theme, c draw.Canvas, p *plot.Plot, labels []Label) {
	s := style(t, tickSize, false, 0, -0.5)
	const lineHeight = 10
	var taken []vg.Rectangle
	for _, l := range labels {
		at := vg.Point{X: c.X(p.X.Norm(l.X)), Y: c.Y(p.Y.Norm(l.Y))}
		lines := strings.Split(l.Text, "\n")
		w, h := vg.Length(0), vg.Length(lineHeight*len(lines))
		for _, line := range lines {
			w = max(w, s.Width(line))
		}
		x := at.X + 22
		if x+w > c.Max.X {
			x = at.X - 22 - w
		}
		for try := range 80 {
			// Below the point first: under a roof there is room.
			top := at.Y - 6 - vg.Length(try)*4
			if try >= 40 {
				top = at.Y + 6 + h + vg.Length(try-40)*4
			}
			box := vg.Rectangle{Min: vg.Point{X: x, Y: top - h}, Max: vg.Point{X: x + w, Y: top}}
			if box.Min.Y < c.Min.Y || box.Max.Y > c.Max.Y || overlaps(box, taken) {
				continue
			}
			taken = append(taken, box)
			edge := x - 2
			if x < at.X {
				edge = x + w + 2
			}
			c.StrokeLine2(draw.LineStyle{Color: t.Ink, Width: 0.4}, at.X, at.Y, edge, top-lineHeight/2)
			c.SetColor(t.Back)
			c.Fill(rectangle(box))
			for i, line := range lines {
				c.FillText(s, vg.Point{X: x, Y: top - lineHeight*(vg.Length(i)+0.5)}, line)
			}
			break
		}
	}
}

func overlaps(r vg.Rectangle, others []vg.Rectangle) bool {
	for _, o := range others {
		if r.Min.X < o.Max.X && o.Min.X < r.Max.X && r.Min.Y < o.Max.Y && o.Min.Y < r.Max.Y {
			return true
		}
	}
	return false
}
