package study

import (
	"slices"

	"github.com/OWNER/ridgeline/sweep"
)

// front joins the rows of a sweep's file for which no other row is better in both figures.
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
	for _, r := range rows {
		vx, vy, err := xy(r, x, y)
		if err != nil {
			return s, err
		}
		s.Points = append(s.Points, Point{X: vx, Y: vy, Fits: true})
	}
	slices.SortFunc(s.Points, func(a, b Point) int {
		if a.X < b.X || a.X == b.X && a.Y < b.Y {
			return -1
		}
		return 1
	})
	return s, nil
}
