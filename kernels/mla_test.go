package kernels

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

func latentModel(a arch.MLA) *arch.Model {
	l := arch.Layer{Mixer: a, FFN: arch.MLP{Inner: 24, Gated: true}}
	return &arch.Model{Name: "latent", Width: 32, Vocab: 29, Layers: []arch.Layer{l, l, l}}
}

var smallLatent = arch.MLA{Heads: 3, QRank: 12, KVRank: 20, NopeDim: 10, RopeDim: 6, ValueDim: 7, Bias: true, RotaryBase: 10000}

func latentTokens(batch, n int) [][]int {
	out := make([][]int, batch)
	for b := range out {
		for i := range n {
			out[b] = append(out[b], (7*i*i+3*b+i)%29)
		}
	}
	return out
}

// oneByOne is the logits of the positions from half on: a prefill of half of them, a piece of
// three, then single steps.
func oneByOne(t *testing.T, m *arch.Model, tokens [][]int, half int) [][]float32 {
	t.Helper()
	ctx := context.Background()
	n := len(tokens[0])
	s := start(t, m, Options{Seed: 3}, len(tokens), n)
	for _, cut := range [][2]int{{0, half}, {half, half + 3}} {
		var part [][]int
		for _, seq := range tokens {
			part = append(part, seq[cut[0]:cut[1]])
		}
		if _, err := s.Prefill(ctx, part); err != nil {
			t.Fatal(err)
		}
	}
	var out [][]float32
	for i := half + 3; i < n; i++ {
		var step []int
		for _, seq := range tokens {
			step = append(step, seq[i])
		}
		logits, err := s.Step(ctx, step)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range logits {
			out = append(out, slices.Clone(l))
		}
	}
	return out
}

// The absorbed form of decode steps gives what the expanded form of one pass gives, with an
// indexer that picks few positions too.
func TestLatentFormsAgree(t *testing.T) {
	direct := smallLatent
	direct.QRank, direct.Bias = 0, false
	picky := smallLatent
	picky.IndexTopK, picky.IndexHeads, picky.IndexDim = 4, 2, 8
	for name, a := range map[string]arch.MLA{"latent queries": smallLatent, "direct queries": direct, "picks 4": picky} {
		t.Run(name, func(t *testing.T) {
			const batch, n, half = 2, 17, 6
			m, tokens := latentModel(a), latentTokens(batch, n)
			s := start(t, m, Options{Seed: 3}, batch, n)
			tr, err := s.Forward(context.Background(), tokens)
			if err != nil {
				t.Fatal(err)
			}
			got := oneByOne(t, m, tokens, half)
			for i := half + 3; i < n; i++ {
				for b := range batch {
					near(t, fmt.Sprintf("sequence %d position %d", b, i), got[(i-half-3)*batch+b], tr.Logits[b*n+i], 2e-5)
				}
			}
		})
	}
}

// An indexer that picks as many positions as there are changes nothing; one that picks
// fewer does.
func TestIndexerThatPicksAllChangesNothing(t *testing.T) {
	const n = 12
	tokens := latentTokens(1, n)
	run := func(topK int) []float32 {
		a := smallLatent
		if topK > 0 {
			a.IndexTopK, a.IndexHeads, a.IndexDim = topK, 2, 8
		}
		s := start(t, latentModel(a), Options{Seed: 5}, 1, n)
		out, err := s.Prefill(context.Background(), tokens)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out[0])
	}
	all := run(0)
	near(t, "picks all", run(n), all, 2e-5)
	few := run(2)
	same := true
	for i := range few {
		same = same && few[i] == all[i]
	}
	if same {
		t.Error("picking two of twelve positions changed nothing")
	}
}

// Scores that are equal pick the earlier positions; the list is ascending.
func TestBestPlaces(t *testing.T) {
	for _, c := range []struct {
		scores []float32
		k      int
		want   []int
	}{
		{[]float32{3, 1, 2}, 5, []int{0, 1, 2}},
		{[]float32{3, 1, 2}, 2, []int{0, 2}},
		{[]float32{1, 2, 2, 2}, 2, []int{1, 2}},
	} {
		if got := best(c.scores, c.k); !slices.Equal(got, c.want) {
			t.Errorf("best %d of %v: %v, want %v", c.k, c.scores, got, c.want)
		}
	}
}

// SparseMixer by hand: the second expert's share is taken without the first, and scores
// further away than allowed have no part.
func TestMixerPicks(t *testing.T) {
	scores := []float32{2, 1.99, 0.5, 1}
	experts, shares := make([]int32, 2), make([]float32, 2)
	mixerPicks(slices.Clone(scores), scores, experts, shares, 0.02)
	if !slices.Equal(experts, []int32{0, 1}) {
		t.Fatalf("picked %v", experts)
	}
	near(t, "shares", shares, []float32{1 / (1 + exp32(-0.01)), 1}, 1e-6)
}

// Scores of latent attention are over the root of a whole query head, rotated part included,
// unless the model says otherwise.
func TestLatentScale(t *testing.T) {
	for scale, want := range map[float64]float64{0: 0.25, 0.3: 0.3} { // 1/√(10 + 6)
		a := smallLatent
		a.Numerics.Scale = scale
		m := start(t, latentModel(a), Options{Seed: 3}, 1, 4).model
		if got := m.layers[0].mixers[0].(*mla).scale; math.Abs(float64(got)-want) > 1e-7 {
			t.Errorf("scale %g: %g, want %g", scale, got, want)
		}
	}
}
