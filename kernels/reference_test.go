package kernels

import (
	"context"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
)

// The gated delta rule written out, position by position: with decay e^g and rate β,
//
//	S = e^g·S, S = S + β·k ⊗ (v − Sᵀk), o = Sᵀq·scale
func TestGatedDeltaIsItsRecurrence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string, most int) int { return rapid.IntRange(1, most).Draw(t, name) }
		kh := n("key heads", 2)
		in := DeltaInputs{Batch: n("batch", 2), Seq: n("positions", 7), KHeads: kh, VHeads: kh * n("values of a key", 2), KDim: n("key", 9), VDim: n("value", 9), QScale: 0.3}
		rows := in.Batch * in.Seq
		in.Q, in.K, in.V = uniform(rows*kh*in.KDim), uniform(rows*kh*in.KDim), uniform(rows*in.VHeads*in.VDim)
		in.Beta, in.G = uniform(rows*in.VHeads), uniform(rows*in.VHeads)
		for i := range in.G {
			in.G[i] = -float32(math.Abs(float64(in.G[i])))
		}
		wantOut, wantState := make([]float32, len(in.V)), make([]float32, in.Batch*in.VHeads*in.KDim*in.VDim)
		for b := range in.Batch {
			for h := range in.VHeads {
				s := make([][]float64, in.KDim)
				for i := range s {
					s[i] = make([]float64, in.VDim)
				}
				for p := range in.Seq {
					r := b*in.Seq + p
					kHead := h / (in.VHeads / kh)
					q, k := in.Q[(r*kh+kHead)*in.KDim:], in.K[(r*kh+kHead)*in.KDim:]
					v := in.V[(r*in.VHeads+h)*in.VDim:]
					beta, decay := float64(in.Beta[r*in.VHeads+h]), math.Exp(float64(in.G[r*in.VHeads+h]))
					for j := range in.VDim {
						seen := 0.0
						for i := range s {
							s[i][j] *= decay
							seen += s[i][j] * float64(k[i])
						}
						o := 0.0
						for i := range s {
							s[i][j] += beta * float64(k[i]) * (float64(v[j]) - seen)
							o += s[i][j] * float64(q[i])
						}
						wantOut[(r*in.VHeads+h)*in.VDim+j] = float32(o * 0.3)
					}
				}
				for i := range s {
					for j := range s[i] {
						wantState[((b*in.VHeads+h)*in.KDim+i)*in.VDim+j] = float32(s[i][j])
					}
				}
			}
		}
		out, state := GatedDelta(context.Background(), in)
		near(t, "output", out, wantOut, 1e-5)
		near(t, "state", state, wantState, 1e-5)
	})
}

// Both gated memory units written out.
func TestGatedMemoryIsItsFormula(t *testing.T) {
	product := func(w, x []float32, bias []float32, out, in int) []float64 {
		y := make([]float64, out)
		for o := range y {
			if bias != nil {
				y[o] = float64(bias[o])
			}
			for i := range in {
				y[o] += float64(w[o*in+i]) * float64(x[i])
			}
		}
		return y
	}
	single := func(x []float64) []float32 {
		y := make([]float32, len(x))
		for i, v := range x {
			y[i] = float32(v)
		}
		return y
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	rapid.Check(t, func(t *rapid.T) {
		rows, w, d := rapid.IntRange(1, 4).Draw(t, "rows"), rapid.IntRange(1, 20).Draw(t, "width"), rapid.IntRange(1, 20).Draw(t, "memory")
		in := GMUInputs{Rows: rows, Width: w, DMem: d, X: uniform(rows * w), Memory: uniform(rows * d), In: uniform(d * w), Out: uniform(w * d), Eps: 0.1}
		if rapid.Bool().Draw(t, "normed") {
			in.Norm = uniform(d)
		}
		var want []float32
		for r := range rows {
			g := product(in.In, in.X[r*w:], nil, d, w)
			square := 0.0
			for i := range g {
				g[i] = float64(in.Memory[r*d+i]) * g[i] * sigmoid(g[i])
				square += g[i] * g[i]
			}
			if in.Norm != nil {
				for i := range g {
					g[i] *= float64(in.Norm[i]) / math.Sqrt(square/float64(d)+0.1)
				}
			}
			want = append(want, single(product(in.Out, single(g), nil, w, d))...)
		}
		near(t, "gated memory", GatedMemory(context.Background(), in), want, 1e-5)

		s := SigmoidGMUInputs{Rows: rows, Width: w, X: uniform(rows * w), Mixed: uniform(rows * w), Weights: map[string][]float32{}, Biases: map[string][]float32{}}
		for name, inner := range map[string]int{"current": w, "mixed": w, "gate": 2 * w, "out": w} {
			s.Weights[name], s.Biases[name] = uniform(w*inner), uniform(w)
		}
		want = nil
		for r := range rows {
			c, m := product(s.Weights["current"], s.X[r*w:], s.Biases["current"], w, w), product(s.Weights["mixed"], s.Mixed[r*w:], s.Biases["mixed"], w, w)
			gate := product(s.Weights["gate"], single(append(append([]float64{}, c...), m...)), s.Biases["gate"], w, 2*w)
			y := make([]float64, w)
			for i := range y {
				g := sigmoid(gate[i])
				v := g*c[i] + (1-g)*m[i]
				y[i] = v * sigmoid(v)
			}
			want = append(want, single(product(s.Weights["out"], single(y), s.Biases["out"], w, w))...)
		}
		near(t, "sigmoid unit", SigmoidGatedMemory(context.Background(), s), want, 1e-5)
	})
}

// Stretched rotary frequencies by hand: base 10,000 over 8 elements, pairs of 1, 1/10, 1/100 and
// 1/1000 radians a position.
func TestStretchedRotary(t *testing.T) {
	plain := []float64{1, 0.1, 0.01, 0.001}
	for _, tt := range []struct {
		name  string
		s     arch.RopeScaling
		share []float64 // of each frequency that stays; the rest is divided by the factor
	}{
		{"linear", arch.RopeScaling{Kind: arch.RopeLinear, Factor: 4}, []float64{0, 0, 0, 0}},
		// Of a context of 2π·100 positions pair 2 turns once around, pair 0 a hundred times: the
		// ramp from pair 0 to pair 2.
		{"yarn", arch.RopeScaling{Kind: arch.RopeYarn, Factor: 4, Original: 2 * math.Pi * 100, Fast: 100, Slow: 1}, []float64{1, 0.5, 0, 0}},
		{"yarn from pair 1 on, rounded outwards", arch.RopeScaling{Kind: arch.RopeYarn, Factor: 4, Original: 2 * math.Pi * 100, Fast: 9, Slow: 1.01, Truncate: true}, []float64{1, 1, 0, 0}},
		// Wavelengths are 2π·10^i; of an original context of 2π·100 those up to a tenth stay and
		// those over all of it are divided; in between the share falls with the inverse.
		{"llama3", arch.RopeScaling{Kind: arch.RopeLlama3, Factor: 4, Original: 2 * math.Pi * 100, Slow: 1, Fast: 19}, []float64{1, 0.5, 0, 0}},
	} {
		k := rotaryKey{dim: 8, base: 10000, scaling: tt.s}
		for i, f := range plain {
			want := f*tt.share[i] + f/4*(1-tt.share[i])
			if got := k.frequency(i); math.Abs(got/want-1) > 1e-9 {
				t.Errorf("%s: pair %d turns by %g, want %g", tt.name, i, got, want)
			}
		}
	}
	for _, tt := range []struct {
		s    arch.RopeScaling
		want float64
	}{
		{arch.RopeScaling{Kind: arch.RopeLinear, Factor: 4, Magnitude: 3}, 1}, {arch.RopeScaling{Kind: arch.RopeYarn, Factor: math.E}, 1.1},
		{arch.RopeScaling{Kind: arch.RopeYarn, Factor: 4, Magnitude: 3}, 3}, {arch.RopeScaling{Kind: arch.RopeYarn, Factor: 0.5}, 1},
	} {
		if got := (rotaryKey{dim: 8, base: 10000, scaling: tt.s}).magnitude(); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%+v: sines and cosines are scaled by %g, want %g", tt.s, got, tt.want)
		}
	}
	// Two pairs spread over eight elements: frequencies of eight, elements four apart.
	spread := rotaryKey{dim: 4, base: 10000, scaling: arch.RopeScaling{Spread: 8}}
	if f := spread.frequency(1); math.Abs(f-0.1) > 1e-12 {
		t.Errorf("the second of two spread pairs turns by %g, want 1/10", f)
	}
	x := newMat([]float32{1, 2, 3, 4, 0, 0, 0, 0}, 1, 8)
	newRotary(spread, 3).rotate(newRunner(context.Background(), 1), nil, x, 8, 2, 1)
	c, s := math.Cos(2), math.Sin(2)
	near(t, "spread", x.data, []float32{float32(c), float32(2 * math.Cos(0.2)), 3, 4, float32(s), float32(2 * math.Sin(0.2)), 0, 0}, 1e-6)
}

// By hand: queries grow with the logarithm of how many floors lie before them.
func TestTemperByHand(t *testing.T) {
	a := &attention{}
	a.Numerics.Temperature, a.Numerics.TemperatureFloor = 0.5, 4
	q := newMat([]float32{1, 1, 1, 1}, 4, 1)
	a.temper(q, 2, 2) // two sequences, positions 2 and 3: the fourth position fills the first floor
	f := float32(1 + 0.5*math.Log(2))
	near(t, "scaled queries", q.data, []float32{1, f, 1, f}, 1e-6)
}

// By hand: gpt-oss' gate is bounded by 7 above, its linear branch on both sides.
func TestClampedGateByHand(t *testing.T) {
	y := make([]float32, 4)
	clampedSwiGLU(y, []float32{0, 9, 9, -1}, []float32{5, 9, -9, 2})
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-1.702*x)) }
	near(t, "gate", y, []float32{0, float32(8 * 7 * sigmoid(7)), float32(-6 * 7 * sigmoid(7)), float32(-3 * sigmoid(-1))}, 1e-6)
}

// Values drawn for weights are of the size that trained ones have.
func TestDrawnWeights(t *testing.T) {
	within := func(name string, shape []int, low, high float64, sum float64) {
		t.Helper()
		w := draw(Tensor{Name: name, Shape: shape}, 3)
		total := 0.0
		for _, v := range w {
			if float64(v) < low || float64(v) > high {
				t.Errorf("%s: %g is not from %g to %g", name, v, low, high)
				return
			}
			total += float64(v)
		}
		if mean := total / float64(len(w)); math.Abs(mean-sum) > 0.02*(high-low) {
			t.Errorf("%s: a mean of %g, want about %g", name, mean, sum)
		}
		spread := 0.0
		for _, v := range w {
			spread = max(spread, math.Abs(float64(v)-(low+high)/2))
		}
		if spread < 0.48*(high-low) {
			t.Errorf("%s: values reach %g from the middle of %g to %g", name, spread, low, high)
		}
	}
	within("layers.0.mixer.qkv", []int{100, 75}, -0.2, 0.2, 0) // √(3/75)
	within("embed", []int{100, 75}, -1, 1, 0)
	within("layer_embed", []int{100, 75}, -1, 1, 0)
	within("layers.0.mixer_norm", []int{5000}, 0.9, 1.1, 1)
	within("layers.0.mixer.inner_norms", []int{5000}, 0.9, 1.1, 1)
	within("layers.0.mixer.d", []int{5000}, 0.9, 1.1, 1)
	within("layers.0.mixer.lambda", []int{4, 2000}, -0.1, 0.1, 0)
	within("layers.0.ffn.up_bias", []int{5000}, -0.1, 0.1, 0)
	within("layers.0.mixer.a_log", []int{5000}, 0, math.Log(16), 1.96) // the mean logarithm of 1 to 16
	for i, v := range draw(Tensor{Name: "mixer.a_log", Shape: []int{3, 4}}, 3) {
		if want := math.Log(float64(i%4 + 1)); math.Abs(float64(v)-want) > 1e-6 {
			t.Errorf("decay rate %d is e^%g, want %d", i, v, i%4+1)
		}
	}
	// Behind softplus, time steps are spread evenly in their logarithms from 1/1000 to 1/10.
	sum, n := 0.0, 5000
	for _, v := range draw(Tensor{Name: "mixer.dt_bias", Shape: []int{n}}, 3) {
		dt := math.Log1p(math.Exp(float64(v)))
		if dt < 0.00099 || dt > 0.101 {
			t.Fatalf("a time step of %g", dt)
		}
		sum += math.Log10(dt)
	}
	if mean := sum / float64(n); math.Abs(mean+2) > 0.03 {
		t.Errorf("time steps of 10^%g in the mean, want 10^−2", mean)
	}
	a, b := draw(Tensor{Name: "a.up", Shape: []int{4, 4}}, 3), draw(Tensor{Name: "b.up", Shape: []int{4, 4}}, 3)
	if a[0] == b[0] || a[0] == draw(Tensor{Name: "a.up", Shape: []int{4, 4}}, 4)[0] {
		t.Error("tensors of other names or seeds are the same")
	}
}

// A session that is filled is at its position, with a state and caches that hold something.
func TestFillStandsAtItsPosition(t *testing.T) {
	m := &arch.Model{Width: 8, Vocab: 11, Layers: []arch.Layer{{Mixer: arch.Attention{Heads: 2, KVHeads: 1, HeadDim: 4}}, {Mixer: arch.Attention{Heads: 2, KVHeads: 1, HeadDim: 4, Window: 3}},
		{Mixer: arch.Mamba1{DInner: 8, DState: 3, DConv: 4, DtRank: 2}}}}
	ctx := context.Background()
	s := start(t, m, Options{}, 2, 10)
	if err := s.Fill(ctx, 11); err == nil {
		t.Error("11 positions of 10 were filled")
	}
	if err := s.Fill(ctx, -1); err == nil {
		t.Error("−1 positions were filled")
	}
	if err := s.Fill(ctx, 6); err != nil || s.Positions() != 6 {
		t.Fatalf("at %d: %v", s.Positions(), err)
	}
	full, ring := s.layers[0].mixers[0].cache, s.layers[1].mixers[0].cache
	zeros := func(x []float32) (n int) {
		for _, v := range x {
			if v == 0 {
				n++
			}
			if v < -1 || v > 1 {
				t.Errorf("filled with %g", v)
			}
		}
		return n
	}
	if n := zeros(full.k); n != 2*4*4 { // four positions of two sequences are to come
		t.Errorf("%d of the keys are zero, want those of 4 positions", n)
	}
	if n := zeros(full.v); n != 2*4*4 {
		t.Errorf("%d of the values are zero, want those of 4 positions", n)
	}
	if zeros(ring.k)+zeros(ring.v) != 0 {
		t.Error("the window is not full")
	}
	if st := s.layers[2].mixers[0]; zeros(st.conv)+zeros(st.state) != 0 {
		t.Error("the states are not filled")
	}
	s.Meter = &Meter{}
	if _, err := s.Step(ctx, []int{1, 2}); err != nil || s.Positions() != 7 {
		t.Fatalf("at %d: %v", s.Positions(), err)
	}
	for _, r := range s.Meter.Records() {
		if r.Op == "attn.core" {
			if want := int64(4 * 2 * 2 * 4 * map[int]int{0: 7, 1: 3}[r.Layer]); r.Read[Cache] != want {
				t.Errorf("layer %d reads %d B of its cache, want %d", r.Layer, r.Read[Cache], want)
			}
		}
	}
	if err := s.Fill(ctx, 2); err != nil || s.Positions() != 2 {
		t.Errorf("going back: at %d, %v", s.Positions(), err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Fill(stopped, 5); err == nil {
		t.Error("a stopped session was filled")
	}
	s.Free()
	if _, err := s.Step(ctx, []int{1, 2}); err == nil {
		t.Error("a session that is free goes on")
	}
}

// Sessions say what they take, and models too large are refused at the byte.
func TestSizesOfModelsAndSessions(t *testing.T) {
	m := &arch.Model{Width: 8, Vocab: 11, Layers: []arch.Layer{{Mixer: arch.Attention{Heads: 2, KVHeads: 1, HeadDim: 4, Window: 3}}, {Mixer: arch.Mamba1{DInner: 8, DState: 3, DConv: 4, DtRank: 2}}, {Mixer: arch.Attention{Heads: 2, KVHeads: 1, HeadDim: 4}}}}
	bytes := int64(0)
	for _, x := range Tensors(m) {
		bytes += 4 * int64(x.Elements())
	}
	if bytes != 4*m.Params().Total {
		t.Errorf("tensors of %d B, want 4 for each of %d parameters", bytes, m.Params().Total)
	}
	if _, err := New(m, Options{MaxBytes: bytes - 1}); err == nil {
		t.Error("a model one byte too large was made")
	}
	model, err := New(m, Options{MaxBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	// Three positions of a window and ten without, keys and values of 4; states of 24 and 24.
	if got, want := model.SessionBytes(2, 10), 4.0*2*(3*8+10*8+24+24); got != want {
		t.Errorf("a session takes %g B, want %g", got, want)
	}
	if got, want := model.SessionBytes(2, 2), 4.0*2*(2*8+2*8+24+24); got != want {
		t.Errorf("a short session takes %g B, want %g", got, want)
	}
	for _, tt := range []struct{ batch, context int }{{0, 5}, {5, 0}, {1 << 20, 1 << 20}} {
		if _, err := model.Start(tt.batch, tt.context); err == nil {
			t.Errorf("a session of %d sequences and %d positions was made", tt.batch, tt.context)
		}
	}
	if n := elementsOf(Tensor{Shape: []int{1 << 40, 1 << 40}}); n != math.MaxInt64/8 {
		t.Errorf("too many elements come to %d", n)
	}
	if n := elementsOf(Tensor{Shape: []int{3, 0, 5}}); n != 0 {
		t.Errorf("no elements come to %d", n)
	}
}

// Of equal scores the earlier places are picked, and all where there are no more than asked for.
func TestTiesGoToTheEarlierPlace(t *testing.T) {
	for _, tt := range []struct {
		scores []float32
		k      int
		want   string
	}{{[]float32{1, 1, 1, 1, 1}, 2, "[0 1]"}, {[]float32{1, 3, 2, 3, 0}, 2, "[1 3]"}, {[]float32{1, 3, 2, 3, 0}, 3, "[1 2 3]"}, {[]float32{2, 1, 2, 2}, 2, "[0 2]"}, {[]float32{5, 6}, 2, "[0 1]"}, {[]float32{5, 6}, 9, "[0 1]"}} {
		if got := fmt.Sprint(best(tt.scores, tt.k)); got != tt.want {
			t.Errorf("the best %d of %v are at %s, want %s", tt.k, tt.scores, got, tt.want)
		}
	}
	many := make([]float32, 300) // all alike
	if got := best(many, 40); got[0] != 0 || got[39] != 39 {
		t.Errorf("of 300 alike the best 40 are at %v", got)
	}
}
