package kernels

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// The weighted mean of RWKV-4, summed from its definition: at position t, values of all earlier
// positions j weigh exp(k_j − (t−1−j)·w), that of t itself exp(k_t + u). Exponents of ±200
// overflow unless the largest is kept apart.
func TestWKVIsAWeightedMean(t *testing.T) {
	const seq, n = 6, 3
	rng := rand.New(rand.NewPCG(7, 8))
	kvr := newMat(make([]float32, seq*3*n), seq, 3*n)
	for i := range kvr.data {
		kvr.data[i] = float32(rng.NormFloat64())
	}
	kvr.row(2)[0], kvr.row(4)[1] = 200, -200
	m := &rwkv4{RWKV4: arch.RWKV4{Inner: n, Stream: 1}, decay: []float32{-0.3, -1, -2}, first: []float32{0.5, -0.5, 2}}
	st := m.newState(&Session{batch: 1})
	y := newMat(make([]float32, seq*n), seq, n)
	r := newRunner(context.Background(), 1)
	m.scan(r, nil, newMat(kvr.data[:4*3*n], 4, 3*n), newMat(y.data[:4*n], 4, n), st.state, 1)
	m.scan(r, nil, newMat(kvr.data[4*3*n:], 2, 3*n), newMat(y.data[4*n:], 2, n), st.state, 1)
	for now := range seq {
		for i := range n {
			exponents, values := []float64{}, []float64{}
			for j := range now {
				exponents = append(exponents, float64(kvr.row(j)[i])+float64(now-1-j)*float64(m.decay[i]))
				values = append(values, float64(kvr.row(j)[n+i]))
			}
			exponents = append(exponents, float64(kvr.row(now)[i])+float64(m.first[i]))
			values = append(values, float64(kvr.row(now)[n+i]))
			top := math.Inf(-1)
			for _, e := range exponents {
				top = max(top, e)
			}
			num, den := 0.0, 0.0
			for j, e := range exponents {
				num += math.Exp(e-top) * values[j]
				den += math.Exp(e - top)
			}
			want := num / den / (1 + math.Exp(-float64(kvr.row(now)[2*n+i])))
			if got := float64(y.row(now)[i]); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
				t.Errorf("position %d, channel %d: %g, want %g", now, i, got, want)
			}
		}
	}
}

// A mix of ¼ takes a quarter of an input and three of the one before it, also across calls.
func TestTokenShift(t *testing.T) {
	s := newTokenShift([]float32{0.25, 0.25, 1, 0})
	state := make([]float32, 2)
	r := newRunner(context.Background(), 1)
	dst := newMat(make([]float32, 12), 3, 4)
	x := []float32{4, 8, 12, 16, 20, 24}
	s.run(r, nil, newMat(x[:4], 2, 2), newMat(dst.data[:8], 2, 4), state, 1)
	s.run(r, nil, newMat(x[4:], 1, 2), newMat(dst.data[8:], 1, 4), state, 1)
	want := []float32{1, 2, 4, 0, 6, 10, 12, 8, 14, 18, 20, 16}
	for i, w := range want {
		if dst.data[i] != w {
			t.Errorf("element %d: %g, want %g", i, dst.data[i], w)
		}
	}
}
