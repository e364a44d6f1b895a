package figure

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/OWNER/ridgeline/study"
)

// end is a name at the end of a line, of one or two lines of text.
type end struct {
	text  []string
	index int // -1: a level
	x, y  float64
	none  bool // no point of the line fits its device
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
		e.none = !slices.ContainsFunc(ps, func(p study.Point) bool { return p.Fits })
		if a.titled {
			e.text = nil
		}
		if s.Extra != "" {
			e.text = append(e.text, s.Extra)
		}
		if len(e.text) > 0 {
			out = append(out, e)
		}
	}
	for _, l := range a.Levels {
		out = append(out, end{text: []string{l.Name}, index: -1, x: math.Inf(1), y: l.Y / a.yu.scale})
	}
	return out
}

// nameEnds writes names right of the data, each as near to its line's end as the others let
// it, with a thin line back to it.
func (a *axes) nameEnds(t Theme, p *frame, ends []end) {
	c := p.Canvas
	slices.SortStableFunc(ends, func(x, y end) int { return cmp.Compare(y.y, x.y) })
	at := make([]vg.Length, len(ends)) // middles, from the top
	half := func(i int) vg.Length { return vg.Length(len(ends[i].text)) * endHeight / 2 }
	top := c.Max.Y + 4
	for i, e := range ends {
		at[i] = min(p.height(e.y), top-half(i))
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
		from := vg.Point{X: c.Max.X, Y: p.height(e.y)}
		if e.index >= 0 {
			from = p.at(e.x, e.y)
		}
		if from.X < x-endOff-1 || math.Abs(float64(from.Y-at[i])) > 2 {
			c.StrokeLine2(draw.LineStyle{Color: t.Ink, Width: 0.4}, from.X+2, from.Y, x-1, at[i])
		}
		if e.index >= 0 {
			marker := glyph(t, e.index)
			if e.none {
				marker = hollow(marker)
			}
			c.DrawGlyphNoClip(marker, vg.Point{X: x + 3, Y: at[i] + half(i) - endHeight/2})
		}
		for k, line := range e.text {
			c.FillText(s, vg.Point{X: x + endSample, Y: at[i] + half(i) - endHeight*(vg.Length(k)+0.5) + 1}, line)
		}
	}
}

// nameLevels writes the names of the levels above or below them, as far left as no series
// is in the way.
func (a *axes) nameLevels(t Theme, p *frame, trace []vg.Point) {
	c := p.Canvas
	s := style(t, tickSize, false, 0, 0)
	const height, off, step = tickSize + 1, 3, 8
	pl := newPlacer(c, trace)
	for _, l := range a.Levels {
		y, w := p.height(l.Y/a.yu.scale), s.Width(l.Name)
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
func (a *axes) nameRoof(t Theme, p *frame) {
	for _, s := range a.Series {
		ps := a.usable(s.Points)
		if !s.Bare || len(ps) == 0 {
			continue
		}
		st := style(t, tickSize, false, -1, 0)
		p.FillText(st, vg.Point{X: p.Max.X, Y: p.height(ps[len(ps)-1].Y) + 4}, s.Extra)
	}
}
