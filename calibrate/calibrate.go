// Package calibrate fits the models of package kerneltime to timings of GPU kernels that people
// bring, and says how far the fitted models are off. For each class of operation, a fit consists
// of the physics, a correction that is smoothed on a coarse logarithmic grid from what the
// physics leaves unexplained, and the interval that holds nine of ten measurements left out of
// the fit.
//
// Units: seconds, bytes, FLOPs (a multiply-add counts as 2). Measurements are CSV files, one for
// each class and GPU, as ReadDir describes.
package calibrate

import (
	"context"
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
)

// Fit fits a profile of hw to the tables with its name and passes over tables of other devices. A
// class without a table gets no fit.
func Fit(ctx context.Context, tables []Table, hw *hardware.Profile, o Options) (*kerneltime.Profile, *Report, error) {
	p := o.Onto
	if p == nil {
		var err error
		if p, err = kerneltime.New(hw); err != nil {
			return nil, nil, err
		}
	} else if p.Hardware() != hw.Name {
		return nil, nil, fmt.Errorf("the profile to keep is of %s, not of %s", p.Hardware(), hw.Name)
	}
	byClass := map[kerneltime.Class][]Table{}
	total := 0
	for _, t := range tables {
		if t.Hardware == hw.Name && (len(o.Classes) == 0 || slices.Contains(o.Classes, t.Class)) {
			byClass[t.Class] = append(byClass[t.Class], t)
			total++
		}
	}
	if total == 0 {
		return nil, nil, fmt.Errorf("no table of %s among %d", hw.Name, len(tables))
	}
	r := &Report{Hardware: hw.Name}
	o.done, o.total = 0, len(byClass)*o.parts()
	for _, c := range kerneltime.Classes() {
		group := byClass[c]
		if len(group) == 0 {
			continue
		}
		var rows []Row
		for _, t := range group {
			rows = append(rows, t.Rows...)
		}
		p.Unfit(c)
		for i := range rows {
			c.Facts().Note(p, rows[i].Shape)
		}
		errs, err := fitClass(ctx, c, c.Facts().Fitting(p), rows, &o)
		if err != nil {
			return nil, nil, err
		}
		first := 0
		for _, t := range group {
			own := make([]left, 0, len(t.Rows))
			for _, e := range errs {
				if e.row >= first && e.row < first+len(t.Rows) {
					e.row -= first
					own = append(own, e)
				}
			}
			first += len(t.Rows)
			te := tableError(&t, own, 0, kerneltime.Basis{Kind: kerneltime.Fitted}.String())
			r.add(&t, own, te)
			p.SetFitted(t.Class, kerneltime.Provenance{
				File: t.File, Source: o.Source, Commit: o.Commit, Engine: o.engine(t.Class), License: o.License,
				Rows: len(t.Rows), MAPE: Significant(te.MAPE, 4), MedianAPE: Significant(te.MedianAPE, 4),
				P90APE: Significant(te.P90APE, 4), Folds: o.folds(),
			})
		}
	}
	return p, r, nil
}
