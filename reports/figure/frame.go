package figure

import (
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/OWNER/ridgeline/study"
)

// axis is the range of an axis and its scale.
type axis struct {
	low, high float64
	scale     study.Scale
	lengths   bool // in tokens
}

// reach extends the range to a value.
func (a *axis) reach(v float64) { a.low, a.high = math.Min(a.low, v), math.Max(a.high, v) }

// widen extends a range that consists of one value.
func (a *axis) widen() {
	if a.high > a.low*(1+1e-9) && a.high-a.low > 1e-300 {
		return
	}
	v := a.high
	if a.scale != study.Linear || v > 0 {
		a.low, a.high = v/2, v*2
	} else {
		a.low, a.high = v-1, v+1
	}
}

// pad keeps data away from the ends of the axis, and lets a linear axis begin at zero where that
// is asked for.
func (a *axis) pad(fromZero bool) {
	const part = 0.04 // share of the axis' length
	switch {
	case fromZero && a.scale == study.Linear && a.low >= 0:
		a.low, a.high = 0, a.high*(1+part)
	case !(a.high > a.low):
	case a.scale != study.Linear && a.low > 0:
		f := math.Pow(a.high/a.low, part)
		a.low, a.high = a.low/f, a.high*f
	case a.scale == study.Linear:
		d := part * (a.high - a.low)
		a.low, a.high = a.low-d, a.high+d
	}
}

// share returns where on the axis a value lies: 0 at its low end, 1 at its high end.
func (a axis) share(v float64) float64 {
	if a.scale == study.Linear {
		return (v - a.low) / (a.high - a.low)
	}
	return math.Log(v/a.low) / math.Log(a.high/a.low)
}

// frame is a pair of axes with the part of a canvas between them, in which data are drawn. The
// package gonum/plot could do this too, but it contains twelve fonts of 4 MB, two of which are
// used here.
type frame struct {
	draw.Canvas // where data are drawn
	x, y        axis
	marksX      []tick
	marksY      []tick
}

const (
	tickLength = 8
	// distance between an axis and what is next to it
	axisGap = 4
	// distance of markers at the ends of an axis from its line
	markerRoom = 3
)

// newFrame leaves room on a canvas for ticks and labels; room is how much of each axis labels may
// take.
func newFrame(t Theme, c draw.Canvas, x, y axis, room vg.Point) *frame {
	f := &frame{x: x, y: y}
	f.marksX = tickerFor(x, room.X).ticks(x.low, x.high)
	f.marksY = tickerFor(y, room.Y).ticks(y.low, y.high)
	s := style(t, tickSize, false, 0, 0)
	left, last := vg.Length(0), vg.Length(0)
	for _, m := range f.marksY {
		left = max(left, s.Width(m.label))
	}
	// Half of the last label of the x axis is to the right of its tick.
	for _, m := range f.marksX {
		if at := x.share(m.value); m.label != "" && at <= 1+1e-9 {
			last = max(last, s.Width(m.label)/2-vg.Length(1-at)*(c.Max.X-c.Min.X))
		}
	}
	half := s.Height("0") / 2
	f.Canvas = draw.Crop(c, left+axisGap+tickLength+axisGap+markerRoom, -max(last, markerRoom),
		2*half+tickLength+axisGap+markerRoom, -max(half, markerRoom))
	return f
}

// at returns where a point of the data is drawn.
func (f *frame) at(x, y float64) vg.Point {
	return vg.Point{X: f.X(f.x.share(x)), Y: f.height(y)}
}

// height returns the vertical coordinate of at.
func (f *frame) height(y float64) vg.Length { return f.Y(f.y.share(y)) }

// drawAxes draws both axes, their ticks and labels, and lines across the data at the ticks
// that have a label.
func (f *frame) drawAxes(t Theme) {
	ink, faint := draw.LineStyle{Color: t.Ink, Width: 0.5}, draw.LineStyle{Color: t.Faint, Width: 0.5}
	below, beside := f.Min.Y-axisGap-markerRoom, f.Min.X-axisGap-markerRoom
	shown := func(a axis, m tick) bool { s := a.share(m.value); return s >= -1e-9 && s <= 1+1e-9 }
	length := func(m tick) vg.Length {
		if m.label == "" {
			return tickLength / 2
		}
		return tickLength
	}
	under, left := style(t, tickSize, false, -0.5, -1), style(t, tickSize, false, -1, -0.5)
	drop := left.FontExtents().Descent // digits have no parts below the line, so they are drawn lower
	marksX := slices.DeleteFunc(slices.Clone(f.marksX), func(m tick) bool { return !shown(f.x, m) })
	marksY := slices.DeleteFunc(slices.Clone(f.marksY), func(m tick) bool { return !shown(f.y, m) })
	for _, m := range marksX {
		if x := f.X(f.x.share(m.value)); m.label != "" {
			f.StrokeLine2(faint, x, f.Min.Y, x, f.Max.Y)
		}
	}
	for _, m := range marksY {
		if y := f.height(m.value); m.label != "" {
			f.StrokeLine2(faint, f.Min.X, y, f.Max.X, y)
		}
	}
	for _, m := range marksX {
		x := f.X(f.x.share(m.value))
		f.StrokeLine2(ink, x, below, x, below-length(m))
		if m.label != "" {
			f.FillText(under, vg.Point{X: x, Y: below - tickLength + drop}, m.label)
		}
	}
	for _, m := range marksY {
		y := f.height(m.value)
		f.StrokeLine2(ink, beside, y, beside-length(m), y)
		if m.label != "" {
			f.FillText(left, vg.Point{X: beside - tickLength - axisGap, Y: y + drop/2}, m.label)
		}
	}
	f.StrokeLine2(ink, f.Min.X, below, f.Max.X, below)
	f.StrokeLine2(ink, beside, f.Min.Y, beside, f.Max.Y)
}

// line draws a line through points, as far as it is between the axes.
func (f *frame) line(s draw.LineStyle, ps []study.Point) {
	at := make([]vg.Point, len(ps))
	for i, p := range ps {
		at[i] = f.at(p.X, p.Y)
	}
	f.StrokeLines(s, f.ClipLinesXY(at)...)
}

// marker draws a marker, if its point is between the axes or on them.
func (f *frame) marker(s draw.GlyphStyle, p study.Point) {
	for _, share := range []float64{f.x.share(p.X), f.y.share(p.Y)} {
		if share < -1e-9 || share > 1+1e-9 {
			return
		}
	}
	f.DrawGlyphNoClip(s, f.at(p.X, p.Y))
}
