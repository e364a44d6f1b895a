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
		X: draw(seq * heads * dim), DT: draw(seq * heads), B: draw(seq * groups * states), C: draw(seq * groups * states), A: draw(heads), D: draw(heads)}
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
				want += float64(in.D[h]) * x // past the state
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

// The gated delta rule, written out in float64: two value heads share each key head, β is a
// sigmoid, the decay exp(A·softplus(a + bias)), and the state keeps what it learnt.
func TestDeltaRuleByHand(t *testing.T) {
	const T, kHeads, vHeads, kDim, vDim = 4, 2, 4, 3, 5
	rng := rand.New(rand.NewPCG(5, 6))
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	d := deltaRule{q: newMat(draw(T*kHeads*kDim), T, kHeads*kDim), k: newMat(draw(T*kHeads*kDim), T, kHeads*kDim), v: newMat(draw(T*vHeads*vDim), T, vHeads*vDim),
		b: newMat(draw(T*vHeads), T, vHeads), a: newMat(draw(T*vHeads), T, vHeads), o: newMat(make([]float32, T*vHeads*vDim), T, vHeads*vDim),
		state: make([]float32, vHeads*kDim*vDim), decay: []float32{-0.5, -1, -2, -0.1}, bias: draw(vHeads),
		kHeads: kHeads, vHeads: vHeads, kDim: kDim, vDim: vDim, batch: 1}
	d.run(newRunner(context.Background(), 1), nil)
	for h := range vHeads {
		var state [kDim][vDim]float64
		for i := range T {
			q, k, v := d.q.row(i)[h/2*kDim:], d.k.row(i)[h/2*kDim:], d.v.row(i)[h*vDim:]
			beta := 1 / (1 + math.Exp(-float64(d.b.row(i)[h])))
			keep := math.Exp(float64(d.decay[h]) * math.Log1p(math.Exp(float64(d.a.row(i)[h]+d.bias[h]))))
			for j := range vDim {
				had := 0.0 // what the key finds in the state
				for e := range kDim {
					state[e][j] *= keep
					had += state[e][j] * float64(k[e])
				}
				want := 0.0
				for e := range kDim {
					state[e][j] += float64(k[e]) * beta * (float64(v[j]) - had)
					want += state[e][j] * float64(q[e])
				}
				if got := float64(d.o.row(i)[h*vDim+j]); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("value head %d at %d, element %d: %g, want %g", h, i, j, got, want)
				}
			}
		}
	}
}

// What the recurrences count, by hand (docs/accounting.md): Mamba-1 7 FLOPs an element of
// state and 8 a channel (3 for Δ and Δ·u, 2 for D·u, 3 for the gate); Mamba-2 4 a head, 3 a
// channel and 5 an element of state; the delta rule 5 a head, 2 an element of a value and 7
// an element of state. State is read and written once a call.
func TestRecurrencesCountByHand(t *testing.T) {
	const rows = 3 // one sequence
	full := func(n int) mat { return newMat(make([]float32, rows*n), rows, n) }
	zeros := func(n int) []float32 { return make([]float32, n) }
	r := newRunner(context.Background(), 1)
	check := func(what string, c Counts, flops, weights, read, written, state int64) {
		t.Helper()
		want := Counts{FLOPs: flops}
		want.Read[Weights], want.Read[Activations], want.Written[Activations] = 4*weights, 4*read, 4*written
		want.Read[State], want.Written[State] = 4*state, 4*state
		if c != want {
			t.Errorf("%s: %+v, want %+v", what, c, want)
		}
	}
	var one, two, three tally
	(&selectiveScan{u: full(10), delta: full(10), z: full(10), b: full(4), c: full(4), y: full(10), state: zeros(40), a: zeros(40), d: zeros(10), bias: zeros(10), states: 4, batch: 1}).run(r, &one)
	check("Mamba-1", one.Counts, rows*10*(7*4+8), 10*(4+2), rows*(3*10+2*4), rows*10, 40)
	(&ssd{x: full(12), dt: full(6), b: full(15), c: full(15), y: full(12), state: zeros(60), a: zeros(6), d: zeros(6), bias: zeros(6), heads: 6, headDim: 2, states: 5, groups: 3, batch: 1}).run(r, &two)
	check("Mamba-2", two.Counts, rows*(6*4+12*3+60*5), 3*6, rows*(12+6+2*15), rows*12, 60)
	(&deltaRule{q: full(6), k: full(6), v: full(20), b: full(4), a: full(4), o: full(20), state: zeros(60), decay: zeros(4), bias: zeros(4), kHeads: 2, vHeads: 4, kDim: 3, vDim: 5, batch: 1}).run(r, &three)
	check("delta rule", three.Counts, rows*4*(5+2*5+7*15), 2*4, rows*(2*6+20+2*4), rows*20, 60)
}
