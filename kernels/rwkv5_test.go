package kernels

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// RWKV-5's output from its definition: Σ over earlier positions j of (r·(w^(t−1−j)⊙k_j))·v_j, and
// (r·(u⊙k_t))·v_t of the position itself. Also across two calls.
func TestRWKV5Recurrence(t *testing.T) {
	const seq, heads, n = 5, 2, 3
	const d = heads * n
	rng := rand.New(rand.NewPCG(11, 12))
	in, y := newMat(make([]float32, seq*4*d), seq, 4*d), newMat(make([]float32, seq*d), seq, d)
	for i := range in.data {
		in.data[i] = float32(rng.NormFloat64())
	}
	m := &rwkv5{RWKV5: arch.RWKV5{Heads: heads, HeadDim: n}, decay: []float32{0.9, 0.5, 0.1, 0.99, 0.7, 0.2}, first: []float32{1, 0.5, -1, 2, 0, 0.3}}
	state := make([]float32, heads*n*n)
	r := newRunner(context.Background(), 1)
	for _, cut := range [][2]int{{0, 2}, {2, 5}} {
		part := func(x mat) mat { return newMat(x.data[cut[0]*x.cols:cut[1]*x.cols], cut[1]-cut[0], x.cols) }
		m.scan(r, nil, part(in), part(y), state, 1)
	}
	at := func(row, which, h, e int) float64 { return float64(in.row(row)[which*d+h*n+e]) }
	for now := range seq {
		for h := range heads {
			for v := range n {
				want := 0.0
				for j := range now + 1 {
					for e := range n {
						weight := float64(m.first[h*n+e])
						if j < now {
							weight = math.Pow(float64(m.decay[h*n+e]), float64(now-1-j))
						}
						want += at(now, 2, h, e) * weight * at(j, 0, h, e) * at(j, 1, h, v)
					}
				}
				if got := float64(y.row(now)[h*n+v]); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("position %d, head %d, value %d: %g, want %g", now, h, v, got, want)
				}
			}
		}
	}
}
