package calibrate

import (
	"context"
	"math"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// More work should not take less time. Timings say otherwise here and there (a library
// picks another kernel, a cell was timed on a busy day), and corrections smoothed from
// few rows wander. So a fit is asked about pairs of shapes, one with twice the work of
// the other in one respect, and where the larger comes out faster both are pulled to the
// time between, as if they had been measured there; the corrections are then smoothed
// anew. A few rounds leave only what many rows insist on.

// dip is how much less, in the logarithm, the larger shape may take.
const dip = 0.005

// straighten invents rows at the shapes of a lattice where the fitted model has more
// work take less time, and smooths the corrections with them.
func straighten(ctx context.Context, m kerneltime.Fitting, rows []Row, rounds int) error {
	rows = rows[:len(rows):len(rows)]
	before := math.MaxInt
	invent := func(shape any, log float64) { rows = append(rows, Row{Shape: shape, Seconds: math.Exp(log)}) }
	for range rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		found := 0
		m.Lattice(func(small, large any) {
			a, b := kerneltime.LogTime(m, small), kerneltime.LogTime(m, large)
			if b < a-dip {
				found++
				invent(small, (a+b)/2-dip)
				invent(large, (a+b)/2+dip)
			}
		})
		if found == 0 || float64(found) > 0.97*float64(before) {
			break // nothing left, or what is left is the physics': tiles, waves, splits
		}
		before = found
		smoothAll(m, rows)
	}
	return nil
}
