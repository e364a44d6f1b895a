// Package reports formats results as tables, CSV and JSON. It is given results and computes none.
//
// In tables, all figures of a column have one SI prefix (1 kB is 1,000 B). CSV and JSON have
// units without prefixes.
package reports

import (
	"math"
	"strconv"

	"github.com/OWNER/ridgeline/units"
)

func prefixFor(unit string, vs ...float64) (string, float64) { return units.Prefix(unit, vs...) }

// Digits prints v with three significant digits and commas between thousands.
func Digits(v float64) string { return units.Digits(v) }

// Int prints a whole number with commas between thousands.
func Int(v float64) string { return units.Int(v) }

// SI prints v with three significant digits, an SI prefix and a unit: 2.04 TB/s.
func SI(v float64, unit string) string { return units.SI(v, unit) }

// exact writes v with all of its digits, without an exponent where that takes at most 21 digits.
func exact(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// shorten replaces the middle of a text by … where it has more than n characters.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n/2]) + "…" + string(r[len(r)-(n-n/2-1):])
}
