package sweep

import (
	"slices"
	"strings"
	"testing"
)

// The first and last lines of a shard count only when they are whole: one without its line
// break was cut off while it was written.
func TestMarksAreWholeLines(t *testing.T) {
	for _, f := range []Format{CSV, JSONL} {
		open, close := csvEnd, ""
		if f == JSONL {
			open, close = jsonEnd, jsonClose
		}
		line := open + `{}` + close
		if _, ok := readEnd(f, []byte(line+"\n")); !ok {
			t.Errorf("%v: %q is no end", f, line)
		}
		if _, ok := readEnd(f, []byte(line)); ok {
			t.Errorf("%v: an end without its line break is believed", f)
		}
	}
}

// A shard is of one row at the least, of rows that the grid has.
func TestMarksOfNoRows(t *testing.T) {
	for text, want := range map[string]bool{
		`{"grid":"x","rows":10,"from":3,"to":4}`: true, `{"grid":"x","rows":10,"from":3,"to":3}`: false, `{"grid":"x","rows":10,"from":4,"to":3}`: false,
		`{"grid":"x","rows":10,"from":-1,"to":3}`: false, `{"grid":"x","rows":10,"from":3,"to":10}`: true, `{"grid":"x","rows":10,"from":3,"to":11}`: false,
	} {
		if _, ok := readMark(CSV, []byte(csvMark+text+"\n")); ok != want {
			t.Errorf("%s is a mark: %v", text, ok)
		}
	}
}

// A row without figures has none in JSON: null, not zero.
func TestNoFiguresAreNull(t *testing.T) {
	g := &Grid{Fixed: map[string]string{"model": "llama-3.1-8b", "tp": "3"}}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := Run(t.Context(), g, JSONL, &b, 0, 1, nil); err != nil {
		t.Fatal(err)
	}
	columns := g.Columns()
	want := len(columns) - 1 - slices.Index(columns, "reason")
	if n := strings.Count(b.String(), ":null"); n != want || !strings.Contains(b.String(), `"status":"invalid"`) {
		t.Errorf("%d of %d figures are null: %s", n, want, b.String())
	}
}
