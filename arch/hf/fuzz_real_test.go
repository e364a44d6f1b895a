package hf

import (
	"strings"
	"testing"
)

// FuzzReal changes real configurations: whatever becomes of one is a model that holds
// together, or an error of one line.
func FuzzReal(f *testing.F) {
	for _, c := range realCases(f) {
		f.Add([]byte(c.Config))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Import("fuzzed", data)
		if err != nil {
			if s := err.Error(); strings.ContainsAny(s, "\n\r") || s == "" {
				t.Fatalf("error of more than one line: %q", s)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Fatalf("imported, but %v", err)
		}
		if n := m.Params().Total; n <= 0 {
			t.Fatalf("%d parameters", n)
		}
	})
}
