// Package calibrate fits how long GPU kernels really take: for each class of operation
// a physical model with few parameters (launch floor, bandwidth, arithmetic with tile
// and wave quantisation, split keys, cache-resident working sets), a correction smoothed
// on a coarse logarithmic grid from what that leaves unexplained, and the interval that
// nine of ten left-out measurements fall in.
//
// Units: seconds, bytes, FLOPs (a multiply-add is 2). Measurements are CSV files, one
// per class and GPU, as ReadDir describes. The embedded profiles were fitted to kernel
// timings of NVIDIA's AIConfigurator project (github.com/ai-dynamo/aiconfigurator,
// Apache-2.0); each says which commit and engine. Mamba-1's selective scan, the GMU and
// cross-attention decode have no public measurement behind them.
package calibrate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"ridgeline/hardware"
)

// Fit fits a profile of hw to the tables of its name; other hardware's are passed over.
// A class without a table stays unfitted.
func Fit(ctx context.Context, tables []Table, hw *hardware.Profile, o Options) (*Profile, *Report, error) {
	p := newProfile(hw.Name, newDevice(hw))
	if err := p.device.check(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", hw.Name, err)
	}
	byClass := map[Class][]Table{}
	total := 0
	for _, t := range tables {
		if t.Hardware == hw.Name {
			c := t.Class
			if c == ClassMamba2 {
				c = ClassDeltaNet // one model serves all recurrent kernels
			}
			byClass[c] = append(byClass[c], t)
			total++
		}
	}
	if total == 0 {
		return nil, nil, fmt.Errorf("no table of %s among %d", hw.Name, len(tables))
	}
	r := &Report{Hardware: hw.Name}
	o.done, o.total = 0, len(byClass)*o.parts()
	for c := range classes {
		group := byClass[c]
		if len(group) == 0 {
			continue
		}
		var rows []Row
		for _, t := range group {
			rows = append(rows, t.Rows...)
		}
		var errs []left
		var err error
		switch c {
		case ClassGEMM:
			for i := range rows {
				s, m := &rows[i].GEMM, p.gemm.get()
				m.Measured[s.format()] = true
				m.Ragged = m.Ragged || s.M > 8 && s.M != 8*math.Floor(s.M/8)
			}
			errs, err = fitClass(ctx, p.gemm.get(), &p.device, rows, &o)
		case ClassDecode:
			for i := range rows {
				p.decode.get().Measured[formatOf(rows[i].Decode.KVDType)] = true
			}
			p.decode.get().HeadDims = distinct(rows, func(r *Row) float64 { return r.Decode.HeadDim })
			errs, err = fitClass(ctx, p.decode.get(), &p.device, rows, &o)
		case ClassPrefill:
			p.prefill.get().HeadDims = distinct(rows, func(r *Row) float64 { return r.Prefill.HeadDim })
			errs, err = fitClass(ctx, p.prefill.get(), &p.device, rows, &o)
		case ClassDeltaNet:
			errs, err = fitClass(ctx, p.recurrent.get(), &p.device, rows, &o)
		case ClassAllReduce:
			errs, err = fitClass(ctx, p.allReduce.get(), &p.device, rows, &o)
		}
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
			p.basis[t.Class] = Basis{Kind: Fitted}
			te := tableError(&t, own, 0, p.basis[t.Class].String())
			r.add(&t, own, te)
			p.from[t.Class] = Provenance{
				File: t.File, Source: o.Source, Commit: o.Commit, Engine: o.engine(t.Class), License: o.License,
				Rows: len(t.Rows), MAPE: significant(te.MAPE, 4), MedianAPE: significant(te.MedianAPE, 4),
				P90APE: significant(te.P90APE, 4), Folds: o.folds(),
			}
		}
	}
	return p, r, nil
}

// distinct returns the different values of the rows, ascending.
func distinct(rows []Row, of func(*Row) float64) []float64 {
	var out []float64
	for i := range rows {
		if v := of(&rows[i]); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}
