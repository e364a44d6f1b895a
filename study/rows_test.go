package study

import (
	"math"
	"strings"
	"testing"
)

// A million rows are thinned to a bounded number of points, spread over every group, the
// same ones each time.
func TestThinning(t *testing.T) {
	thin := func() *points {
		p := &points{y: map[key]float64{}, limit: math.MaxUint64}
		for i := range 1_000_000 {
			p.rows++
			p.add(i%8, float64(i), 1)
		}
		return p
	}
	a, b := thin(), thin()
	if len(a.y) > maxPoints || len(a.y) < maxPoints/4 {
		t.Fatalf("%d points are kept", len(a.y))
	}
	if len(a.y)+a.dropped != a.rows {
		t.Errorf("%d kept and %d dropped of %d", len(a.y), a.dropped, a.rows)
	}
	var groups [8]int
	for k := range a.y {
		if _, ok := b.y[k]; !ok {
			t.Fatal("another run keeps other points")
		}
		groups[k.group]++
	}
	for g, n := range groups {
		if want := len(a.y) / 8; n < want*3/4 || n > want*5/4 {
			t.Errorf("group %d has %d of %d points", g, n, len(a.y))
		}
	}
}

// Along a parameter the best row of each x stays: the highest where more is better.
func TestBestOfAnX(t *testing.T) {
	for _, more := range []bool{true, false} {
		p := &points{y: map[key]float64{}, limit: math.MaxUint64, lines: true, more: more}
		for _, y := range []float64{2, 3, 1} {
			p.rows++
			p.add(0, 7, y)
		}
		want := 1.0
		if more {
			want = 3
		}
		if got := p.y[key{x: 7}]; len(p.y) != 1 || got != want {
			t.Errorf("more %v: kept %v, want %g", more, p.y, want)
		}
		if !strings.Contains(strings.Join(p.setting(Rows{}), " "), "the best is drawn") {
			t.Errorf("does not say what it drew: %s", strings.Join(p.setting(Rows{}), " "))
		}
	}
}
