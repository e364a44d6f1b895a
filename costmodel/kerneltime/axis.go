package kerneltime

import "math"

// log2 is a cheap stand-in for the binary logarithm: exact at powers of two and
// linear in between,
//
//	log2(2^e · (1+f)) ≈ e + f,  0 ≤ f < 1
//
// Strictly increasing and continuous, so it serves as a table's coordinate: 3·2^i
// falls exactly half way between two octaves. x must be positive and normal.
func log2(x float64) float64 {
	b := math.Float64bits(x)
	e := int(b>>52) - 1023
	f := math.Float64frombits(b&(1<<52-1) | 1023<<52)
	return float64(e) + f - 1
}

// axis is one logarithmic axis of a table. It has N nodes, PerOctave of them for each doubling,
// and the first is at 2^Lo.
type axis struct {
	Lo        float64 `yaml:"lo"`
	PerOctave float64 `yaml:"per_octave"`
	N         int     `yaml:"n"`
}

// locate returns the last node at or below x, and how far x is from there to the next, from 0 to
// 1. Beyond the ends it returns the node at the end.
func (a *axis) locate(x float64) (int, float64) {
	if a.N < 2 {
		return 0, 0
	}
	c := (log2(x) - a.Lo) * a.PerOctave
	if !(c > 0) { // true for NaN as well
		return 0, 0
	}
	if c >= float64(a.N-1) {
		return a.N - 1, 0
	}
	i := int(c)
	return i, c - float64(i)
}
