package kernels

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// The recurrence of Kimi Delta Attention, written out in float64 from its definition: row i of
// the state decays at a rate of its own, then kᵀS is moved towards v by β.
func TestKDARecurrence(t *testing.T) {
	const seq, heads, dim = 4, 2, 3
	const d = heads * dim
	rng := rand.New(rand.NewPCG(5, 6))
	draw := func(cols int) mat {
		x := make([]float32, seq*cols)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return newMat(x, seq, cols)
	}
	q, k, v, g, beta := draw(d), draw(d), draw(d), draw(d), draw(heads)
	m := &kda{KDA: arch.KDA{Heads: heads, HeadDim: dim, DConv: 4}, a: []float32{-0.5, -2}, dtBias: []float32{0.1, -0.2, 0.3, 0, 1, -1}}
	o, state := newMat(make([]float32, seq*d), seq, d), make([]float32, heads*dim*dim)
	m.scan(newRunner(context.Background(), 1), nil, q, k, v, g, beta, o, state, 1)

	for h := range heads {
		var S [dim][dim]float64 // key, value
		for row := range seq {
			at := func(x mat, e int) float64 { return float64(x.row(row)[h*dim+e]) }
			b := 1 / (1 + math.Exp(-float64(beta.row(row)[h])))
			for i := range dim {
				decay := math.Exp(float64(m.a[h]) * math.Log1p(math.Exp(at(g, i)+float64(m.dtBias[h*dim+i]))))
				for j := range dim {
					S[i][j] *= decay
				}
			}
			for j := range dim {
				sk := 0.0
				for i := range dim {
					sk += S[i][j] * at(k, i)
				}
				want := 0.0
				for i := range dim {
					S[i][j] += at(k, i) * b * (at(v, j) - sk)
					want += S[i][j] * at(q, i)
				}
				if got := at(o, j); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("head %d, position %d, value %d: %g, want %g", h, row, j, got, want)
				}
			}
		}
	}
}
