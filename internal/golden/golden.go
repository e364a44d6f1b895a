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

// Check compares a text with the file testdata/NAME, line by line, and reports the first that
// differ. `go test -update` writes the file anew.
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
	gone, come := beyond(want, lines), beyond(lines, want)
	if len(gone)+len(come) == 0 && len(want) == len(lines) {
		for i := range want {
			if want[i] != lines[i] {
				come = append(come, lines[i]+"   (in another place)")
			}
		}
	}
	if len(gone)+len(come) > 0 {
		t.Errorf("%s is not what is recorded; where that is meant, go test -update writes it anew.\nrecorded:\n%snow:\n%s", path, first(gone), first(come))
	}
}

// beyond are the lines of a that b does not have as often.
func beyond(a, b []string) (more []string) {
	n := map[string]int{}
	for _, l := range b {
		n[l]++
	}
	for _, l := range a {
		if n[l]--; n[l] < 0 {
			more = append(more, l)
		}
	}
	return more
}

// first is the first few lines as one text.
func first(lines []string) string {
	const most = 12
	text := ""
	for i, l := range lines {
		if i == most {
			return text + "  … and more\n"
		}
		text += "  " + l + "\n"
	}
	return text
}
