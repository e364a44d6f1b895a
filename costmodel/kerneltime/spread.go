package kerneltime

import (
	"math"
	"slices"
)

// Spread is how far measurements lie from predictions, as the 5th and 95th percentile
// of log(measured/predicted) on left-out rows, by predicted time: bin i holds times in
// [2^i, 2^(i+1)) microseconds, the last one everything above.
type Spread struct {
	Low  []float64 `yaml:"low,flow"`
	High []float64 `yaml:"high,flow"`
}

// Bins is the number of bins of predicted time: from 1 µs to 8 ms.
const Bins = 14

// Bounds returns the 90 % interval of a predicted time.
func (s *Spread) Bounds(seconds float64) (low, high float64) {
	if len(s.Low) == 0 {
		return seconds * 0.5, seconds * 2
	}
	i := min(max(int(log2(max(seconds, 1e-9)*1e6)), 0), len(s.Low)-1)
	return seconds * s.Low[i], seconds * s.High[i]
}

// widen adds a further uncertainty of the logarithm that is independent of the others.
func (s *Spread) widen(by float64) Spread {
	if by == 0 {
		return *s
	}
	w := Spread{Low: make([]float64, len(s.Low)), High: make([]float64, len(s.High))}
	for i := range s.Low {
		w.Low[i] = round(math.Exp(-math.Hypot(math.Log(s.Low[i]), by)))
		w.High[i] = round(math.Exp(math.Hypot(math.Log(s.High[i]), by)))
	}
	return w
}

// unseen is by how much the interval of attention is widened, in the logarithm of the time, for a
// head dimension that was not in the fit. It was found by fitting again without each dimension in
// turn.
const unseen = 0.25

// unmeasured is by how much the interval is widened, in the logarithm of the time, for a number
// format that was not timed on the GPU, for which the curve of the other format is used. The
// value is a guess.
const unmeasured = 0.4

// widen adds a further uncertainty of the logarithm that is independent of the others.
func (e Estimate) widen(by float64) Estimate {
	e.Low = e.Seconds * math.Exp(-math.Hypot(math.Log(e.Seconds/e.Low), by))
	e.High = e.Seconds * math.Exp(math.Hypot(math.Log(e.High/e.Seconds), by))
	return e
}

// among widens the interval of a head dimension that was not in the fit, or of a format that was
// not timed.
func (e Estimate) among(dims []float64, dim float64, measured bool) Estimate {
	if len(dims) > 0 && !slices.Contains(dims, dim) {
		e = e.widen(unseen)
	}
	if !measured {
		e = e.widen(unmeasured)
	}
	return e
}

// round shortens bounds to four decimals for files.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }
