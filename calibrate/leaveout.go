package calibrate

import (
	"context"
	"fmt"
	"sort"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
)

// Holdout is what is left out of a fit to see how it predicts what it never saw.
type Holdout uint8

// What may be left out.
const (
	Cells    Holdout = iota // a fifth of the rows, at random
	Heads                   // all rows of one number of heads (channels for recurrent kernels)
	HeadDims                // all rows of one head dimension
	Matrices                // all rows of one (n, k), ten groups of them at a time
	Contexts                // all rows of one context or prompt length
)

var holdoutNames = []string{"cells", kerneltime.ByHeads, kerneltime.ByHeadDim, kerneltime.ByMatrix, kerneltime.ByContexts}

// Holdouts lists what may be left out.
func Holdouts() []Holdout { return []Holdout{Cells, Heads, HeadDims, Matrices, Contexts} }

// String returns what is left out.
func (h Holdout) String() string {
	if int(h) < len(holdoutNames) {
		return holdoutNames[h]
	}
	return "unknown"
}

// key returns the group of a row; rows of one group are left out together. ok is false
// where the holdout makes no sense for the class.
func (h Holdout) key(c kerneltime.Class, i int, r *Row) (key float64, ok bool) {
	if h == Cells {
		return float64(fold(i, 5)), true
	}
	return c.Facts().Group(h.String(), r.Shape)
}

// LeaveOut fits a table again and again, each time without one group of rows, physics
// and intervals included, and returns the errors and the coverage of the intervals on
// the rows that were out. ok is false where the class has no such groups, or one only.
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
		o.Folds = 2 // of the rows that are in, for the intervals
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
