// Package golden holds results of tests to files under testdata, which stand in the
// repository so that a change of any of them is seen and judged line by line.
package golden

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
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

// Numbers compares rows of numbers with the file testdata/NAME: each to within a tolerance of the
// largest of its row, for results that machines round differently.
func Numbers(t testing.TB, name string, rows []Row, tolerance float64) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		var b strings.Builder
		for _, r := range rows {
			fmt.Fprintf(&b, "%s:", r.Name)
			for _, v := range r.Values {
				fmt.Fprintf(&b, " %.6g", v)
			}
			b.WriteByte('\n')
		}
		Check(t, name, b.String())
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: go test -update writes it", err)
	}
	want := strings.Split(strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n"), "\n")
	if len(want) != len(rows) {
		t.Errorf("%s has %d rows, now there are %d; where that is meant, go test -update writes it anew", path, len(want), len(rows))
	}
	for i := range min(len(want), len(rows)) {
		name, text, _ := strings.Cut(want[i], ": ")
		fields := strings.Fields(text)
		if name != rows[i].Name || len(fields) != len(rows[i].Values) {
			t.Fatalf("%s:%d has %d numbers of %q, now there are %d of %q", path, i+1, len(fields), name, len(rows[i].Values), rows[i].Name)
		}
		scale, off := 0.0, 0.0
		for j, f := range fields {
			v, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatalf("%s:%d: %v", path, i+1, err)
			}
			scale = max(scale, math.Abs(v))
			if d := math.Abs(rows[i].Values[j] - v); !(d <= off) {
				off = d
			}
		}
		if !(off <= tolerance*scale) {
			t.Errorf("%s:%d: %s is off by %.2g of %.2g\nrecorded %s\nnow      %.6g", path, i+1, name, off, scale, text, rows[i].Values)
		}
	}
}

// Row is some numbers and what they are.
type Row struct {
	Name   string
	Values []float64
}
