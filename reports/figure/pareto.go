package figure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ridgeline/sweep"
)

// MaxGroups bounds the series of a scatter, maxPoints what it draws: a million dots are
// a blot.
const (
	MaxGroups = 8
	maxPoints = 20000
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

// SweepPlot draws figures of a sweep's file against each other: a line or cloud for each
// value of the column by ("" is one for all). pareto draws all rows as points and joins
// those no other beats.
func SweepPlot(path, x, y, by string, pareto bool) (*Figure, error) {
	groups := map[string]*Series{}
	var order []*Series
	n, skipped := 0, 0
	err := sweep.Read(path, func(r sweep.Row) error {
		for _, c := range []string{x, y, by} {
			if c != "" && !slices.Contains(r.Columns, c) {
				return fmt.Errorf("%s has no column %q (has %s)", path, c, strings.Join(r.Columns, ", "))
			}
		}
		if n++; r.Get("status") != "ok" || n > maxPoints {
			skipped++
			return nil
		}
		vx, errx := strconv.ParseFloat(r.Get(x), 64)
		vy, erry := strconv.ParseFloat(r.Get(y), 64)
		if errx != nil || erry != nil {
			return fmt.Errorf("%s: columns %s and %s must hold numbers", path, x, y)
		}
		k := ""
		if by != "" {
			k = by + " " + r.Get(by)
		}
		s := groups[k]
		if s == nil {
			if len(order) == MaxGroups {
				return fmt.Errorf("%s has more than %d values in %s: a figure tells no more apart", path, MaxGroups, by)
			}
			s = &Series{Name: k, Points: pareto || by == "", Index: len(order)}
			groups[k] = s
			order = append(order, s)
		}
		s.X, s.Y = append(s.X, vx), append(s.Y, vy)
		return nil
	})
	if err != nil {
		return nil, err
	}
	a := &Axes{XLabel: strings.ReplaceAll(x, "_", " "), YLabel: strings.ReplaceAll(y, "_", " ")}
	var xs, ys []float64
	for _, s := range order {
		a.Series = append(a.Series, *s)
		xs, ys = append(xs, s.X...), append(ys, s.Y...)
	}
	if len(xs) == 0 {
		return nil, fmt.Errorf("%s has no row that fits its device: nothing to draw", path)
	}
	a.X, a.Y = scaleFor(xs), scaleFor(ys)
	if pareto {
		obj, err := sweep.ParseObjectives(x + "," + y)
		if err != nil {
			return nil, err
		}
		rows, err := sweep.Pareto(path, obj)
		if err != nil {
			return nil, err
		}
		front := Series{Name: "Pareto front", Bare: true, Index: len(order)}
		type point struct{ x, y float64 }
		var ps []point
		for _, r := range rows {
			vx, _ := strconv.ParseFloat(r.Get(x), 64)
			vy, _ := strconv.ParseFloat(r.Get(y), 64)
			ps = append(ps, point{vx, vy})
		}
		slices.SortFunc(ps, func(a, b point) int {
			if a.x < b.x || a.x == b.x && a.y < b.y {
				return -1
			}
			return 1
		})
		for _, p := range ps {
			front.X, front.Y = append(front.X, p.x), append(front.Y, p.y)
		}
		a.Series = append(a.Series, front)
	} else {
		for i := range a.Series {
			sortByX(&a.Series[i])
			a.Series[i].Points = a.Series[i].Points || repeats(a.Series[i].X)
		}
	}
	sub := fmt.Sprintf("%d rows of a sweep", n)
	if skipped > 0 {
		sub += fmt.Sprintf(", %d left out (invalid, not fitting, or past the first %d)", skipped, maxPoints)
	}
	return Lines(strings.ReplaceAll(y+" against "+x, "_", " "), sub, "Rows of a sweep, "+y+" over "+x, a), nil
}

// repeats reports whether sorted figures hold one twice: rows that differ in something
// the figure does not show, which no line may join.
func repeats(x []float64) bool {
	for i := 1; i < len(x); i++ {
		if x[i] == x[i-1] {
			return true
		}
	}
	return false
}

func sortByX(s *Series) {
	idx := make([]int, len(s.X))
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int {
		switch {
		case s.X[a] < s.X[b]:
			return -1
		case s.X[a] > s.X[b]:
			return 1
		}
		return 0
	})
	x, y := make([]float64, len(idx)), make([]float64, len(idx))
	for i, j := range idx {
		x[i], y[i] = s.X[j], s.Y[j]
	}
	s.X, s.Y = x, y
}
