package calibrate

import (
	"math"
	"sort"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// Report says how good a fit is. All errors are of rows that were left out of it.
type Report struct {
	Hardware string
	Tables   []TableError
	Sizes    []SizeError
	Worst    []Cell  // for each table, the worst first
	Points   []Point // every left-out row, for plots of residuals
}

// SizeError is the error of the rows of one class that took about the same time.
type SizeError struct {
	Class        string
	From, To     float64 // measured seconds, from From up to but not including To
	Rows         int
	MAPE, P90APE float64
	Bias         float64 // mean of log(measured/predicted)
}

// Cell is one row with a large error.
type Cell struct {
	File                string
	Line                int
	Shape               string
	Measured, Predicted float64 // seconds
}

// Point is one row that was left out.
type Point struct {
	Class               kerneltime.Class
	Measured, Predicted float64 // seconds
}

// worst is how many cells a report lists for each table.
const worst = 10

func (r *Report) add(t *Table, errs []left, te TableError) {
	r.Tables = append(r.Tables, te)
	decades := map[int][]left{}
	for _, e := range errs {
		s := t.Rows[e.row].Seconds
		r.Points = append(r.Points, Point{t.Class, s, e.seconds})
		// There are two bins for each factor of ten: 1–3.16 µs, 3.16–10 µs, ….
		d := int(math.Floor(2 * math.Log10(s*1e6)))
		decades[d] = append(decades[d], e)
	}
	var keys []int
	for d := range decades {
		keys = append(keys, d)
	}
	sort.Ints(keys)
	for _, d := range keys {
		in := decades[d]
		apes := make([]float64, len(in))
		bias := 0.0
		for i, e := range in {
			apes[i] = e.ape()
			bias += e.log / float64(len(in))
		}
		sort.Float64s(apes)
		r.Sizes = append(r.Sizes, SizeError{
			Class: t.Class.String(), From: 1e-6 * math.Pow(10, float64(d)/2), To: 1e-6 * math.Pow(10, float64(d+1)/2),
			Rows: len(in), MAPE: mean(apes), P90APE: quantile(apes, 0.9), Bias: bias,
		})
	}
	sorted := append([]left(nil), errs...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].ape() > sorted[j].ape() })
	listed := map[int]bool{} // a row may have been left out twice
	for _, e := range sorted {
		if listed[e.row] {
			continue
		}
		if len(listed) == worst {
			break
		}
		listed[e.row] = true
		row := &t.Rows[e.row]
		r.Worst = append(r.Worst, Cell{t.File, row.Line, t.Class.Facts().Describe(row.Shape), row.Seconds, e.seconds})
	}
}
