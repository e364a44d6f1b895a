package quantity

import (
	"strings"
	"testing"
)

func TestParseLength(t *testing.T) {
	for in, want := range map[string]int{
		"0": 0, "1": 1, "2000": 2000, "2k": 2000, "2K": 2000, "32Ki": 32768, "1m": 1e6, "1M": 1e6,
		"1Mi": 1 << 20, "007": 7, "1024Mi": MaxLength,
	} {
		if got, err := ParseLength(in); err != nil || got != want {
			t.Errorf("ParseLength(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
}

func TestParseLengthErrors(t *testing.T) {
	for _, in := range []string{
		"", "k", "Ki", "-1", "+1", "1e9", "1.5k", "2 k", " 2", "2kk", "2ki", "0x10", "1_000", "1,000",
		"٣", "２", "inf", "NaN", "1Gi", "1025Mi", "18446744073709551616", "18446744073709551615k",
		"9223372036854775807Mi", strings.Repeat("9", 10000), "1\n2", "max",
	} {
		got, err := ParseLength(in)
		if err == nil {
			t.Errorf("ParseLength(%q) = %d, want an error", in, got)
			continue
		}
		if m := err.Error(); strings.Contains(m, "\n") || len(m) > 200 {
			t.Errorf("ParseLength(%q): error is not a short line: %q", in, m)
		}
	}
}

func FuzzParseLength(f *testing.F) {
	for _, s := range []string{"2000", "2k", "32Ki", "1m", "1Mi", "", "-1", "1e9", "٣", "99999999999999999999k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseLength(s)
		switch {
		case err == nil && (n < 0 || n > MaxLength):
			t.Fatalf("ParseLength(%q) = %d, out of range", s, n)
		case err == nil && (s == "" || s[0] < '0' || s[0] > '9'):
			t.Fatalf("ParseLength(%q) = %d, but it does not begin with a digit", s, n)
		case err != nil && (n != 0 || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300):
			t.Fatalf("ParseLength(%q) = %d, %q", s, n, err)
		}
	})
}
