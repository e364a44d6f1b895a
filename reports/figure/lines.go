package figure

import (
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/OWNER/ridgeline/study"
	"github.com/OWNER/ridgeline/units"
)

// axes draws a panel of lines, clouds and levels.
type axes struct {
	study.Panel
	xu, yu unit
	index  []int // of each series: its colour and marker
	named  bool  // lines are named at their ends, not in a legend
	titled bool  // the one line's name stands in the title
	xRange [2]float64
	yRange [2]float64 // both zero: as the points have it
}

// curves makes the panels of lines, and the legend if lines are not named at their ends.
func (f *Figure) curves(c *study.Chart) {
	t := Light()
	var names, said []string
	cloud, fits := map[string]bool{}, map[string]bool{}
	for i := range c.Panels {
		a := &axes{Panel: c.Panels[i]}
		for _, s := range a.Series {
			if a.Form == study.Roofline && s.Bare {
				a.index = append(a.index, 0)
				continue
			}
			k := slices.Index(names, s.Name)
			if k < 0 {
				k = len(names)
				names, said = append(names, s.Name), append(said, s.Name)
			}
			if s.Extra != "" && said[k] == s.Name {
				said[k] += ", " + s.Extra
			}
			cloud[s.Name] = s.Cloud
			fits[s.Name] = fits[s.Name] || slices.ContainsFunc(s.Points, func(p study.Point) bool { return p.Fits })
			a.index = append(a.index, k)
		}
		a.xu, a.yu = unitOf(a.X, a.values(func(p study.Point) float64 { return p.X })), unitOf(a.Y, a.values(func(p study.Point) float64 { return p.Y }))
		f.panels = append(f.panels, a)
	}
	if len(c.Panels) > 0 && c.Panels[0].Form == study.Roofline {
		f.shareRanges()
		return
	}
	if len(f.panels) == 1 {
		a := f.panels[0].(*axes)
		a.named = true
		if len(a.Series) == 1 && len(a.Levels) == 0 && strings.HasSuffix(f.Title, ": "+a.Series[0].Name) {
			a.titled = true
		}
		widest := vg.Length(0)
		for _, l := range a.ends(t) {
			widest = max(widest, l.width(t))
		}
		clouds := slices.ContainsFunc(a.Series, func(s study.Series) bool { return s.Cloud })
		if clouds || widest > 0.3*f.inner() || len(a.Series)+len(a.Levels) > 14 {
			a.named = false
		}
		if a.named {
			return
		}
		for range a.Levels {
			defer func() { f.legend = append(f.legend, key{name: "capacity of a device", level: true}) }()
			break
		}
	}
	if len(names) > 1 {
		for i, n := range names {
			f.legend = append(f.legend, key{name: said[i], index: i, point: cloud[n], broken: !fits[n]})
		}
	}
}

// shareRanges gives panels that are compared the same axes.
func (f *Figure) shareRanges() {
	x, y := [2]float64{math.Inf(1), 0}, [2]float64{math.Inf(1), 0}
	for _, p := range f.panels {
		a := p.(*axes)
		a.xu.scale, a.yu.scale = 1, 1
		for _, s := range a.Series {
			for _, q := range a.usable(s.Points) {
				x[0], x[1] = min(x[0], q.X), max(x[1], q.X)
				if !s.Bare {
					y[0] = min(y[0], q.Y)
				}
				y[1] = max(y[1], q.Y)
			}
		}
	}
	y[0], y[1] = y[0]/2, y[1]*2.5
	for _, p := range f.panels {
		a := p.(*axes)
		a.xu, a.yu = unitOf(a.X, nil), unitOf(a.Y, y[:])
		a.xRange, a.yRange = [2]float64{x[0] / a.xu.scale, x[1] / a.xu.scale}, [2]float64{y[0] / a.yu.scale, y[1] / a.yu.scale}
	}
}

// values are all of one coordinate, levels not among them.
func (a *axes) values(of func(study.Point) float64) (out []float64) {
	for _, s := range a.Series {
		for _, p := range s.Points {
			out = append(out, of(p))
		}
	}
	return out
}

// unit is the one unit of an axis: what values are divided by, and its title.
type unit struct {
	scale float64
	title string
}

func unitOf(a study.Axis, values []float64) unit {
	switch {
	case a.Unit == "s" || a.Unit == "B" || strings.HasPrefix(a.Unit, "FLOP/s"):
		if a.Scale == study.Log10 && len(values) > 0 { // nearer to its upper end: 0.01 to 100 s rather than 10 to 100,000 ms
			low, high := slices.Min(values), slices.Max(values)
			if low > 0 {
				values = []float64{high * math.Pow(low/high, 0.25)}
			}
		}
		prefix, scale := units.Prefix(a.Unit, values...)
		return unit{scale, a.Label + ", " + prefix + a.Unit}
	case a.Unit != "":
		return unit{1, a.Label + ", " + a.Unit}
	}
	if len(values) > 0 {
		for _, n := range []struct {
			name string
			v    float64
		}{{"billions", 1e9}, {"millions", 1e6}} {
			if slices.Max(values) >= n.v && a.Scale != study.Log2 {
				return unit{n.v, a.Label + ", " + n.name}
			}
		}
	}
	return unit{1, a.Label}
}

// usable keeps the finite points, on a log scale the positive ones, in the axes' units.
func (a *axes) usable(ps []study.Point) (out []study.Point) {
	for _, p := range ps {
		if bad(p.X, a.X.Scale) || bad(p.Y, a.Y.Scale) {
			continue
		}
		if a.xu.scale > 0 {
			p.X, p.Y = p.X/a.xu.scale, p.Y/a.yu.scale
		}
		if p.Low != nil && p.High != nil && !bad(*p.Low, a.Y.Scale) && !bad(*p.High, a.Y.Scale) {
			low, high := *p.Low/a.yu.scale, *p.High/a.yu.scale
			p.Low, p.High = &low, &high
		} else {
			p.Low, p.High = nil, nil
		}
		out = append(out, p)
	}
	return out
}

func bad(v float64, s study.Scale) bool {
	return math.IsNaN(v) || math.IsInf(v, 0) || s != study.Linear && v <= 0
}

func (a *axes) empty() bool {
	return !slices.ContainsFunc(a.Series, func(s study.Series) bool { return len(a.usable(s.Points)) > 0 })
}

// height is less than the width by more the wider it is.
func (a *axes) height(w vg.Length) vg.Length {
	if a.Form == study.Roofline {
		return min(max(0.78*w, 8*vg.Centimeter), 11*vg.Centimeter)
	}
	h := min(max(0.52*w, 6*vg.Centimeter), 13*vg.Centimeter)
	if a.named { // a line of text for each
		lines := vg.Length(0)
		for _, l := range a.ends(Light()) {
			lines += vg.Length(len(l.text)) + 0.2
		}
		h = max(h, lines*endHeight+50)
	}
	return h
}

// titleBand is the room for an axis' title or a panel's heading.
const titleBand = 15

// titles writes the heading above the data and the axes' titles beside it.
func (a *axes) titles(t Theme, c, data draw.Canvas) {
	x, y := (data.Min.X+data.Max.X)/2, (data.Min.Y+data.Max.Y)/2
	head := style(t, labelSize, true, 0, -1)
	c.FillText(head, vg.Point{X: max(min(x-head.Width(a.Heading)/2, c.Max.X-head.Width(a.Heading)), c.Min.X), Y: c.Max.Y}, a.Heading)
	title := style(t, labelSize, false, 0, 0)
	c.FillText(title, vg.Point{X: max(min(x-title.Width(a.xu.title)/2, c.Max.X-title.Width(a.xu.title)), c.Min.X), Y: c.Min.Y}, a.xu.title)
	title.Rotation = math.Pi / 2
	title.XAlign, title.YAlign = 0, -1
	c.FillText(title, vg.Point{X: c.Min.X, Y: max(y-title.Width(a.yu.title)/2, c.Min.Y)}, a.yu.title)
}

func (a *axes) draw(t Theme, c draw.Canvas) error {
	if a.empty() {
		return ErrEmpty
	}
	above, right := vg.Length(0), vg.Length(0)
	if a.Heading != "" {
		above = titleBand + 3
	}
	ends := a.ends(t)
	if a.named {
		for _, e := range ends {
			right = max(right, e.width(t))
		}
	}
	x, y := a.ranges()
	p := newFrame(t, draw.Crop(c, titleBand, -right, titleBand, -above), x, y,
		vg.Point{X: c.Max.X - c.Min.X - 40, Y: (c.Max.Y - c.Min.Y - 40) * 1.4})
	p.drawAxes(t)
	for i, s := range a.Series { // bands below all lines
		a.band(t, p, i, a.usable(s.Points))
	}
	for i, s := range a.Series {
		a.line(t, p, i, s, a.usable(s.Points))
	}
	for _, l := range a.Levels {
		y := l.Y / a.yu.scale
		p.line(levelStyle(t), []study.Point{{X: p.x.low, Y: y}, {X: p.x.high, Y: y}})
	}
	a.titles(t, draw.Crop(c, 0, -right, 0, 0), p.Canvas)
	switch {
	case a.Form == study.Roofline:
		a.nameRoof(t, p)
		newPlacer(p.Canvas, a.trace(p)).place(t, p.Canvas, a.operations(p))
	case a.named:
		a.nameEnds(t, p, ends)
	default:
		a.nameLevels(t, p, a.trace(p))
	}
	return nil
}

// line draws a series: markers where points are few, the part that does not fit broken.
func (a *axes) line(t Theme, p *frame, i int, s study.Series, ps []study.Point) {
	solid, broken := lineStyle(t, a.index[i]), brokenStyle(t, a.index[i])
	marker := glyph(t, a.index[i])
	if a.Form == study.Roofline && s.Bare {
		solid.Color, solid.Width = t.Ink, 1.2
	}
	if !s.Cloud {
		// Runs of equal kind; a run begins where the one before it ends.
		for from := 0; from+1 < len(ps); {
			fit := ps[from].Fits && ps[from+1].Fits
			to := from + 1
			for to+1 < len(ps) && (ps[to].Fits && ps[to+1].Fits) == fit {
				to++
			}
			style := solid
			if !fit {
				style = broken
			}
			p.line(style, ps[from:to+1])
			from = to
		}
	}
	if s.Bare || !s.Cloud && len(ps) > 40 {
		return
	}
	if s.Cloud && len(ps) > 400 {
		marker.Radius = 1.2
	}
	for _, fits := range []bool{true, false} {
		for _, q := range ps {
			switch {
			case q.Fits != fits:
			case fits:
				p.marker(marker, q)
			default:
				p.marker(hollow(marker), q)
			}
		}
	}
}

// bounded are the points of a series between whose bounds a band is filled: none where
// they are fewer than two.
func bounded(ps []study.Point) []study.Point {
	ps = slices.DeleteFunc(slices.Clone(ps), func(q study.Point) bool { return q.Low == nil || !q.Fits })
	if len(ps) < 2 {
		return nil
	}
	return ps
}

// band fills what lies between the bounds of a series.
func (a *axes) band(t Theme, p *frame, i int, ps []study.Point) {
	ps = bounded(ps)
	if ps == nil {
		return
	}
	var outline []vg.Point
	for _, q := range ps {
		outline = append(outline, p.at(q.X, *q.Low))
	}
	for k := len(ps) - 1; k >= 0; k-- {
		outline = append(outline, p.at(ps[k].X, *ps[k].High))
	}
	c := color.NRGBAModel.Convert(shade(t, a.index[i])).(color.NRGBA)
	c.A = 46
	p.FillPolygon(c, p.ClipPolygonXY(outline))
}

// ranges are the axes' ranges: what is drawn, and some room where that is one value; from
// zero where that is asked.
func (a *axes) ranges() (x, y axis) {
	empty := func(of study.Axis) axis {
		return axis{math.Inf(1), math.Inf(-1), of.Scale, strings.Contains(of.Label+of.Unit, "token")}
	}
	x, y = empty(a.X), empty(a.Y)
	for _, s := range a.Series {
		ps := a.usable(s.Points)
		for _, q := range ps {
			x.reach(q.X)
			y.reach(q.Y)
		}
		for _, q := range bounded(ps) {
			y.reach(*q.Low)
			y.reach(*q.High)
		}
	}
	for _, l := range a.Levels {
		if v := l.Y / a.yu.scale; v > 0 {
			y.low, y.high = math.Min(y.low, v), math.Max(y.high, v*1.04)
		}
	}
	y.pad(a.Y.FromZero)
	if a.X.Scale != study.Log2 { // lengths end where the figure does
		x.pad(a.X.FromZero)
	}
	if a.yRange != [2]float64{} {
		x.low, x.high, y.low, y.high = a.xRange[0], a.xRange[1], a.yRange[0], a.yRange[1]
	}
	x.widen()
	y.widen()
	return x, y
}

// trace is where the series are drawn: their points, and along lines a point every 3 pt.
func (a *axes) trace(p *frame) (out []vg.Point) {
	for _, s := range a.Series {
		var last vg.Point
		for i, q := range a.usable(s.Points) {
			at := p.at(q.X, q.Y)
			if i > 0 && !s.Cloud {
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
