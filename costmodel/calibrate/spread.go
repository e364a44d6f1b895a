package calibrate

import (
	"math"
	"slices"
	"sort"
)

// spread is how far measurements lie from predictions, as the 5th and 95th percentile
// of log(measured/predicted) on left-out rows, by predicted time: bin i holds times in
// [2^i, 2^(i+1)) microseconds, the last one everything above.
type spread struct {
	Low  []float64 `yaml:"low,flow"`
	High []float64 `yaml:"high,flow"`
}

// bins of predicted time: 1 µs to 8 ms.
const bins = 14

// bounds returns the 90 % interval of a predicted time.
func (s *spread) bounds(seconds float64) (low, high float64) {
	if len(s.Low) == 0 {
		return seconds * 0.5, seconds * 2
	}
	i := min(max(int(log2(max(seconds, 1e-9)*1e6)), 0), len(s.Low)-1)
	return seconds * s.Low[i], seconds * s.High[i]
}

// left is a left-out row: what was predicted and log(measured/predicted).
type left struct {
	seconds, log float64
	row          int
}

// measureSpread takes the percentiles of left-out errors, each bin with its neighbours
// until it has enough of them. The stored bounds are factors.
func measureSpread(rows []left) spread {
	if len(rows) == 0 {
		return spread{}
	}
	sorted := append([]left(nil), rows...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].seconds < sorted[j].seconds })
	s := spread{Low: make([]float64, bins), High: make([]float64, bins)}
	for i := range bins {
		lo := sort.Search(len(sorted), func(j int) bool { return sorted[j].seconds*1e6 >= math.Exp2(float64(i)) })
		hi := sort.Search(len(sorted), func(j int) bool { return sorted[j].seconds*1e6 >= math.Exp2(float64(i+1)) })
		if i == 0 {
			lo = 0
		}
		if i == bins-1 {
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

// widen adds a further uncertainty, in the logarithm, that is independent of the bounds.
func (s *spread) widen(by float64) spread {
	if by == 0 {
		return *s
	}
	w := spread{Low: make([]float64, len(s.Low)), High: make([]float64, len(s.High))}
	for i := range s.Low {
		w.Low[i] = round(math.Exp(-math.Hypot(math.Log(s.Low[i]), by)))
		w.High[i] = round(math.Exp(math.Hypot(math.Log(s.High[i]), by)))
	}
	return w
}

// unseen is how much wider, in the logarithm, attention of a head dimension is that the
// fit never saw; from leaving each dimension out.
const unseen = 0.25

// unmeasured is how much wider an estimate is in a number format that the GPU's own
// timings do not have: its curve is that of the other format.
const unmeasured = 0.4

// widen adds an independent uncertainty, in the logarithm.
func (e Estimate) widen(by float64) Estimate {
	e.Low = e.Seconds * math.Exp(-math.Hypot(math.Log(e.Seconds/e.Low), by))
	e.High = e.Seconds * math.Exp(math.Hypot(math.Log(e.High/e.Seconds), by))
	return e
}

// among widens an estimate of a head dimension that was not fitted to, or of a format
// that was not measured.
func (e Estimate) among(dims []float64, dim float64, measured bool) Estimate {
	if len(dims) > 0 && !slices.Contains(dims, dim) {
		e = e.widen(unseen)
	}
	if !measured {
		e = e.widen(unmeasured)
	}
	return e
}

// quantile interpolates in a sorted slice.
func quantile(sorted []float64, q float64) float64 {
	x := q * float64(len(sorted)-1)
	i := int(x)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (x-float64(i))*(sorted[i+1]-sorted[i])
}

func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }
