package figure

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/study"
	"github.com/OWNER/ridgeline/units"
)

// bars draws stacked bars whose parts add up to a whole. For each series there is a bar in each
// panel (for its time and for its bytes), below the series' name.
type bars struct {
	panels []study.Panel
	colors map[string]int // colour of each part
	parts  []string
}

func newBars(ps []study.Panel) *bars {
	b := &bars{panels: ps, colors: map[string]int{}}
	classes := map[string]string{}
	for _, p := range ps {
		for _, s := range p.Series {
			for _, q := range s.Points {
				classes[q.Name] = q.Class
				if !slices.Contains(b.parts, q.Name) {
					b.parts = append(b.parts, q.Name)
				}
			}
		}
	}
	// An operation has the colour of its class in every figure, unless another of the same
	// figure has it already.
	used := [8]bool{gray: true}
	for _, name := range b.parts {
		if name == study.Other {
			b.colors[name] = gray
			continue
		}
		want := classColor(classes[name])
		for used[want] && slices.Contains(used[:], false) {
			want = (want + 1) % len(used)
		}
		used[want] = true
		b.colors[name] = want
	}
	return b
}

// gray is the place in the palette of the colour for parts too small to name.
const gray = 6

// classColor returns the place in the palette of the colour for a class of operations, by what
// their kernels do and which part of a decoder they belong to.
func classColor(class string) int {
	kernel, part, _ := strings.Cut(class, " ")
	product := map[string]int{"ffn": 1, "ends": 3, "mixer": 4}
	switch kernel {
	case costmodel.Attn.String():
		return 0
	case costmodel.GEMM.String(), costmodel.ExpertGEMM.String():
		return product[part]
	case costmodel.Scan.String(), costmodel.Conv.String():
		return 5
	}
	return 7
}

func (b *bars) legend() (out []key) {
	for _, name := range b.parts {
		out = append(out, key{name: name, index: b.colors[name], bar: true})
	}
	return out
}

const barHeight, barGap, groupGap = 20, 4, 8

func (b *bars) height(vg.Length) vg.Length {
	n := 0
	if len(b.panels) > 0 {
		n = len(b.panels[0].Series)
	}
	return vg.Length(n)*(14+vg.Length(len(b.panels))*(barHeight+barGap)+groupGap) + 4
}

func (b *bars) empty() bool {
	if len(b.panels) == 0 || len(b.panels[0].Series) == 0 {
		return true
	}
	for _, p := range b.panels {
		for _, s := range p.Series {
			if w := whole(s); !(w > 0) || math.IsInf(w, 0) {
				return true
			}
		}
	}
	return false
}

func whole(s study.Series) (sum float64) {
	for _, p := range s.Points {
		sum += p.Y
	}
	return sum
}

func (b *bars) draw(t Theme, c draw.Canvas) error {
	if b.empty() {
		return ErrEmpty
	}
	head, side := style(t, labelSize, true, 0, -1), style(t, tickSize, false, -1, -0.5)
	left, right := vg.Length(0), vg.Length(0)
	total := func(p study.Panel, s study.Series) string { return units.SI(whole(s), p.Y.Unit) }
	for _, p := range b.panels {
		left = max(left, side.Width(p.Heading)+6)
		for _, s := range p.Series {
			right = max(right, side.Width(total(p, s))+6)
		}
	}
	y := c.Max.Y
	for i, s := range b.panels[0].Series {
		name := s.Name
		if s.Extra != "" {
			name += ", " + s.Extra
		}
		c.FillText(head, vg.Point{X: c.Min.X, Y: y}, name)
		y -= 14
		for _, p := range b.panels {
			s := p.Series[i]
			mid := y - barHeight/2
			c.FillText(side, vg.Point{X: c.Min.X + left - 6, Y: mid}, p.Heading)
			c.FillText(side, vg.Point{X: c.Max.X, Y: mid}, total(p, s))
			b.bar(t, draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: c.Min.X + left, Y: y - barHeight}, Max: vg.Point{X: c.Max.X - right, Y: y}}}, s)
			y -= barHeight + barGap
		}
		y -= groupGap
	}
	return nil
}

// bar fills a rectangle with the parts of a series and writes the share into parts with enough
// room. A series that does not fit its device is hatched.
func (b *bars) bar(t Theme, c draw.Canvas, s study.Series) {
	sum, x := whole(s), c.Min.X
	for _, p := range s.Points {
		w := (c.Max.X - c.Min.X) * vg.Length(p.Y/sum)
		box := vg.Rectangle{Min: vg.Point{X: x, Y: c.Min.Y}, Max: vg.Point{X: x + w, Y: c.Max.Y}}
		fill := shade(t, b.colors[p.Name])
		c.SetColor(fill)
		c.Fill(rectangle(box))
		if !p.Fits {
			hatch(t, c, box)
		}
		c.StrokeLine2(draw.LineStyle{Color: t.Back, Width: 0.8}, x+w, c.Min.Y, x+w, c.Max.Y)
		label := style(t, tickSize, false, -0.5, -0.5)
		label.Color = contrast(fill)
		if txt := fmt.Sprintf("%.0f %%", 100*p.Y/sum); label.Width(txt)+4 < w && p.Fits {
			c.FillText(label, vg.Point{X: x + w/2, Y: (c.Min.Y + c.Max.Y) / 2}, txt)
		}
		x += w
	}
}

// hatch fills a box with slanted lines.
func hatch(t Theme, c draw.Canvas, r vg.Rectangle) {
	s := draw.LineStyle{Color: t.Back, Width: 0.9}
	h := r.Max.Y - r.Min.Y
	for x := r.Min.X - h; x < r.Max.X; x += 6 {
		x0, y0, x1, y1 := x, r.Min.Y, x+h, r.Max.Y
		if x0 < r.Min.X {
			y0 += r.Min.X - x0
			x0 = r.Min.X
		}
		if x1 > r.Max.X {
			y1 -= x1 - r.Max.X
			x1 = r.Max.X
		}
		c.StrokeLine2(s, x0, y0, x1, y1)
	}
}

// contrast returns black or white, whichever can be read better on a colour (relative luminance,
// W3C).
func contrast(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	lin := func(v uint32) float64 { return math.Pow(float64(v)/65535, 2.2) }
	if 0.2126*lin(r)+0.7152*lin(g)+0.0722*lin(b) > 0.18 {
		return color.Black
	}
	return color.White
}
