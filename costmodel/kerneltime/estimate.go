package kerneltime

import "math"

// Estimate is a predicted time and its 90 % interval, in seconds.
type Estimate struct{ Seconds, Low, High float64 }

// Times returns the estimate of n such operations in a row: their errors are the same
// error.
func (e Estimate) Times(n float64) Estimate {
	return Estimate{e.Seconds * n, e.Low * n, e.High * n}
}

// Sum composes estimates of operations that run one after the other. Errors of one
// engine on one GPU lean the same way more often than not, so half of each variance is
// taken as common to all operations (it adds up) and half as its own (it averages out):
//
//	width² = ½ (Σ wᵢ)² + ½ Σ wᵢ²
//
// on either side, w being the distance from the estimate to its bound.
type Sum struct {
	seconds               float64
	low, high             float64 // Σ w
	lowSquare, highSquare float64 // Σ w²
}

// Add appends one operation, or a row of like operations as Times returns it.
func (s *Sum) Add(e Estimate) {
	s.seconds += e.Seconds
	l, h := e.Seconds-e.Low, e.High-e.Seconds
	s.low += l
	s.high += h
	s.lowSquare += l * l
	s.highSquare += h * h
}

// AddExact appends a time known without error.
func (s *Sum) AddExact(seconds float64) { s.seconds += seconds }

// Estimate returns the composed time and interval.
func (s *Sum) Estimate() Estimate {
	return Estimate{
		Seconds: s.seconds,
		Low:     max(0, s.seconds-math.Sqrt((s.low*s.low+s.lowSquare)/2)),
		High:    s.seconds + math.Sqrt((s.high*s.high+s.highSquare)/2),
	}
}

// AtLeast raises an estimate to a time that it cannot be below.
func (e Estimate) AtLeast(seconds float64) Estimate {
	if e.Seconds >= seconds {
		return e
	}
	return Estimate{seconds, max(e.Low, seconds), max(e.High, seconds*e.High/e.Seconds)}
}
