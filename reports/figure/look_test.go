package figure

import (
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"

	"github.com/OWNER/ridgeline/study"
)

// An axis has three labels at least, also where its range holds one round number.
func TestNarrowRangesHaveLabels(t *testing.T) {
	for _, r := range [][2]float64{{208, 392}, {0.21, 0.49}, {21, 49}, {3.1, 4.9}, {9.2, 11}} {
		n := 0
		for _, m := range tickerFor(axis{scale: study.Log10}, 5*vg.Centimeter).ticks(r[0], r[1]) {
			if m.label != "" && m.value >= r[0] && m.value <= r[1] {
				n++
			}
		}
		if n < 3 {
			t.Errorf("%d labels from %g to %g", n, r[0], r[1])
		}
	}
}

// Batches are counted in full, lengths as people write them.
func TestCountsAndLengths(t *testing.T) {
	last := func(a axis) string {
		ts := tickerFor(a, 10*vg.Centimeter).ticks(1, 1024)
		return ts[len(ts)-1].label
	}
	if s := last(axis{scale: study.Log2}); s != "1,024" {
		t.Errorf("a batch of %s", s)
	}
	if s := last(axis{scale: study.Log2, lengths: true}); s != "1Ki" {
		t.Errorf("a length of %s", s)
	}
}

// Phrases of a setting are folded so that no line begins with the dot between them.
func TestFoldEndsLinesWithDots(t *testing.T) {
	s := style(Light(), subtitleSize, false, 0, 0)
	for w := 40 * vg.Points(1); w < 400; w += 7 {
		for _, line := range fold(s, "NVIDIA H200 · batch 16 · bf16 throughout · engine vllm · bands hold 90 % of measurements", w) {
			if strings.HasPrefix(line, "·") {
				t.Errorf("at %g pt a line is %q", w, line)
			}
		}
	}
}

// What does not fit at all has a broken line in the legend, and a line whose name stands in the
// title has none beside it.
func TestNamesOfLines(t *testing.T) {
	line := func(name string, fits bool) study.Series {
		return study.Series{Name: name, Points: []study.Point{{X: 1, Y: 1, Fits: fits}, {X: 2, Y: 2, Fits: fits}}}
	}
	x := study.Axis{Label: "context", Unit: "tokens", Scale: study.Log2}
	c := &study.Chart{Title: "Throughput: only", Panels: []study.Panel{{Form: study.Curves, X: x, Series: []study.Series{line("only", true)}}}}
	if f := New(c, Options{}); len(f.panels[0].(*axes).ends(Light())) != 0 {
		t.Error("the only line is named in the title and beside it")
	}
	long := strings.Repeat("a long name ", 4)
	c.Panels[0].Series = []study.Series{line("small", true), line(long, false)}
	f := New(c, Options{Width: 10 * vg.Centimeter})
	if len(f.legend) != 2 || f.legend[0].broken || !f.legend[1].broken {
		t.Errorf("legend %+v", f.legend)
	}
}
