package calibrate

import (
	"context"
	"math"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// More work should not take less time. Some timings contradict this, because a library changes to
// another kernel or because a machine was busy, and corrections that are smoothed from few rows
// can contradict it as well. Therefore pairs of shapes are compared, one with twice the work of
// the other in one respect. Where the larger one would be faster, both are given the time
// half-way between, as if they had been measured with it, and the corrections are smoothed again.
// After a few rounds, only what many rows agree on remains.

// dip is by how much less time, as a logarithm, the larger shape may take without being
// corrected.
const dip = 0.005

// straighten adds invented rows at shapes of a lattice where the fitted model takes less time for
// more work, and smooths the corrections again with those rows.
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
			break // nothing is left, or only what the physics itself has: tiles, waves, splits
		}
		before = found
		smoothAll(m, rows)
	}
	return nil
}
