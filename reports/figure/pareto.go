package figure

import (
	"slices"

	"ridgeline/sweep"
)

// scaleFor picks a log scale for positive figures that span more than a factor of thirty.
func scaleFor(v []float64) Scale {
	low, high := 0.0, 0.0
	for _, x := range v {
		if x <= 0 {
			return Linear
		}
		if low == 0 || x < low {
			low = x
		}
		high = max(high, x)
	}
	if high > 30*low {
		return Log10
	}
	return Linear
}

// front joins the rows of a sweep's file that no other row beats in both figures.
func front(path, x, y string) (Series, error) {
	s := Series{Name: "Pareto front"}
	obj, err := sweep.ParseObjectives(x + "," + y)
	if err != nil {
		return s, err
	}
	rows, err := sweep.Pareto(path, obj)
	if err != nil {
		return s, err
	}
	type point struct{ x, y float64 }
	var ps []point
	for _, r := range rows {
		vx, vy, err := xy(r, x, y)
		if err != nil {
			return s, err
		}
		ps = append(ps, point{vx, vy})
	}
	slices.SortFunc(ps, func(a, b point) int {
		if a.x < b.x || a.x == b.x && a.y < b.y {
			return -1
		}
		return 1
	})
	for _, p := range ps {
		s.X, s.Y = append(s.X, p.x), append(s.Y, p.y)
	}
	return s, nil
}
