// Package units writes figures for people: with three significant digits, SI prefixes (1 kB is
// 1,000 B) and commas between thousands. It also reads the counts and lengths that people write
// (32k, 1Mi, 3.8B). Every package whose results are sentences may import it.
package units

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// prefixes from nano to peta.
var prefixes = []struct {
	p string
	v float64
}{{"E", 1e18}, {"P", 1e15}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"", 1}, {"m", 1e-3}, {"µ", 1e-6}, {"n", 1e-9}}

// Prefix picks the prefix with which the middle value of vs is at least 1. Bytes and FLOPs get no
// prefix below 1 (there are no millibytes), and seconds none above 1.
func Prefix(unit string, vs ...float64) (string, float64) {
	small, large := 1e-9, math.Inf(1)
	switch {
	case unit == "s":
		large = 1
	case unit == "" || strings.HasPrefix(unit, "B") || strings.HasPrefix(unit, "FLOP") || strings.HasPrefix(unit, "tok"):
		small = 1
	}
	var sizes []float64
	for _, v := range vs {
		if v != 0 && !math.IsInf(v, 0) && !math.IsNaN(v) {
			sizes = append(sizes, math.Abs(v))
		}
	}
	if len(sizes) == 0 {
		return "", 1
	}
	slices.Sort(sizes)
	top := sizes[len(sizes)/2]
	for _, p := range prefixes {
		// Rounded to three digits, 999.96 is 1,000; it then gets the next larger prefix.
		if p.v <= large && (top >= p.v*0.9995 || p.v <= small) {
			return p.p, p.v
		}
	}
	last := prefixes[len(prefixes)-1]
	return last.p, last.v
}

// Digits prints v with three significant digits where that takes at most three decimals, without
// an exponent and with commas between thousands.
func Digits(v float64) string {
	a := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case math.IsInf(v, 0) || math.IsNaN(v):
		return "–"
	case a >= 99.95:
		return Group(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.0995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a >= 0.00095:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return "<0.001"
}

// Group puts commas between thousands of a decimal number.
func Group(s string) string {
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, frac, dot := strings.Cut(s, ".")
	var b strings.Builder
	if neg {
		b.WriteByte('-')
	}
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	if dot {
		b.WriteString("." + frac)
	}
	return b.String()
}

// Int prints a whole number with commas between thousands.
func Int(v float64) string { return Group(strconv.FormatFloat(v, 'f', 0, 64)) }

// SI prints v with three significant digits, an SI prefix and a unit: 2.04 TB/s.
func SI(v float64, unit string) string {
	p, scale := Prefix(unit, v)
	return strings.TrimSpace(Digits(v/scale) + " " + p + unit)
}

// Ratio prints a factor: 9.04×, 10.3×, 128×.
func Ratio(v float64) string {
	switch {
	case v >= 99.95:
		return Int(v) + "×"
	case v >= 9.995:
		return fmt.Sprintf("%.1f×", v)
	}
	return fmt.Sprintf("%.2f×", v)
}
