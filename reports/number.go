// Package reports shows results to people and to other programs: tables, Markdown, CSV
// and JSON. It knows what results are and computes none.
//
// Units: results hold base units (bytes, seconds, FLOPs). Tables scale them with SI
// prefixes (1 kB is 1,000 bytes), one scale to a column or row; CSV and JSON keep base
// units at full precision.
package reports

import (
	"math"
	"strconv"
	"strings"
)

// Scale is an SI prefix: a value is shown as v/Factor with Prefix before the unit.
type Scale struct {
	Factor float64
	Prefix string
}

var scales = []Scale{{1e-12, "p"}, {1e-9, "n"}, {1e-6, "µ"}, {1e-3, "m"}, {1, ""}, {1e3, "k"}, {1e6, "M"},
	{1e9, "G"}, {1e12, "T"}, {1e15, "P"}, {1e18, "E"}}

// ScaleOf is the scale in which the largest magnitude of the values reads 1 to 999.
func ScaleOf(values ...float64) Scale {
	top := 0.0
	for _, v := range values {
		if a := math.Abs(v); a > top && !math.IsInf(a, 0) {
			top = a
		}
	}
	best := Scale{1, ""}
	if top == 0 {
		return best
	}
	best = scales[0]
	for _, s := range scales {
		// 999.96 would be rounded up to 1000.
		if top*1.0005 >= s.Factor {
			best = s
		}
	}
	return best
}

// WholeScaleOf is ScaleOf without prefixes below one: there are no millibytes.
func WholeScaleOf(values ...float64) Scale {
	if s := ScaleOf(values...); s.Factor >= 1 {
		return s
	}
	return Scale{1, ""}
}

// Number writes v at the scale with the given significant digits, 4 where sig is 0;
// digits before the point are all kept.
func (s Scale) Number(v float64, sig int) string {
	if sig == 0 {
		sig = 4
	}
	return significant(v/s.Factor, sig)
}

// significant writes v with sig significant digits, never an exponent.
func significant(v float64, sig int) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	// The exponent after rounding: 9.9996 has one digit more than it seems.
	e := strconv.FormatFloat(v, 'e', sig-1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	decimals := max(sig-1-exp, 0)
	if decimals > 12 {
		return strconv.FormatFloat(v, 'g', sig, 64)
	}
	return Grouped(strconv.FormatFloat(v, 'f', decimals, 64))
}

// SI writes a value with its unit: SI(7.7e9, "B") is "7.7 GB". Four significant
// digits, trailing zeros dropped.
func SI(v float64, unit string) string {
	s := ScaleOf(v)
	if unit == "B" || unit == "FLOP" {
		s = WholeScaleOf(v)
	}
	return trimZeros(s.Number(v, 4)) + " " + s.Prefix + unit
}

// trimZeros drops zeros after the point, and a point with nothing behind it.
func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Count writes a whole number with thousands separated: 131,072.
func Count[T ~int | ~int64](n T) string { return Grouped(strconv.FormatInt(int64(n), 10)) }

// Grouped separates the thousands of a decimal number.
func Grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, frac, point := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range []byte(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(d)
	}
	if point {
		b.WriteByte('.')
		b.WriteString(frac)
	}
	return b.String()
}

// Bytes writes exact bytes where they are few enough to read, 131,072 B, and SI above.
func Bytes(v float64) string {
	if v < 1e7 && v == math.Trunc(v) {
		return Count(int64(v)) + " B"
	}
	return SI(v, "B")
}

// Percent writes a share: 62 %, below 10 with a decimal.
func Percent(share float64) string {
	p := 100 * share
	if p != 0 && p < 9.95 {
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + " %"
}

// Times writes a ratio: 1.23×, from 10 on with one decimal, from 100 on without.
func Times(r float64) string {
	digits := 2
	if r >= 9.995 {
		digits = 1
	}
	if r >= 99.95 {
		digits = 0
	}
	return Grouped(strconv.FormatFloat(r, 'f', digits, 64)) + "×"
}
