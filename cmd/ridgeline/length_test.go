package main

import (
	"strings"
	"testing"
)

func TestParseLength(t *testing.T) {
	for in, want := range map[string]int{"2000": 2000, "2k": 2000, "32Ki": 32768, "1m": 1000000, "1Mi": 1 << 20, "0": 0, "1.5k": 1500, "1e3": 1000} {
		if got, err := parseLength(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "k", "-1", "1.5", "0x10", "٣", "1 k", "99999999999999999999", "2Gi", "1073742k"} {
		if n, err := parseLength(in); err == nil {
			t.Errorf("%q is %d", in, n)
		}
	}
}

// What is no length at all is not called too long.
func TestNoLength(t *testing.T) {
	for in, want := range map[string]string{"": "is not a length", " ": "is not a length", "99999999999999999999": "is more than 1073741824 tokens"} {
		if _, err := parseLength(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func FuzzParseLength(f *testing.F) {
	for _, s := range []string{"2000", "32Ki", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseLength(s); err == nil && (n < 0 || n > 1<<30) {
			t.Fatalf("%q is %d", s, n)
		}
	})
}
