package kerneltime

import "math"

// Estimate is a predicted time and its 90 % interval, in seconds.
type Estimate struct{ Seconds, Low, High float64 }

// Times returns the estimate of n such operations in a row, which all have the same error.
func (e Estimate) Times(n float64) Estimate {
	return Estimate{e.Seconds * n, e.Low * n, e.High * n}
}

// Sum adds up estimates of operations that run one after the other. The errors of one engine on
// one GPU are often all in the same direction. Therefore half of each variance is taken to be
// common to all operations, where errors add up, and half to be independent, where they average
// out:
//
//	width² = ½ (Σ wᵢ)² + ½ Σ wᵢ²
//
// on each side, where w is the distance from an estimate to its bound.
type Sum struct {
	seconds               float64
	low, high             float64 // Σ w
	lowSquare, highSquare float64 // Σ w²
}

// Add adds one operation, or a row of equal operations that Times returned.
func (s *Sum) Add(e Estimate) {
	s.seconds += e.Seconds
	l, h := e.Seconds-e.Low, e.High-e.Seconds
	s.low += l
	s.high += h
	s.lowSquare += l * l
	s.highSquare += h * h
}

// AddExact adds a time that has no error.
func (s *Sum) AddExact(seconds float64) { s.seconds += seconds }

// Estimate returns the sum with its interval.
func (s *Sum) Estimate() Estimate {
	return Estimate{
		Seconds: s.seconds,
		Low:     max(0, s.seconds-math.Sqrt((s.low*s.low+s.lowSquare)/2)),
		High:    s.seconds + math.Sqrt((s.high*s.high+s.highSquare)/2),
	}
}

// AtLeast raises an estimate to a time below which it cannot be.
func (e Estimate) AtLeast(seconds float64) Estimate {
	if e.Seconds >= seconds {
		return e
	}
	return Estimate{seconds, max(e.Low, seconds), max(e.High, seconds*e.High/e.Seconds)}
}
