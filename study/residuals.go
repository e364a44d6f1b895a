package study

import (
	"fmt"
	"math"
	"sort"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// Residuals measures how far predictions are from timings that were left out of the fit, for each
// class of kernel against the measured time: the mean absolute error, and the median of measured
// over predicted time.
func Residuals(r *calibrate.Report) *Chart {
	by := map[kerneltime.Class][]calibrate.Point{}
	var order []kerneltime.Class
	for _, p := range r.Points {
		if by[p.Class] == nil {
			order = append(order, p.Class)
		}
		by[p.Class] = append(by[p.Class], p)
	}
	x := Axis{Label: "measured time", Unit: "s", Scale: Log10}
	size := Panel{Form: Curves, Heading: "mean error", X: x, Y: Axis{Label: "|predicted − measured| / measured", Unit: "%", Scale: Linear, FromZero: true}}
	bias := Panel{Form: Curves, Heading: "bias: above 1 is slower than predicted", X: x, Y: Axis{Label: "median of measured / predicted", Scale: Linear}}
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
			e.Points = append(e.Points, Point{X: math.Exp(x), Y: sum, Fits: true})
			m.Points = append(m.Points, Point{X: math.Exp(x), Y: ratios[len(ratios)/2], Fits: true})
		}
		size.Series, bias.Series = append(size.Series, e), append(bias.Series, m)
	}
	return &Chart{Kind: "residuals", Title: "Left-out timings on " + r.Hardware, Setting: []string{fmt.Sprintf("%d timings, none used for its own prediction", len(r.Points))},
		Alt: "Mean error and bias of predicted times, by class and size", Fidelity: "calibrated", Panels: []Panel{size, bias}}
}
