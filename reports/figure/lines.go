package figure

import (
	"cmp"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
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
	xRange [2]float64
	yRange [2]float64 // both zero: as the points have it
}

// curves makes the panels of lines, and the legend if lines are not named at their ends.
func (f *Figure) curves(c *study.Chart) {
	t := Light()
	var names, said []string
	cloud := map[string]bool{}
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
			f.legend = append(f.legend, key{name: said[i], index: i, point: cloud[n]})
		}
	}
}

// shareRanges gives panels that are compared the same axes.
func (f *Figure) shareRanges() {
	x, y := [2]float64{math.Inf(1), 0}, [2]float64{math.Inf(1), 0}
	var ys []float64
	for _, p := range f.panels {
		a := p.(*axes)
		a.xu.scale, a.yu.scale = 1, 1
		for _, s := range a.Series {
			for _, q := range a.usable(s.Points) {
				x[0], x[1] = min(x[0], q.X), max(x[1], q.X)
				if !s.Bare {
					y[0] = min(y[0], q.Y)
					ys = append(ys, q.Y)
				}
				y[1] = max(y[1], q.Y)
			}
		}
	}
	y[0], y[1] = y[0]/2, y[1]*2.5
	for _, p := range f.panels {
		a := p.(*axes)
		a.xu, a.yu = unitOf(a.X, nil), unitOf(a.Y, ys)
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

// newPlot has no titles: gonum centres an axis title at half the largest value, which is not
// the middle of a logarithmic axis, and leaves room for it beside the axis. See titles.
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

func ticker(s study.Scale, room vg.Length) plot.Ticker {
	switch s {
	case study.Log10:
		return decades{int(room / 30)}
	case study.Log2:
		return doublings{int(room / 34)}
	}
	return linear{int(room / 34)}
}

func (a *axes) draw(t Theme, c draw.Canvas) error {
	if a.empty() {
		return ErrEmpty
	}
	p := newPlot(t)
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: t.Faint, Width: 0.5}
	grid.Vertical = grid.Horizontal
	p.Add(grid)
	for _, band := range []bool{true, false} { // bands below all lines
		for i, s := range a.Series {
			ps := a.usable(s.Points)
			if band {
				a.band(t, p, i, ps)
			} else if err := a.line(t, p, i, s, ps); err != nil {
				return err
			}
		}
	}
	for _, l := range a.Levels {
		if y := l.Y / a.yu.scale; y > 0 {
			p.Y.Max, p.Y.Min = math.Max(p.Y.Max, y*1.04), math.Min(p.Y.Min, y)
		}
	}
	a.extend(p)
	for _, l := range a.Levels {
		y := l.Y / a.yu.scale
		level, err := plotter.NewLine(plotter.XYs{{X: p.X.Min, Y: y}, {X: p.X.Max, Y: y}})
		if err != nil {
			return err
		}
		level.LineStyle = levelStyle(t)
		p.Add(level)
	}
	for _, x := range []struct {
		axis *plot.Axis
		s    study.Scale
		room vg.Length
	}{{&p.X, a.X.Scale, c.Max.X - c.Min.X - 40}, {&p.Y, a.Y.Scale, (c.Max.Y - c.Min.Y - 40) * 1.4}} {
		x.axis.Tick.Marker = ticker(x.s, x.room)
		if x.s != study.Linear {
			x.axis.Scale = plot.LogScale{}
		}
	}
	above := vg.Length(0)
	if a.Heading != "" {
		above = titleBand + 3
	}
	right := vg.Length(0)
	ends := a.ends(t)
	if a.named {
		for _, e := range ends {
			right = max(right, e.width(t))
		}
	}
	inner := draw.Crop(c, titleBand, -right, titleBand, -above)
	p.Draw(inner)
	data := p.DataCanvas(inner)
	a.titles(t, draw.Crop(c, 0, -right, 0, 0), data)
	switch {
	case a.Form == study.Roofline:
		a.nameRoof(t, data, p)
		newPlacer(data, a.trace(p, data)).place(t, data, a.operations(p, data))
	case a.named:
		a.nameEnds(t, data, p, ends)
	default:
		a.nameLevels(t, data, p, a.trace(p, data))
	}
	return nil
}

// line draws a series: markers where points are few, the part that does not fit broken.
func (a *axes) line(t Theme, p *plot.Plot, i int, s study.Series, ps []study.Point) error {
	if len(ps) == 0 {
		return nil
	}
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
			l, err := plotter.NewLine(xys(ps[from : to+1]))
			if err != nil {
				return err
			}
			if l.LineStyle = solid; !fit {
				l.LineStyle = broken
			}
			p.Add(l)
			from = to
		}
	}
	if s.Bare || !s.Cloud && len(ps) > 40 {
		return nil
	}
	var fit, unfit []study.Point
	for _, q := range ps {
		if q.Fits {
			fit = append(fit, q)
		} else {
			unfit = append(unfit, q)
		}
	}
	if s.Cloud && len(ps) > 400 {
		marker.Radius = 1.2
	}
	hollow := marker
	hollow.Shape, hollow.Radius = draw.RingGlyph{}, 1.8
	for _, part := range []struct {
		ps []study.Point
		g  draw.GlyphStyle
	}{{fit, marker}, {unfit, hollow}} {
		if len(part.ps) == 0 {
			continue
		}
		sc, err := plotter.NewScatter(xys(part.ps))
		if err != nil {
			return err
		}
		sc.GlyphStyle = part.g
		p.Add(sc)
	}
	return nil
}

func xys(ps []study.Point) plotter.XYs {
	out := make(plotter.XYs, len(ps))
	for i, p := range ps {
		out[i] = plotter.XY{X: p.X, Y: p.Y}
	}
	return out
}

// band fills what lies between the bounds of a series.
func (a *axes) band(t Theme, p *plot.Plot, i int, ps []study.Point) {
	ps = slices.DeleteFunc(slices.Clone(ps), func(q study.Point) bool { return q.Low == nil || !q.Fits })
	if len(ps) < 2 {
		return
	}
	var out plotter.XYs
	for _, q := range ps {
		out = append(out, plotter.XY{X: q.X, Y: *q.Low})
	}
	for k := len(ps) - 1; k >= 0; k-- {
		out = append(out, plotter.XY{X: ps[k].X, Y: *ps[k].High})
	}
	poly, err := plotter.NewPolygon(out)
	if err != nil {
		return // no finite bounds: no band
	}
	c := color.NRGBAModel.Convert(shade(t, a.index[i])).(color.NRGBA)
	c.A = 46
	poly.Color, poly.LineStyle.Width = c, 0
	p.Add(poly)
}

// extend gives a flat range some room, and starts from zero where that is asked.
func (a *axes) extend(p *plot.Plot) {
	if a.Y.FromZero && a.Y.Scale == study.Linear {
		p.Y.Min = 0
		p.Y.Max *= 1.05
	}
	if a.X.FromZero && a.X.Scale == study.Linear {
		p.X.Min = 0
	}
	if a.yRange != [2]float64{} {
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = a.xRange[0], a.xRange[1], a.yRange[0], a.yRange[1]
	}
	for _, x := range []struct {
		axis *plot.Axis
		s    study.Scale
	}{{&p.X, a.X.Scale}, {&p.Y, a.Y.Scale}} {
		if x.axis.Max > x.axis.Min*(1+1e-9) && x.axis.Max-x.axis.Min > 1e-300 {
			continue
		}
		v := x.axis.Max
		if x.s != study.Linear || v > 0 {
			x.axis.Min, x.axis.Max = v/2, v*2
		} else {
			x.axis.Min, x.axis.Max = v-1, v+1
		}
	}
}

// trace is where the series are drawn: their points, and along lines a point every 3 pt.
func (a *axes) trace(p *plot.Plot, c draw.Canvas) (out []vg.Point) {
	for _, s := range a.Series {
		var last vg.Point
		for i, q := range a.usable(s.Points) {
			at := vg.Point{X: c.X(p.X.Norm(q.X)), Y: c.Y(p.Y.Norm(q.Y))}
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

// end is a name at the end of a line, of one or two lines of text.
type end struct {
	text  []string
	index int // -1: a level
	x, y  float64
}

const endHeight, endOff, endSample = 11, 8, 9

func (e end) width(t Theme) vg.Length {
	s := style(t, tickSize, false, 0, 0)
	w := vg.Length(0)
	for _, l := range e.text {
		w = max(w, s.Width(l))
	}
	return w + endOff + endSample
}

// ends are the names of lines and levels, where the lines end.
func (a *axes) ends(Theme) (out []end) {
	for i, s := range a.Series {
		ps := a.usable(s.Points)
		if len(ps) == 0 || s.Name == "" {
			continue
		}
		e := end{text: []string{s.Name}, index: a.index[i], x: ps[len(ps)-1].X, y: ps[len(ps)-1].Y}
		if s.Extra != "" {
			e.text = append(e.text, s.Extra)
		}
		out = append(out, e)
	}
	for _, l := range a.Levels {
		out = append(out, end{text: []string{l.Name}, index: -1, x: math.Inf(1), y: l.Y / a.yu.scale})
	}
	return out
}

// nameEnds writes names right of the data, each as near to its line's end as the others let
// it, with a thin line back to it.
func (a *axes) nameEnds(t Theme, c draw.Canvas, p *plot.Plot, ends []end) {
	slices.SortStableFunc(ends, func(x, y end) int { return cmp.Compare(y.y, x.y) })
	at := make([]vg.Length, len(ends)) // middles, from the top
	half := func(i int) vg.Length { return vg.Length(len(ends[i].text)) * endHeight / 2 }
	top := c.Max.Y + 4
	for i, e := range ends {
		at[i] = min(c.Y(p.Y.Norm(e.y)), top-half(i))
		top = at[i] - half(i)
	}
	// What was pushed below the axis pushes back up.
	bottom := c.Min.Y - 8
	for i := len(ends) - 1; i >= 0; i-- {
		at[i] = max(at[i], bottom+half(i))
		bottom = at[i] + half(i)
	}
	s := style(t, tickSize, false, 0, -0.5)
	for i, e := range ends {
		x := c.Max.X + endOff
		from := vg.Point{X: c.X(p.X.Norm(e.x)), Y: c.Y(p.Y.Norm(e.y))}
		if e.index < 0 {
			from.X = c.Max.X
		}
		if from.X < x-endOff-1 || math.Abs(float64(from.Y-at[i])) > 2 {
			c.StrokeLine2(draw.LineStyle{Color: t.Ink, Width: 0.4}, from.X+2, from.Y, x-1, at[i])
		}
		if e.index >= 0 {
			c.DrawGlyphNoClip(glyph(t, e.index), vg.Point{X: x + 3, Y: at[i] + half(i) - endHeight/2})
		}
		for k, line := range e.text {
			c.FillText(s, vg.Point{X: x + endSample, Y: at[i] + half(i) - endHeight*(vg.Length(k)+0.5) + 1}, line)
		}
	}
}

// nameLevels writes the names of the levels above or below them, as far left as no series
// is in the way.
func (a *axes) nameLevels(t Theme, c draw.Canvas, p *plot.Plot, trace []vg.Point) {
	s := style(t, tickSize, false, 0, 0)
	const height, off, step = tickSize + 1, 3, 8
	pl := newPlacer(c, trace)
	for _, l := range a.Levels {
		y, w := c.Y(p.Y.Norm(l.Y/a.yu.scale)), s.Width(l.Name)
		at := vg.Point{X: c.Min.X + 4, Y: y + off}
	search:
		for _, bottom := range []vg.Length{y + off, y - off - height} {
			for x := c.Min.X + 4; x+w < c.Max.X; x += step {
				box := vg.Rectangle{Min: vg.Point{X: x, Y: bottom}, Max: vg.Point{X: x + w, Y: bottom + height}}
				if box.Min.Y >= c.Min.Y && box.Max.Y <= c.Max.Y && pl.free(box) {
					at = box.Min
					break search
				}
			}
		}
		box := vg.Rectangle{Min: at, Max: vg.Point{X: at.X + w, Y: at.Y + height}}
		pl.taken = append(pl.taken, box)
		c.SetColor(t.Back)
		c.Fill(rectangle(box))
		c.FillText(s, vg.Point{X: at.X, Y: at.Y + 2}, l.Name)
	}
}

// nameRoof writes what the roof is above its flat part.
func (a *axes) nameRoof(t Theme, c draw.Canvas, p *plot.Plot) {
	for _, s := range a.Series {
		ps := a.usable(s.Points)
		if !s.Bare || len(ps) == 0 {
			continue
		}
		st := style(t, tickSize, false, -1, 0)
		c.FillText(st, vg.Point{X: c.Max.X, Y: c.Y(p.Y.Norm(ps[len(ps)-1].Y)) + 4}, s.Extra)
	}
}
