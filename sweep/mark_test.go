package sweep

import "testing"

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
