package figure

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/OWNER/ridgeline/study"
)

// label names a place in a panel, in one or several lines.
type label struct {
	text string
	at   vg.Point
}

// namedLines is the largest number of operations that one label lists.
const namedLines = 4

// operations labels the operations of a roofline. Operations at nearly the same place share a
// label, which lists those that take longest.
func (a *axes) operations(p *frame) []label {
	type cluster struct {
		study.Point
		text  string
		n     int
		share float64 // share of the operations that are not listed
	}
	var cs []*cluster
	for _, s := range a.Series {
		if s.Bare {
			continue
		}
		ops := a.usable(s.Points)
		slices.SortStableFunc(ops, func(x, y study.Point) int {
			if x.Share > y.Share {
				return -1
			}
			return 1
		})
	next:
		for _, o := range ops {
			name := fmt.Sprintf("%s %.0f %%", o.Name, 100*o.Share)
			for _, k := range cs {
				if r, q := o.X/k.X, o.Y/k.Y; r < 1.25 && r > 0.8 && q < 1.25 && q > 0.8 {
					if k.n++; k.n <= namedLines && o.Share >= 0.005 {
						k.text += "\n" + name
					} else {
						k.share += o.Share
					}
					continue next
				}
			}
			if o.Share >= 0.01 {
				cs = append(cs, &cluster{Point: o, text: name, n: 1})
			}
		}
	}
	// The largest come first, so that they get the best places.
	var out []label
	for _, k := range cs {
		if k.share >= 0.005 {
			k.text += fmt.Sprintf("\nothers %.0f %%", 100*k.share)
		}
		out = append(out, label{k.text, p.at(k.X, k.Y)})
	}
	return out
}

// placer knows which places of a panel are free.
type placer struct {
	c      draw.Canvas
	nx, ny int
	sum    []int // number of trace points in the cells to the left and below
	trace  []vg.Point
	taken  []vg.Rectangle
	thread [][2]vg.Point // the lines from labels to their points
}

const cell = 2 // pt

func newPlacer(c draw.Canvas, trace []vg.Point) *placer {
	p := &placer{c: c, trace: trace, nx: int((c.Max.X-c.Min.X)/cell) + 2, ny: int((c.Max.Y-c.Min.Y)/cell) + 2}
	p.sum = make([]int, p.nx*p.ny)
	for _, q := range trace {
		if x, y := p.cell(q); x >= 0 && y >= 0 && x < p.nx-1 && y < p.ny-1 {
			p.sum[(y+1)*p.nx+x+1]++
		}
	}
	for y := 1; y < p.ny; y++ {
		for x := 1; x < p.nx; x++ {
			p.sum[y*p.nx+x] += p.sum[(y-1)*p.nx+x] + p.sum[y*p.nx+x-1] - p.sum[(y-1)*p.nx+x-1]
		}
	}
	return p
}

func (p *placer) cell(q vg.Point) (x, y int) {
	return int(math.Floor(float64((q.X - p.c.Min.X) / cell))), int(math.Floor(float64((q.Y - p.c.Min.Y) / cell)))
}

// free reports whether a box with a small margin contains no point of the data, no line and no
// label.
func (p *placer) free(r vg.Rectangle) bool {
	const around = 4
	x0, y0 := p.cell(vg.Point{X: r.Min.X - around, Y: r.Min.Y - around})
	x1, y1 := p.cell(vg.Point{X: r.Max.X + around, Y: r.Max.Y + around})
	x0, y0 = max(x0, 0), max(y0, 0)
	x1, y1 = min(x1+1, p.nx-1), min(y1+1, p.ny-1)
	if x1 > x0 && y1 > y0 && p.sum[y1*p.nx+x1]-p.sum[y0*p.nx+x1]-p.sum[y1*p.nx+x0]+p.sum[y0*p.nx+x0] > 0 {
		return false
	}
	const apart = 5
	return !overlaps(vg.Rectangle{Min: vg.Point{X: r.Min.X - apart, Y: r.Min.Y - 1}, Max: vg.Point{X: r.Max.X + apart, Y: r.Max.Y + 1}}, p.taken)
}

// clear reports whether the line from a label to its point crosses no label, no other such line
// and no point except its own.
func (p *placer) clear(from, to vg.Point, points []vg.Point) bool {
	n := math.Ceil(math.Hypot(float64(to.X-from.X), float64(to.Y-from.Y)) / 3)
	for k := 0.0; k <= n; k++ {
		f := vg.Length(k / max(n, 1))
		q := vg.Point{X: from.X + (to.X-from.X)*f, Y: from.Y + (to.Y-from.Y)*f}
		if overlaps(vg.Rectangle{Min: vg.Point{X: q.X - 1, Y: q.Y - 1}, Max: vg.Point{X: q.X + 1, Y: q.Y + 1}}, p.taken) {
			return false
		}
		for _, o := range points {
			near := math.Hypot(float64(o.X-q.X), float64(o.Y-q.Y)) < 4
			if near && math.Hypot(float64(o.X-from.X), float64(o.Y-from.Y)) > 9 {
				return false
			}
		}
	}
	return !slices.ContainsFunc(p.thread, func(t [2]vg.Point) bool { return cross(from, to, t[0], t[1]) })
}

// cross reports whether two segments cross.
func cross(a, b, c, d vg.Point) bool {
	side := func(p, q, r vg.Point) float64 { return float64((q.X-p.X)*(r.Y-p.Y) - (q.Y-p.Y)*(r.X-p.X)) }
	return side(a, b, c)*side(a, b, d) < 0 && side(c, d, a)*side(c, d, b) < 0
}

// farthest is the largest distance of a label from its point, in pt.
const farthest = 85

// place writes labels, each at the nearest place at which it covers no other label, no point and
// no line; a thin line leads to its point. A label for which there is no such place is left out.
func (p *placer) place(t Theme, c draw.Canvas, labels []label) {
	s := style(t, tickSize, false, 0, -0.5)
	const lineHeight, step = 10, 4
	points := make([]vg.Point, len(labels))
	for i, l := range labels {
		points[i] = l.at
	}
	for _, l := range labels {
		text := strings.Split(l.text, "\n")
		w, h := vg.Length(0), vg.Length(lineHeight*len(text))
		for _, line := range text {
			w = max(w, s.Width(line))
		}
		var best vg.Rectangle
		var hook vg.Point
		nearest := math.Inf(1)
		for x := c.Min.X + 2; x+w <= c.Max.X; x += step {
			for top := c.Min.Y + h; top <= c.Max.Y; top += step {
				box := vg.Rectangle{Min: vg.Point{X: x, Y: top - h}, Max: vg.Point{X: x + w, Y: top}}
				side := max(x-l.at.X, l.at.X-x-w)
				if side < 7 {
					continue // beside its point, not above it
				}
				far := math.Hypot(float64(side), float64(top-lineHeight/2-l.at.Y))
				if x < l.at.X {
					far *= 1.2 // places to the right are preferred
				}
				if far >= nearest || far > farthest || !p.free(box) {
					continue
				}
				end := vg.Point{X: box.Min.X - 2, Y: box.Max.Y - lineHeight/2}
				if box.Min.X < l.at.X {
					end.X = box.Max.X + 2
				}
				if p.clear(l.at, end, points) && !slices.ContainsFunc(p.thread, func(t [2]vg.Point) bool { return enters(t, box) }) {
					best, hook, nearest = box, end, far
				}
			}
		}
		if math.IsInf(nearest, 1) {
			continue
		}
		p.taken = append(p.taken, best)
		p.thread = append(p.thread, [2]vg.Point{l.at, hook})
		c.StrokeLine2(draw.LineStyle{Color: t.Ink, Width: 0.4}, l.at.X, l.at.Y, hook.X, hook.Y)
		for i, line := range text {
			c.FillText(s, vg.Point{X: best.Min.X, Y: best.Max.Y - lineHeight*(vg.Length(i)+0.5)}, line)
		}
	}
}

// enters reports whether a segment passes through a box.
func enters(t [2]vg.Point, r vg.Rectangle) bool {
	n := math.Ceil(math.Hypot(float64(t[1].X-t[0].X), float64(t[1].Y-t[0].Y)) / 3)
	for k := 0.0; k <= n; k++ {
		f := vg.Length(k / max(n, 1))
		x, y := t[0].X+(t[1].X-t[0].X)*f, t[0].Y+(t[1].Y-t[0].Y)*f
		if x > r.Min.X-1 && x < r.Max.X+1 && y > r.Min.Y-1 && y < r.Max.Y+1 {
			return true
		}
	}
	return false
}

func overlaps(r vg.Rectangle, others []vg.Rectangle) bool {
	for _, o := range others {
		if r.Min.X < o.Max.X && o.Min.X < r.Max.X && r.Min.Y < o.Max.Y && o.Min.Y < r.Max.Y {
			return true
		}
	}
	return false
}
