// Package quantity reads the numbers people type: lengths in tokens and batch sizes.
//
// Units: tokens, sequences. k and m are decimal (1,000 and 1,000,000), Ki and Mi binary
// (1,024 and 1,048,576), as in SI and IEC 80000-13.
package quantity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxLength bounds what ParseLength accepts: past it a length is a typing error.
const MaxLength = 1 << 30

var suffixes = []struct {
	name string
	unit int
}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"k", 1e3}, {"K", 1e3}, {"m", 1e6}, {"M", 1e6}}

// ParseLength reads a whole number of tokens: 2000, 2k (2,000), 32Ki (32,768), 1m, 1Mi.
// Digits only: no sign, fraction, exponent or separators.
func ParseLength(s string) (int, error) {
	digits, unit := s, 1
	for _, x := range suffixes {
		if d, ok := strings.CutSuffix(s, x.name); ok {
			digits, unit = d, x.unit
			break
		}
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%s is no length: write a whole number such as 2000, 2k, 32Ki or 1m", quote(s))
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > math.MaxInt64/uint64(unit) || int64(n)*int64(unit) > MaxLength {
		return 0, fmt.Errorf("%s is too long: at most %d tokens", quote(s), MaxLength)
	}
	return int(n) * unit, nil
}

// quote shows what was typed, cut short where it is long.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.QuoteToASCII(s)
}
