package main

import "testing"

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
