package calibrate

import (
	"math"
	"sort"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// TableError says how far predictions are from one table. An error is the absolute error divided
// by the measured time, |predicted − measured| / measured, as a fraction.
type TableError struct {
	File       string  `json:"file"`
	Hardware   string  `json:"hardware"`
	Class      string  `json:"class"`
	Rows       int     `json:"rows"`
	MAPE       float64 `json:"mape"`
	MedianAPE  float64 `json:"median_ape"`
	P90APE     float64 `json:"p90_ape"`
	MAPEOver20 float64 `json:"mape_over_20us"` // error of the rows that took more than 20 µs; 0 where none did
	Coverage   float64 `json:"coverage"`       // share of rows inside the 90 % interval
	Roofline   float64 `json:"roofline_mape"`  // the same error for the roofline, max(FLOPs/peak, bytes/bandwidth)
	Basis      string  `json:"basis"`
}

// over20 is the time, in seconds, above which launching a kernel is not most of its time.
const over20 = 20e-6

// Check compares a profile with the tables of its device and passes over other tables.
func Check(p *kerneltime.Profile, tables []Table) []TableError {
	var out []TableError
	for i := range tables {
		t := &tables[i]
		if t.Hardware != p.Hardware() {
			continue
		}
		all := make([]int, len(t.Rows))
		for j := range all {
			all[j] = j
		}
		errs, inside := score(p, t, all)
		te := tableError(t, errs, inside, p.Basis(t.Class).String())
		te.Roofline = rooflineError(p, t)
		out = append(out, te)
	}
	return out
}

// score predicts rows of a table. It returns their errors, and how many of them are inside their
// interval.
func score(p *kerneltime.Profile, t *Table, rows []int) (errs []left, inside int) {
	for _, i := range rows {
		r := &t.Rows[i]
		e := t.Class.Facts().Predict(p, r.Shape)
		errs = append(errs, newLeft(r, e.Seconds, i))
		if r.Seconds >= e.Low && r.Seconds <= e.High {
			inside++
		}
	}
	return errs, inside
}

// rooflineError returns the mean absolute percentage error of the roofline, as a fraction.
func rooflineError(p *kerneltime.Profile, t *Table) float64 {
	sum := 0.0
	for i := range t.Rows {
		r := &t.Rows[i]
		sum += math.Abs(t.Class.Facts().Roofline(p, r.Shape)/r.Seconds - 1)
	}
	return sum / float64(len(t.Rows))
}

// tableError sums up the errors of rows of a table, of which inside many are in their interval.
func tableError(t *Table, errs []left, inside int, basis string) TableError {
	te := TableError{File: t.File, Hardware: t.Hardware, Class: t.Class.String(), Rows: len(t.Rows), Basis: basis}
	if len(errs) == 0 {
		return te
	}
	te.Coverage = float64(inside) / float64(len(errs))
	apes := make([]float64, len(errs))
	long, n := 0.0, 0
	for i, e := range errs {
		apes[i] = e.ape()
		if t.Rows[e.row].Seconds > over20 {
			long += apes[i]
			n++
		}
	}
	if n > 0 {
		te.MAPEOver20 = long / float64(n)
	}
	te.sum(apes)
	return te
}

// sum fills in the mean and the percentiles of errors. It sorts the errors.
func (te *TableError) sum(apes []float64) {
	te.MAPE = mean(apes)
	sort.Float64s(apes)
	te.MedianAPE, te.P90APE = quantile(apes, 0.5), quantile(apes, 0.9)
}

// ape returns |predicted − measured| / measured.
func (e left) ape() float64 { return math.Abs(math.Expm1(-e.log)) }

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func newLeft(r *Row, predicted float64, i int) left {
	return left{predicted, math.Log(r.Seconds / predicted), i}
}
