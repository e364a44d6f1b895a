package calibrate

import (
	"context"
	"fmt"
	"sort"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
)

// Holdout says which rows are left out of a fit, to see how well the fit predicts rows like
// those.
type Holdout uint8

// The ways to leave rows out.
const (
	Cells    Holdout = iota // a fifth of the rows, at random
	Heads                   // all rows with one number of heads (for recurrent kernels, of channels)
	HeadDims                // all rows with one head dimension
	Matrices                // all rows with one (n, k), ten such groups at a time
	Contexts                // all rows with one context or prompt length
)

var holdoutNames = []string{"cells", kerneltime.ByHeads, kerneltime.ByHeadDim, kerneltime.ByMatrix, kerneltime.ByContexts}

// Holdouts lists the ways to leave rows out.
func Holdouts() []Holdout { return []Holdout{Cells, Heads, HeadDims, Matrices, Contexts} }

// String returns the name of what is left out.
func (h Holdout) String() string {
	if int(h) < len(holdoutNames) {
		return holdoutNames[h]
	}
	return "unknown"
}

// key returns the group of a row; rows of one group are left out together. ok is false where the
// holdout has no meaning for the class.
func (h Holdout) key(c kerneltime.Class, i int, r *Row) (key float64, ok bool) {
	if h == Cells {
		return float64(fold(i, 5)), true
	}
	return c.Facts().Group(h.String(), r.Shape)
}

// LeaveOut fits a table once for each group, without the group's rows. Physics and intervals are
// fitted again too. It returns the errors of the rows that were left out and how many were inside
// their intervals. ok is false where the class has no such groups, or only one.
func LeaveOut(ctx context.Context, t *Table, hw *hardware.Profile, h Holdout, o Options) (te TableError, ok bool, err error) {
	groups := map[float64][]int{}
	for i := range t.Rows {
		k, ok := h.key(t.Class, i, &t.Rows[i])
		if !ok {
			return TableError{}, false, nil
		}
		groups[k] = append(groups[k], i)
	}
	if len(groups) < 2 {
		return TableError{}, false, nil
	}
	keys := make([]float64, 0, len(groups))
	for k := range groups {
		keys = append(keys, k)
	}
	sort.Float64s(keys)
	var errs []left
	inside := 0
	progress := o.Progress
	o.Progress = nil
	if o.Folds == 0 {
		o.Folds = 2 // two folds of the remaining rows are enough for the intervals
	}
	for n, k := range keys {
		if progress != nil {
			progress(n, len(keys), fmt.Sprintf("%s without %v %g", t.File, h, k))
		}
		out := map[int]bool{}
		for _, i := range groups[k] {
			out[i] = true
		}
		train := *t
		train.Rows = nil
		for i := range t.Rows {
			if !out[i] {
				train.Rows = append(train.Rows, t.Rows[i])
			}
		}
		p, _, err := Fit(ctx, []Table{train}, hw, o)
		if err != nil {
			return TableError{}, false, err
		}
		found, in := score(p, t, groups[k])
		errs, inside = append(errs, found...), inside+in
	}
	return tableError(t, errs, inside, "without their "+h.String()), true, nil
}
