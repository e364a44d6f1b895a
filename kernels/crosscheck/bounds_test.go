package crosscheck

import (
	"testing"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/memory"
	"github.com/OWNER/ridgeline/kernels"
)

// What streams from the cache is measured, not judged: nothing judged is nothing failed,
// and one row past the cache that is off fails.
func TestNothingJudgedIsNothingFailed(t *testing.T) {
	off := TimeRow{Ratio: 9}
	past := off
	past.PastCache = true
	for _, c := range []struct {
		rows []TimeRow
		want bool
	}{{nil, true}, {[]TimeRow{off}, true}, {[]TimeRow{off, past}, false}, {[]TimeRow{off, {Ratio: 1, PastCache: true}}, true}} {
		if got := TimeOK(c.rows); got != c.want {
			t.Errorf("time %+v: holds %v, want %v", c.rows, got, c.want)
		}
	}
	slow := SpeedupRow{Measured: 9, Predicted: 1}
	for _, past := range []bool{false, true} {
		slow.PastCache = past
		r := SpeedupResult{Rows: []SpeedupRow{slow}}
		r.sum()
		if r.OK() == past || r.Judged() != past {
			t.Errorf("a speedup that is off, past the cache %v: holds %v, judged %v", past, r.OK(), r.Judged())
		}
	}
	host := &hardware.Profile{Cache: hardware.Figure{Value: 100}}
	if pastCache(host, 100) || !pastCache(host, 101) {
		t.Error("past a cache of 100 bytes is more than 100 bytes")
	}
}

// Caches of the decoders that run in turns stay within what may be taken.
func TestContextsWithinMemory(t *testing.T) {
	baselines, models, err := speedupModels(true)
	if err != nil {
		t.Fatal(err)
	}
	var ready []*kernels.Model
	for _, x := range append(baselines, models...) {
		m, err := kernels.New(x.model, kernels.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ready = append(ready, m)
	}
	total := func(n int) (sum float64) {
		for _, m := range ready {
			sum += m.SessionBytes(1, n)
		}
		return sum
	}
	fit, over := within(ready, []int{10, 20, 30}, total(20))
	if len(fit) != 2 || len(over) != 1 || over[0] != 30 {
		t.Errorf("%v fit, %v do not", fit, over)
	}
	if fit, over = within(ready, []int{10, 20, 30}, total(10)-1); len(fit) != 0 || len(over) != 3 {
		t.Errorf("%v fit, %v do not", fit, over)
	}
	// A quick run needs no more than it may take where there is memory.
	if _, over := within(ready, contexts(true), 384<<20); len(over) > 0 {
		t.Errorf("a quick run leaves out %v", over)
	}
	if n := len(newReader(&hardware.Profile{Cache: hardware.Figure{Value: 480 << 20}}, true).buf) * 4; n > 384<<20 || n > memory.Bound() {
		t.Errorf("a quick run reads through %d bytes", n)
	}
}
