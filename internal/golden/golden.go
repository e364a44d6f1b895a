// Package golden holds results of tests to files under testdata, which stand in the
// repository so that a change of any of them is seen and judged line by line.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files of recorded results anew")

// Check compares a text with the file testdata/NAME, line by line, and reports the first lines
// that differ. `go test -update` writes the file anew.
func Check(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: go test -update writes it", err)
	}
	want := strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	lines := strings.Split(got, "\n")
	const most = 10
	shown := 0
	for i := range max(len(want), len(lines)) {
		a, b := at(want, i), at(lines, i)
		if a == b {
			continue
		}
		if shown++; shown > most {
			t.Errorf("%s: and more lines differ", path)
			return
		}
		t.Errorf("%s:%d:\nrecorded %s\n     now %s", path, i+1, a, b)
	}
}

// at is a line of a text, or a note that the text is shorter.
func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no such line)"
}
