package figure

import (
	"fmt"
	"math"
	"sort"

	"ridgeline/costmodel/calibrate"
)

// Residuals draws measured over predicted against the measured time, class by class:
// the median, and the band that nine of ten left-out rows lie in.
func Residuals(r *calibrate.Report) *Figure {
	by := map[calibrate.Class][]calibrate.Point{}
	var order []calibrate.Class
	for _, p := range r.Points {
		if by[p.Class] == nil {
			order = append(order, p.Class)
		}
		by[p.Class] = append(by[p.Class], p)
	}
	var panels []*Axes
	for _, c := range order {
		a := &Axes{XLabel: c.String() + ": measured (µs)", YLabel: "measured / predicted", X: Log10, Y: Linear, Indexed: true,
			Levels: []Level{{"", 1}}}
		pts := by[c]
		sort.Slice(pts, func(i, j int) bool { return pts[i].Measured < pts[j].Measured })
		n := max(1, min(24, len(pts)/20))
		lines := []Series{{Name: "median", Index: 0}, {Name: "5 of 100 below", Index: 1}, {Name: "5 of 100 above", Index: 2}}
		for b := range n {
			part := pts[b*len(pts)/n : (b+1)*len(pts)/n]
			ratios := make([]float64, len(part))
			x := 0.0
			for i, p := range part {
				ratios[i] = p.Measured / p.Predicted
				x += math.Log(p.Measured*1e6) / float64(len(part))
			}
			sort.Float64s(ratios)
			for i, q := range []float64{0.5, 0.05, 0.95} {
				lines[i].X = append(lines[i].X, math.Exp(x))
				lines[i].Y = append(lines[i].Y, ratios[int(q*float64(len(ratios)-1)+0.5)])
			}
		}
		a.Series = lines
		panels = append(panels, a)
	}
	f := Lines("Left-out timings on "+r.Hardware, fmt.Sprintf("%d rows, none used for its own prediction", len(r.Points)), "Measured over predicted time by class and size.", panels...)
	return f
}
