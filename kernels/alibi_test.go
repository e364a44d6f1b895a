package kernels

import (
	"context"
	"math"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// The slopes as the paper gives them for 8 heads, and for 12, where the last four are every
// other one of those of 16.
func TestAlibiSlopes(t *testing.T) {
	for heads, powers := range map[int][]float64{
		8:  {1, 2, 3, 4, 5, 6, 7, 8},
		12: {1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5},
	} {
		for h, s := range alibiSlopes(heads, arch.AttentionNumerics{}) {
			if want := math.Exp2(-powers[h]); math.Abs(s-want) > 1e-15 {
				t.Errorf("head %d of %d: %g, want %g", h, heads, s, want)
			}
		}
	}
	if s := alibiSlopes(8, arch.AttentionNumerics{AlibiMax: 16, AlibiScale: 3}); s[0] != 3.0/4 {
		t.Errorf("bound 16 and a factor of 3: %g, want 3/4", s[0])
	}
}

// With queries of 0 the scores are the slopes alone: the last of three positions takes the three
// values in the ratio of e^(−2m), e^(−m) and 1.
func TestAlibiByHand(t *testing.T) {
	m := &arch.Model{Name: "alibi", Width: 4, Vocab: 3, Tied: true, Layers: []arch.Layer{
		{Mixer: arch.Attention{Heads: 2, KVHeads: 2, HeadDim: 2, Alibi: true}},
	}}
	w := map[string][]float32{}
	for _, x := range Tensors(m) {
		w[x.Name] = draw(x, 1)
	}
	qkv := w["layers.0.mixer.qkv"]
	clear(qkv[:4*4])
	model, err := New(m, Options{Weights: w})
	if err != nil {
		t.Fatal(err)
	}
	s, err := model.Start(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	tokens := []int{2, 0, 1}
	tr, err := s.Forward(context.Background(), [][]int{tokens})
	if err != nil {
		t.Fatal(err)
	}
	var inner [4]float64
	for h := range 2 {
		slope := math.Exp2(-8 * float64(h+1) / 2)
		sum := 0.0
		for p, id := range tokens {
			share := math.Exp(-slope * float64(2-p))
			sum += share
			e := w["embed"][id*4 : id*4+4]
			var sq float64
			for _, v := range e {
				sq += float64(v) * float64(v)
			}
			for d := range 2 {
				row := qkv[(8+2*h+d)*4:]
				for j, v := range e {
					inner[2*h+d] += share * float64(row[j]) * float64(v) / math.Sqrt(sq/4+1e-5) * float64(w["layers.0.mixer_norm"][j])
				}
			}
		}
		inner[2*h], inner[2*h+1] = inner[2*h]/sum, inner[2*h+1]/sum
	}
	for i := range 4 {
		want := float64(w["embed"][tokens[2]*4+i])
		for j, v := range inner {
			want += float64(w["layers.0.mixer.out"][i*4+j]) * v
		}
		if got := float64(tr.Hidden[0][2*4+i]); math.Abs(got-want) > 1e-5 {
			t.Errorf("element %d: %g, want %g", i, got, want)
		}
	}
}

// A norm whose weights are those of all heads norms each head by itself with its own.
func TestNormsOfEachHead(t *testing.T) {
	x := newMat([]float32{3, 1, -2, 6}, 1, 4)
	headNorm(newRunner(context.Background(), 1), nil, x, x, &norm{w: []float32{1, 2, 3, 4}, b: []float32{0, 0, 10, 20}, centre: true}, 2)
	for i, want := range []float64{1, -2, 10 - 3, 20 + 4} { // (3,1) is ±1 around 2; (−2,6) ∓1 around 2
		if got := float64(x.row(0)[i]); math.Abs(got-want) > 1e-5 {
			t.Errorf("element %d: %g, want %g", i, got, want)
		}
	}
}
