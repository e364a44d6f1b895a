package kernels

import (
	"context"
	"math"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// Three positions of two channels, worked out by hand: with decay 0 and open gates (σ(0) = ½)
// a = exp(−8·ln2·½) = 1/16, so that h₀ = ½x₀ and h = h/16 + √(255/256)·½x after it. A second
// call goes on where the first stopped.
func TestRGLRURecurrence(t *testing.T) {
	ln2 := float32(math.Ln2)
	m := &rglru{RGLRU: arch.RGLRU{Heads: 1, HeadDim: 2, DConv: 1}, rate: []float32{-8 * ln2, -8 * ln2}}
	x := newMat([]float32{2, -4, 6, 0, 1, 8}, 3, 2)
	gates := newMat(make([]float32, 12), 3, 4)
	root := math.Sqrt(255.0/256) / 2
	want := make([]float64, 6)
	want[0], want[1] = 1, -2
	for i := 2; i < 6; i++ {
		want[i] = want[i-2]/16 + root*float64(x.data[i])
	}
	check := func(got []float32) {
		t.Helper()
		for i, w := range want {
			if math.Abs(float64(got[i])-w) > 1e-6 {
				t.Errorf("position %d, channel %d: %g, want %g", i/2, i%2, got[i], w)
			}
		}
	}
	r := newRunner(context.Background(), 1)
	y, state := newMat(make([]float32, 6), 3, 2), make([]float32, 2)
	m.scan(r, nil, x, gates, y, state, 1, true)
	check(y.data)
	state = []float32{9, 9} // what an earlier sequence left does not count at the first position
	part := func(x mat, from, rows int) mat {
		return newMat(x.data[from*x.cols:(from+rows)*x.cols], rows, x.cols)
	}
	m.scan(r, nil, part(x, 0, 1), part(gates, 0, 1), part(y, 0, 1), state, 1, true)
	m.scan(r, nil, part(x, 1, 2), part(gates, 1, 2), part(y, 1, 2), state, 1, false)
	check(y.data)
}
