package kernels

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
)

// Heads of Mamba-2 share B and C in runs of heads/groups: of 6 heads in 2 groups the first
// three read group 0. Written out in float64, head by head.
func TestSSDGroups(t *testing.T) {
	const seq, heads, dim, states, groups = 3, 6, 2, 8, 2
	rng := rand.New(rand.NewPCG(3, 4))
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	in := SSDInputs{Batch: 1, Seq: seq, Heads: heads, HeadDim: dim, States: states, Groups: groups,
		X: draw(seq * heads * dim), DT: draw(seq * heads), B: draw(seq * groups * states), C: draw(seq * groups * states), A: draw(heads)}
	for i := range in.DT {
		in.DT[i] = float32(math.Abs(float64(in.DT[i])))
	}
	for i := range in.A {
		in.A[i] = -float32(math.Abs(float64(in.A[i])))
	}
	got, _ := SSD(context.Background(), in)
	group := [heads]int{0, 0, 0, 1, 1, 1}
	for h := range heads {
		var state [dim][states]float64
		for i := range seq {
			dt := float64(in.DT[i*heads+h])
			b := in.B[(i*groups+group[h])*states:][:states]
			c := in.C[(i*groups+group[h])*states:][:states]
			for d := range dim {
				want, x := 0.0, float64(in.X[(i*heads+h)*dim+d])
				for s := range states {
					state[d][s] = math.Exp(dt*float64(in.A[h]))*state[d][s] + dt*x*float64(b[s])
					want += state[d][s] * float64(c[s])
				}
				if v := float64(got[(i*heads+h)*dim+d]); math.Abs(v-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("head %d at %d: %g, want %g", h, i, v, want)
				}
			}
		}
	}
}

// The norm of a head that is nearly nothing shows the epsilon, 1e-6 under the root.
func TestL2NormEpsilon(t *testing.T) {
	const dim = 8
	q, k := make([]float32, dim), make([]float32, dim)
	for i := range q {
		q[i], k[i] = 5e-4, 1e-3
	}
	l2norm(newRunner(context.Background(), 1), nil, newMat(q, 1, dim), newMat(k, 1, dim), 1)
	for _, c := range []struct{ got, x, scale float64 }{{float64(q[0]), 5e-4, 1 / math.Sqrt(dim)}, {float64(k[0]), 1e-3, 1}} {
		want := c.scale * c.x / math.Sqrt(dim*c.x*c.x+1e-6)
		if math.Abs(c.got/want-1) > 1e-5 {
			t.Errorf("%g becomes %g, want %g", c.x, c.got, want)
		}
	}
}
