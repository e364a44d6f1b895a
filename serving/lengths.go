package serving

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Lengths is a distribution of numbers of tokens.
type Lengths struct {
	Mean   float64
	Spread float64 // standard deviation divided by the mean
	Shape  Shape
	Of     []int // for Empirical: the lengths to draw from
}

// Shape is the form of a distribution.
type Shape uint8

// The forms that a distribution of lengths can have.
const (
	Fixed     Shape = iota
	Normal          // cut at 1 and 2·mean, which does not change the mean
	Lognormal       // with this mean and standard deviation, cut at 20 times the mean
	Empirical
)

var shapeNames = []string{"fixed", "normal", "lognormal", "empirical"}

func (s Shape) String() string { return shapeNames[s] }

// ParseSpread reads fixed, normal:SHARE or lognormal:SHARE.
func ParseSpread(s string) (Shape, float64, error) {
	name, share, has := strings.Cut(strings.ToLower(s), ":")
	for i, n := range shapeNames[:Empirical] {
		if n != name {
			continue
		}
		if Shape(i) == Fixed {
			if has {
				break
			}
			return Fixed, 0, nil
		}
		v, err := strconv.ParseFloat(share, 64)
		if err != nil || !(v >= 0 && v <= 3) {
			return 0, 0, fmt.Errorf("spread %q: want a standard deviation as a share of the mean, from 0 to 3, as in %s:0.3", s, name)
		}
		return Shape(i), v, nil
	}
	return 0, 0, fmt.Errorf("spread %q is not fixed, normal:SHARE or lognormal:SHARE", s)
}

// draw returns the length for a number drawn uniformly from (0, 1).
func (l *Lengths) draw(u float64) int {
	switch l.Shape {
	case Normal:
		return clip(l.Mean+l.Spread*l.Mean*normal(u), 2*l.Mean)
	case Lognormal:
		v := math.Log1p(l.Spread * l.Spread)
		return clip(l.Mean*math.Exp(math.Sqrt(v)*normal(u)-v/2), 20*l.Mean)
	case Empirical:
		return l.Of[min(int(u*float64(len(l.Of))), len(l.Of)-1)]
	}
	return int(l.Mean)
}

func clip(x, most float64) int { return max(1, int(math.Round(min(x, most)))) }

// MeanTokens returns the mean of the distribution.
func (l *Lengths) MeanTokens() float64 {
	if l.Shape != Empirical {
		return l.Mean
	}
	sum := 0
	for _, n := range l.Of {
		sum += n
	}
	return float64(sum) / float64(len(l.Of))
}
