package calibrate

import (
	"math"
	"sort"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// left is a row that was left out: the predicted time, and log(measured/predicted).
type left struct {
	seconds, log float64
	row          int
}

// measureSpread finds the percentiles of errors of left-out rows. A bin is taken with its
// neighbours until there are enough rows. Bounds are stored as factors.
func measureSpread(rows []left) kerneltime.Spread {
	if len(rows) == 0 {
		return kerneltime.Spread{}
	}
	sorted := append([]left(nil), rows...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].seconds < sorted[j].seconds })
	s := kerneltime.Spread{Low: make([]float64, kerneltime.Bins), High: make([]float64, kerneltime.Bins)}
	for i := range kerneltime.Bins {
		lo := sort.Search(len(sorted), func(j int) bool { return sorted[j].seconds*1e6 >= math.Exp2(float64(i)) })
		hi := sort.Search(len(sorted), func(j int) bool { return sorted[j].seconds*1e6 >= math.Exp2(float64(i+1)) })
		if i == 0 {
			lo = 0
		}
		if i == kerneltime.Bins-1 {
			hi = len(sorted)
		}
		if want := min(120, len(sorted)); hi-lo < want {
			lo = max(0, lo-(want-(hi-lo))/2)
			hi = min(len(sorted), lo+want)
			lo = max(0, hi-want)
		}
		logs := make([]float64, 0, hi-lo)
		for _, r := range sorted[lo:hi] {
			logs = append(logs, r.log)
		}
		sort.Float64s(logs)
		s.Low[i] = round(math.Exp(min(quantile(logs, 0.05), 0)))
		s.High[i] = round(math.Exp(max(quantile(logs, 0.95), 0)))
	}
	return s
}

// quantile interpolates in a sorted list.
func quantile(sorted []float64, q float64) float64 {
	x := q * float64(len(sorted)-1)
	i := int(x)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (x-float64(i))*(sorted[i+1]-sorted[i])
}

// round shortens bounds to four decimals for files.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }
