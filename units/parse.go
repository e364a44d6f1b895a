package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// suffixes lists what a number that people write may end in. SI suffixes move the decimal point
// and binary suffixes multiply by a power of two, so that both are exact.
var suffixes = []struct {
	s        string
	exponent string
	factor   float64
}{
	{"Ki", "", 1 << 10}, {"Mi", "", 1 << 20}, {"Gi", "", 1 << 30}, {"Ti", "", 1 << 40},
	{"k", "e3", 1}, {"K", "e3", 1}, {"m", "e6", 1}, {"M", "e6", 1}, {"G", "e9", 1}, {"B", "e9", 1}, {"T", "e12", 1},
}

// ParseNumber reads a decimal number with an optional suffix: k or K (thousands), m or M
// (millions), G or B (billions), T (trillions), or Ki, Mi, Gi or Ti (powers of 1,024). All counts
// and lengths are read by this function. A hexadecimal or infinite number, or none at all, gives
// an error of one line.
func ParseNumber(s string) (float64, error) {
	body, exponent, factor := s, "", 1.0
	for _, x := range suffixes {
		if b, ok := strings.CutSuffix(s, x.s); ok {
			body, exponent, factor = b, x.exponent, x.factor
			break
		}
	}
	bad := fmt.Errorf("%s is not a number", quote(s))
	if body == "" || strings.Trim(body, "0123456789.eE+-") != "" || body != s && strings.ContainsAny(body, "eE") {
		return 0, bad
	}
	v, err := strconv.ParseFloat(body+exponent, 64)
	if v *= factor; err != nil || math.IsInf(v, 0) {
		return 0, bad
	}
	return v, nil
}

// MaxCount is the largest count that ParseCount reads: float64, and so JavaScript, can hold every
// whole number up to this one.
const MaxCount = 1 << 53

// ParseCount reads a whole number as ParseNumber does: 2000, 2k, 1.5k, 32Ki, 1e6. The number may
// be negative; its absolute value is at most MaxCount.
func ParseCount(s string) (int64, error) {
	v, err := ParseNumber(s)
	switch {
	case err != nil || v != math.Trunc(v):
		return 0, fmt.Errorf("%s is not a whole number", quote(s))
	case math.Abs(v) > MaxCount:
		return 0, fmt.Errorf("%s is more than 2^53", quote(s))
	}
	return int64(v), nil
}

// quote shortens a text that a user wrote to a readable length and puts it in quotation marks.
func quote(s string) string {
	if r := []rune(s); len(r) > 40 {
		return strconv.Quote(string(r[:40])) + "…"
	}
	return strconv.Quote(s)
}
