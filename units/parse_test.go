package units

import (
	"math"
	"strings"
	"testing"
)

func TestParseNumber(t *testing.T) {
	for in, want := range map[string]float64{
		"2000": 2000, "2k": 2000, "2K": 2000, "1.1k": 1100, "32Ki": 32768, "1m": 1e6, "1M": 1e6, "1Mi": 1 << 20,
		"3.8B": 3.8e9, "2G": 2e9, "2Gi": 2 << 30, "5T": 5e12, "1Ti": 1 << 40, "1e3": 1000, "100e9": 100e9, "-0.5": -0.5, "0": 0,
	} {
		if got, err := ParseNumber(in); err != nil || got != want {
			t.Errorf("%s: %g, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "k", "Ki", "x", "0x10", "1_000", "٣", "1 k", "inf", "NaN", "1e999", "1e3k", "--1", "1.2.3", "1kk", "5Pi"} {
		if got, err := ParseNumber(in); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is %g: %v", in, got, err)
		}
	}
}

func TestParseCount(t *testing.T) {
	for in, want := range map[string]int64{"1.5k": 1500, "1.001k": 1001, "-4": -4, "1e6": 1e6, "9007199254740992": 1 << 53} {
		if got, err := ParseCount(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"1.5", "1e-3", "0.0001k", "9007199254740994", "1e300", strings.Repeat("9", 500)} {
		if got, err := ParseCount(in); err == nil || len(err.Error()) > 120 {
			t.Errorf("%q is %d: %v", in, got, err)
		}
	}
}

func FuzzParseCount(f *testing.F) {
	for _, s := range []string{"2000", "32Ki", "1.5k", "3.8B", "1e9", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseCount(s)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q", err)
			}
			return
		}
		if v, err := ParseNumber(s); err != nil || v != float64(n) || math.Abs(v) > MaxCount {
			t.Fatalf("%q is %d and %g, %v", s, n, v, err)
		}
	})
}
