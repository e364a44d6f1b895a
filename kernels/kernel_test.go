package kernels

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// The vector exponential and what is made of it, against float64, at every size of
// tail: the golden tolerance of 1e-5 leaves room for 1e-6 at most.
func TestVectorFunctions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 40 {
		x, b, u := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64() * math.Pow(10, 3*rng.Float64()-1.5))
			b[i], u[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
		}
		check := func(name string, got []float32, want func(i int) float64) {
			t.Helper()
			for i := range got {
				w := want(i)
				if math.Abs(float64(got[i])-w) > 1e-6*math.Abs(w)+1e-36 {
					t.Errorf("%s(%g) = %g, want %g", name, x[i], got[i], w)
				}
			}
		}
		sigmoid := func(v float32) float64 { return 1 / (1 + math.Exp(-min(float64(v), 700))) }
		out := make([]float32, n)
		silus(out, x)
		check("silu", out, func(i int) float64 { return float64(x[i]) * sigmoid(x[i]) })
		siluMuls(out, x, u)
		check("siluMul", out, func(i int) float64 { return float64(x[i]) * sigmoid(x[i]) * float64(u[i]) })
		sigmoidMuls(out, x, u)
		check("sigmoidMul", out, func(i int) float64 { return sigmoid(x[i]) * float64(u[i]) })
		softplusAdds(out, x, b)
		check("softplus", out, func(i int) float64 {
			v := float64(x[i] + b[i])
			return max(v, 0) + math.Log1p(math.Exp(-math.Abs(v)))
		})
		copy(out, x)
		for i := range out {
			out[i] = -float32(math.Abs(float64(out[i])))
		}
		y := append([]float32(nil), out...)
		sum := softmaxPart(y, 0)
		var want float64
		for i, v := range out {
			w := math.Exp(float64(v))
			want += w
			if v > -80 && math.Abs(float64(y[i])-w) > 3e-7*w {
				t.Errorf("exp(%g) = %g, want %g", v, y[i], w)
			}
		}
		if math.Abs(float64(sum)-want) > 1e-6*want {
			t.Errorf("sum of %d: %g, want %g", n, sum, want)
		}
		if n > 0 {
			m := float32(math.Inf(-1))
			for _, v := range x {
				m = max(m, v)
			}
			if got := maximum(x); got != m {
				t.Errorf("maximum %g, want %g", got, m)
			}
		}
	}
}

func TestNaNIsNotHidden(t *testing.T) {
	nan := float32(math.NaN())
	x := []float32{1, 2, nan, 4, 5, 6, 7, 8, nan}
	out := make([]float32, len(x))
	silus(out, x)
	for i, v := range x {
		if (v != v) != (out[i] != out[i]) {
			t.Errorf("silu(%g) = %g", v, out[i])
		}
	}
}

// The linear map against gonum's, at all shapes around the blocks, in parts of wider
// matrices.
func TestLinearIsGemm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, in, out := rapid.IntRange(1, 30).Draw(t, "rows"), rapid.IntRange(1, 70).Draw(t, "in"), rapid.IntRange(1, 90).Draw(t, "out")
		pad := rapid.IntRange(0, 5).Draw(t, "pad")
		w, bias, x := uniform(out*in), uniform(out), uniform(rows*(in+pad))
		l := linear{w: w, out: out, in: in}
		if rapid.Bool().Draw(t, "bias") {
			l.bias = bias
		}
		wide := newMat(make([]float32, rows*(out+pad)), rows, out+pad)
		copy(wide.data, uniform(len(wide.data)))
		want := append([]float32(nil), wide.data...)
		xm := newMat(x, rows, in+pad).part(pad, in)
		add := rapid.Bool().Draw(t, "add")
		newRunner(context.Background(), 2).linear(nil, l, xm, wide.part(0, out), epilogue{add: add})
		beta := float32(0)
		if add {
			beta = 1
		}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, blas32.General{Rows: rows, Cols: in, Stride: in + pad, Data: x[pad:]},
			blas32.General{Rows: out, Cols: in, Stride: in, Data: w}, beta, blas32.General{Rows: rows, Cols: out, Stride: out + pad, Data: want})
		for i := range rows {
			for j := range out {
				if l.bias != nil {
					want[i*(out+pad)+j] += bias[j]
				}
			}
		}
		near(t, "linear", wide.data, want, 1e-5)
	})
}

// A row of a linear does not depend on how many others there are.
func TestLinearRowsAreAlone(t *testing.T) {
	r := newRunner(context.Background(), 2)
	for _, in := range []int{5, 8, 64, 100} {
		l := linear{w: uniform(77 * in), out: 77, in: in}
		x := uniform(16 * in)
		all := newMat(make([]float32, 16*77), 16, 77)
		r.linear(nil, l, newMat(x, 16, in), all, epilogue{})
		for n := 1; n < 16; n++ {
			some := newMat(make([]float32, n*77), n, 77)
			r.linear(nil, l, newMat(x[:n*in], n, in), some, epilogue{})
			for i := range some.data {
				if some.data[i] != all.data[i] {
					t.Fatalf("in %d: row %d of %d is %g, of 16 %g", in, i/77, n, some.data[i], all.data[i])
				}
			}
		}
	}
}

// The scan against the scalar loop, prefill and one step at a time.
func TestScanIsTheScalarLoop(t *testing.T) {
	for _, states := range []int{1, 4, 8, 16, 19, 24} {
		in := scanInputs(2, 7, 70, states)
		state := make([]float32, in.Batch*in.Channels*in.States)
		want := scalarScan(in, state)
		got, _, after := SelectiveScan(context.Background(), in)
		near(t, fmt.Sprintf("out of %d states", states), got, want, 2e-6)
		near(t, fmt.Sprintf("state of %d states", states), after, state, 2e-6)
	}
}

// Attention against softmax written out, for any cut into calls and either variant.
func TestAttentionIsSoftmax(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		kv, group := rapid.IntRange(1, 3).Draw(t, "kv"), rapid.IntRange(1, 5).Draw(t, "group")
		in := AttentionInputs{
			Batch: rapid.IntRange(1, 2).Draw(t, "batch"), Seq: rapid.IntRange(1, 40).Draw(t, "seq"),
			Heads: kv * group, KVHeads: kv, HeadDim: rapid.IntRange(1, 20).Draw(t, "dim"), Window: rapid.IntRange(0, 12).Draw(t, "window"),
			KVRead: execution.KVRead(rapid.IntRange(0, 1).Draw(t, "variant")),
		}
		in.Q = uniform(in.Batch * in.Seq * in.Heads * in.HeadDim)
		in.K, in.V = uniform(in.Batch*in.Seq*kv*in.HeadDim), uniform(in.Batch*in.Seq*kv*in.HeadDim + 1)[1:]
		for i := range in.Q {
			in.Q[i] *= 6 // sharp enough that the running maximum moves
		}
		got := Attend(ctx, in, rapid.IntRange(0, in.Seq).Draw(t, "step"))
		near(t, "attention", got, plainAttention(in), 1e-5)
	})
}

func plainAttention(in AttentionInputs) []float32 {
	out := make([]float32, len(in.Q))
	d, group := in.HeadDim, in.Heads/in.KVHeads
	for b := range in.Batch {
		for i := range in.Seq {
			for h := range in.Heads {
				q := in.Q[((b*in.Seq+i)*in.Heads+h)*d:][:d]
				row := func(x []float32, j int) []float32 { return x[((b*in.Seq+j)*in.KVHeads+h/group)*d:][:d] }
				var sum float64
				acc := make([]float64, d)
				for j := range i + 1 {
					if in.Window > 0 && j <= i-in.Window {
						continue
					}
					var s float64
					for c, k := range row(in.K, j) {
						s += float64(q[c]) * float64(k)
					}
					e := math.Exp(s / math.Sqrt(float64(d)))
					sum += e
					for c, v := range row(in.V, j) {
						acc[c] += e * float64(v)
					}
				}
				for c := range acc {
					out[((b*in.Seq+i)*in.Heads+h)*d+c] = float32(acc[c] / sum)
				}
			}
		}
	}
	return out
}

// Scores far below 0 are weighed against each other as any are: a running maximum begins below all.
func TestScoresFarBelowZero(t *testing.T) {
	in := AttentionInputs{Batch: 1, Seq: 5, Heads: 2, KVHeads: 1, HeadDim: 2, Q: uniform(20), K: uniform(10), V: uniform(10)}
	for i := range in.K {
		if i%2 == 0 {
			in.K[i] = 30
		}
	}
	for i := range in.Q {
		if i%2 == 0 {
			in.Q[i] = -30 // scores of about −636
		}
	}
	for _, step := range []int{0, 1, 2} {
		near(t, "attention", Attend(context.Background(), in, step), plainAttentionShifted(in), 1e-4)
	}
}

// plainAttentionShifted is plainAttention with 600 added to each score, which changes no softmax.
func plainAttentionShifted(in AttentionInputs) []float32 {
	shifted := in
	shifted.Q = append([]float32(nil), in.Q...)
	for i := range shifted.Q {
		if i%2 == 0 {
			shifted.Q[i] = 0
		}
	}
	return plainAttention(shifted) // the even products are the same for all keys
}

// By hand: one head of one dimension with scores 0 and ln 3 weighs the values 1 : 3, and
// a sink with logit ln 4 takes half.
func TestSinkByHand(t *testing.T) {
	cache := newCache(1, 1, 1, 1, 0, 2)
	k := newMat([]float32{0, float32(math.Log(3))}, 2, 1)
	v := newMat([]float32{8, 16}, 2, 1)
	cache.append(nil, k, v, 0, 2)
	for _, tc := range []struct {
		sinks []float32
		want  float32
	}{{nil, 14}, {[]float32{float32(math.Log(4))}, 7}} {
		out := newMat(make([]float32, 1), 1, 1)
		core := attentionCore{q: newMat([]float32{1}, 1, 1), out: out, cache: cache, passes: attentionPasses(1, 1, false, false, false),
			sinks: tc.sinks, batch: 1, heads: 1, dim: 1, vdim: 1, width: 1, n: 2, nq: 1}
		core.run(newRunner(context.Background(), 1), nil)
		if math.Abs(float64(out.data[0]-tc.want)) > 1e-5 {
			t.Errorf("sinks %v: %g, want %g", tc.sinks, out.data[0], tc.want)
		}
	}
}

// By hand: position 1 of a rotation of 2 dims turns (1, 0) by one radian; dims past the
// rotary ones stay.
func TestRotaryByHand(t *testing.T) {
	x := newMat([]float32{1, 0, 5, 1, 0, 5}, 2, 3)
	newRotary(rotaryKey{dim: 2, base: 10000}, 2).rotate(newRunner(context.Background(), 1), nil, x, 3, 0, 2)
	want := []float32{1, 0, 5, float32(math.Cos(1)), float32(math.Sin(1)), 5}
	near(t, "rotary", x.data, want, 1e-6)
	// Four dims as neighbours, (1, 0) and (0, 1), turn by 1 and by 1/100.
	x = newMat([]float32{1, 0, 0, 1}, 1, 4)
	newRotary(rotaryKey{dim: 4, base: 10000, scaling: arch.RopeScaling{Adjacent: true}}, 2).rotate(newRunner(context.Background(), 1), nil, x, 4, 1, 1)
	near(t, "neighbours", x.data, []float32{float32(math.Cos(1)), float32(math.Sin(1)), -float32(math.Sin(0.01)), float32(math.Cos(0.01))}, 1e-6)
}

// By hand: logits 0, ln 2, ln 6, ties to the lower expert, shares of the picked alone.
func TestRouteByHand(t *testing.T) {
	l := []float32{float32(math.Log(6)), 0, float32(math.Log(2)), float32(math.Log(6))}
	m := &moe{MoE: arch.MoE{Experts: 4, TopK: 3}}
	rt := m.route(nil, newMat(append(l, l...), 2, 4))
	if fmt.Sprint(rt.expert) != "[0 3 2 0 3 2]" {
		t.Errorf("experts %v", rt.expert)
	}
	near(t, "shares", rt.share[:3], []float32{6. / 14, 6. / 14, 2. / 14}, 1e-6)
	if fmt.Sprint(rt.hit(4)) != "[0 2 3]" || fmt.Sprint(rt.start, rt.rows) != "[0 2 2 4 6] [0 1 0 1 0 1]" {
		t.Errorf("hit %v, start %v, rows %v", rt.hit(4), rt.start, rt.rows)
	}
}

// By hand: sigmoids of ln 3, 0, −ln 3 and −ln 9 are ¾, ½, ¼ and 1/10. A correction moves the
// choice and not the shares, which then sum to the factor; no expert is picked twice even
// where all corrected scores are negative.
func TestRouteBySigmoids(t *testing.T) {
	l := []float32{-float32(math.Log(3)), float32(math.Log(3)), -float32(math.Log(9)), 0}
	near(t, "one share of a small sigmoid", (&moe{MoE: arch.MoE{Experts: 4, TopK: 2, Routing: arch.Routing{Sigmoid: true}}}).route(nil, newMat([]float32{l[2], l[2], l[2], l[2]}, 1, 4)).share, []float32{0.5, 0.5}, 1e-6)
	m := &moe{MoE: arch.MoE{Experts: 4, TopK: 2, Routing: arch.Routing{Sigmoid: true, Scale: 2}}, correction: []float32{-1, -2, -1, -2}}
	rt := m.route(nil, newMat(l, 1, 4))
	if fmt.Sprint(rt.expert) != "[0 2]" {
		t.Errorf("experts %v, want 0 (¼ − 1) and 2 (1/10 − 1)", rt.expert)
	}
	near(t, "shares", rt.share, []float32{2 * 0.25 / 0.35, 2 * 0.1 / 0.35}, 1e-6)
	m.Routing.Raw = true
	near(t, "raw shares", m.route(nil, newMat(l, 1, 4)).share, []float32{0.5, 0.2}, 1e-6)
}

// By hand: LayerNorm of 0, 3, 6 has mean 3 and variance 6; RMSNorm a mean square of 15.
func TestNormsByHand(t *testing.T) {
	r, x, y := newRunner(context.Background(), 1), newMat([]float32{0, 3, 6}, 1, 3), newMat(make([]float32, 3), 1, 3)
	s := float32(1 / math.Sqrt(6))
	(&norm{centre: true, w: []float32{1, 2, 3}, b: []float32{10, 20, 30}}).rows(r, nil, x, y)
	near(t, "LayerNorm", y.data, []float32{10 - 3*s, 20, 30 + 9*s}, 1e-6)
	(&norm{centre: true, eps: 3}).rows(r, nil, x, y)
	near(t, "LayerNorm without vectors, ε 3", y.data, []float32{-1, 0, 1}, 1e-6)
	s = float32(1 / math.Sqrt(15))
	(&norm{w: []float32{1, 2, 3}}).rows(r, nil, x, y)
	near(t, "RMSNorm", y.data, []float32{0, 6 * s, 18 * s}, 1e-6)
}

// By hand: a gate of 0 takes half of each, one of ln 3 three quarters of the current input;
// what comes out passes a SiLU.
func TestBlendByHand(t *testing.T) {
	silu := func(x float64) float32 { return float32(x / (1 + math.Exp(-x))) }
	y := newMat(make([]float32, 2), 1, 2)
	blend(newRunner(context.Background(), 1), nil, newMat([]float32{0, float32(math.Log(3))}, 1, 2), newMat([]float32{2, 4, 6, 8}, 1, 4), y)
	near(t, "blend", y.data, []float32{silu(4), silu(0.75*4 + 0.25*8)}, 1e-5)
}

// By hand: the pairs of 4 rotated dims turn by 1 and by base^(−2/4) radians a position.
func TestRotaryFrequencies(t *testing.T) {
	k := rotaryKey{dim: 4, base: 10000}
	for i, want := range []float64{1, 0.01} {
		if got := k.frequency(i); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("pair %d turns by %g, want %g", i, got, want)
		}
	}
}

// By hand: λ of zero vectors is λ_init, and layer 0 has 0.2.
func TestLambdaByHand(t *testing.T) {
	if init := lambdaInit(0); math.Abs(init-0.2) > 1e-12 {
		t.Errorf("λ_init(0) = %g", init)
	}
	if l := diffLambda(make([]float32, 8), 0.2); l != 0.2 {
		t.Errorf("λ = %g", l)
	}
	// q1·k1 = ln 3, q2·k2 = ln 2: λ = 3 − 2 + λ_init
	w := []float32{float32(math.Log(3)), 0, 1, 0, 0, float32(math.Log(2)), 0, 1}
	if l := diffLambda(w, 0.2); math.Abs(l-1.2) > 1e-6 {
		t.Errorf("λ = %g", l)
	}
}

// The counts of one layer by hand (docs/accounting.md): width 4, two heads on one kv
// head of 2, a step of 3 sequences as the fifth position.
func TestMeterByHand(t *testing.T) {
	m := &arch.Model{Width: 4, Vocab: 7, Layers: []arch.Layer{{Mixer: arch.Attention{Heads: 2, KVHeads: 1, HeadDim: 2}}}}
	s := start(t, m, Options{}, 3, 5)
	ctx := context.Background()
	if _, err := s.Prefill(ctx, [][]int{{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4}}); err != nil {
		t.Fatal(err)
	}
	s.Meter = &Meter{}
	if _, err := s.Step(ctx, []int{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	got := map[string]Counts{}
	for _, r := range s.Meter.Records() {
		got[r.Op] = r.Counts
	}
	counts := func(w, cr, cw, ar, aw, flops int64) Counts {
		return Counts{Read: [Kinds]int64{Weights: 4 * w, Cache: 4 * cr, Activations: 4 * ar}, Written: [Kinds]int64{Cache: 4 * cw, Activations: 4 * aw}, FLOPs: flops}
	}
	want := map[string]Counts{
		"embed":         counts(3*4, 0, 0, 0, 3*4, 0),
		"mixer_norm":    counts(4, 0, 0, 3*4, 3*4, 4*3*4),
		"attn.qkv":      counts(8*4, 0, 0, 3*4, 3*8, 2*3*8*4),
		"attn.kv_write": counts(0, 0, 3*4, 3*4, 0, 0),
		"attn.core":     counts(0, 3*5*4, 0, 3*4, 3*4, 4*(3*5)*4),
		"attn.out":      counts(4*4, 0, 0, 3*4+3*4, 3*4, 2*3*4*4+3*4),
		"final_norm":    counts(4, 0, 0, 3*4, 3*4, 4*3*4),
		"lm_head":       counts(7*4, 0, 0, 3*4, 3*7, 2*3*7*4),
	}
	for op, w := range want {
		if got[op] != w {
			t.Errorf("%s: %+v, want %+v", op, got[op], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d operations, want %d", len(got), len(want))
	}
}

// By hand: of three groups of two experts the two with the largest sum of scores are open,
// or those with the best single score; the others are never picked.
func TestGroupsByHand(t *testing.T) {
	scores := []float32{0.5, 0.5, 0.9, 0.01, 0.6, 0.2}
	for _, c := range []struct {
		max  bool
		open []bool
	}{{false, []bool{true, true, true, true, false, false}}, {true, []bool{false, false, true, true, true, true}}} {
		m := &moe{MoE: arch.MoE{Experts: 6, TopK: 2, Routing: arch.Routing{Groups: 3, TopGroups: 2, GroupMax: c.max}}}
		choice := append([]float32{}, scores...)
		m.closeGroups(choice)
		for e, v := range choice {
			if (v == scores[e]) != c.open[e] {
				t.Errorf("by the best score %v: expert %d of score %g has %g", c.max, e, scores[e], v)
			}
		}
	}
}

// A decode step over more keys than one piece takes is still softmax over all of them.
func TestLongDecodeIsSoftmax(t *testing.T) {
	in := AttentionInputs{Batch: 1, Seq: 2*coreChunk + 300, Heads: 2, KVHeads: 1, HeadDim: 4}
	in.Q, in.K, in.V = uniform(in.Seq*8), uniform(in.Seq*4), uniform(in.Seq*4)
	for i := range in.Q {
		in.Q[i] *= 6
	}
	got := Attend(context.Background(), in, in.Seq-1) // the last position as a step of its own
	want := plainAttention(in)
	near(t, "the last position", got[len(got)-8:], want[len(want)-8:], 1e-5)
}
