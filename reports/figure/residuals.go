package figure

import (
	"fmt"
	"math"
	"sort"

	"ridgeline/costmodel/calibrate"
)

// Residuals draws how far left-out timings are from their predictions, class by class
// against the time measured: the mean absolute error, and the median of measured over
// predicted.
func Residuals(r *calibrate.Report) *Figure {
	by := map[calibrate.Class][]calibrate.Point{}
	var order []calibrate.Class
	for _, p := range r.Points {
		if by[p.Class] == nil {
			order = append(order, p.Class)
		}
		by[p.Class] = append(by[p.Class], p)
	}
	size := &Axes{Heading: "Mean |predicted − measured| / measured", XLabel: "measured time (s)", YLabel: "error (%)", X: Log10, Y: Linear, FromZero: true}
	bias := &Axes{Heading: "Bias: above 1 is slower than predicted", XLabel: "measured time (s)", YLabel: "median measured / predicted", X: Log10, Y: Linear}
	for _, c := range order {
		pts := by[c]
		sort.Slice(pts, func(i, j int) bool { return pts[i].Measured < pts[j].Measured })
		n := max(1, min(16, len(pts)/20))
		e, m := Series{Name: c.String()}, Series{Name: c.String()}
		for b := range n {
			part := pts[b*len(pts)/n : (b+1)*len(pts)/n]
			ratios := make([]float64, len(part))
			x, sum := 0.0, 0.0
			for i, p := range part {
				ratios[i] = p.Measured / p.Predicted
				x += math.Log(p.Measured) / float64(len(part))
				sum += 100 * math.Abs(p.Predicted/p.Measured-1) / float64(len(part))
			}
			sort.Float64s(ratios)
			e.X, e.Y = append(e.X, math.Exp(x)), append(e.Y, sum)
			m.X, m.Y = append(m.X, math.Exp(x)), append(m.Y, ratios[len(ratios)/2])
		}
		size.Series, bias.Series = append(size.Series, e), append(bias.Series, m)
	}
	f := Lines("Left-out timings on "+r.Hardware, fmt.Sprintf("%d timings, none used for its own prediction", len(r.Points)), "Mean error and bias of predicted times, by class and size.", size, bias)
	return f
}
