package kernels

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/kernels/internal/layouts"
)

func randomModel(t *rapid.T) *arch.Model {
	m := layouts.Random(func(what string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, what) })
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	return m
}

func randomTokens(t *rapid.T, batch, n, vocab int) [][]int {
	out := make([][]int, batch)
	for i := range out {
		out[i] = rapid.SliceOfN(rapid.IntRange(0, vocab-1), n, n).Draw(t, "tokens")
	}
	return out
}

// near fails unless a and b agree to a relative error, in norm.
func near(t rapid.TB, what string, a, b []float32, tolerance float64) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%s: %d numbers against %d", what, len(a), len(b))
	}
	var diff, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	if e := math.Sqrt(diff / max(norm, 1e-12)); !(e <= tolerance) {
		t.Fatalf("%s: relative error %g\n%v\n%v", what, e, a, b)
	}
}

func start(t rapid.TB, m *arch.Model, o Options, batch, context int) *Session {
	t.Helper()
	model, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := model.Start(batch, context)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cut(tokens [][]int, from, to int) [][]int {
	out := make([][]int, len(tokens))
	for i := range tokens {
		out[i] = tokens[i][from:to]
	}
	return out
}

// Prefill in any pieces, skipping or not, then steps, gives at every position what one
// full forward pass gives.
func TestPrefillThenStepsIsOneForward(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		m := randomModel(t)
		batch, n := rapid.IntRange(1, 3).Draw(t, "batch"), rapid.IntRange(2, 20).Draw(t, "n")
		tokens := randomTokens(t, batch, n, m.Vocab)
		full := start(t, m, Options{Seed: 7, Prefill: execution.Full}, batch, n)
		tr, err := full.Forward(ctx, tokens)
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, m, Options{
			Seed: 7, Prefill: execution.PrefillMode(rapid.IntRange(0, 1).Draw(t, "mode")),
			KVRead:     execution.KVRead(rapid.IntRange(0, 2).Draw(t, "kv_read")),
			DiffKernel: execution.DiffKernel(rapid.IntRange(0, 1).Draw(t, "diff_variant")),
		}, batch, n+3)
		for s.Positions() < n {
			from := s.Positions()
			to := from + 1
			var got [][]float32
			if rapid.Bool().Draw(t, "prefill") {
				to = rapid.IntRange(from+1, n).Draw(t, "to")
				got, err = s.Prefill(ctx, cut(tokens, from, to))
			} else {
				one := make([]int, batch)
				for b := range one {
					one[b] = tokens[b][from]
				}
				got, err = s.Step(ctx, one)
			}
			if err != nil {
				t.Fatal(err)
			}
			for b := range batch {
				near(t, "logits", got[b], tr.Logits[b*n+to-1], 2e-4)
			}
		}
	})
}

// What one sequence says changes nothing in another.
func TestBatchRowsDoNotLeak(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		m := randomModel(t)
		n := rapid.IntRange(2, 12).Draw(t, "n")
		tokens := randomTokens(t, 3, n, m.Vocab)
		run := func(tokens [][]int) [][]float32 {
			s := start(t, m, Options{Seed: 3}, 3, n)
			if _, err := s.Prefill(ctx, cut(tokens, 0, n-1)); err != nil {
				t.Fatal(err)
			}
			out, err := s.Step(ctx, []int{tokens[0][n-1], tokens[1][n-1], tokens[2][n-1]})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		a := run(tokens)
		other := randomTokens(t, 1, n, m.Vocab)
		b := run([][]int{tokens[0], other[0], tokens[2]})
		for _, row := range []int{0, 2} {
			for i := range a[row] {
				if a[row][i] != b[row][i] {
					t.Fatalf("row %d changed with row 1: %g, %g", row, a[row][i], b[row][i])
				}
			}
		}
	})
}

// Results do not depend on the number of cores, bit by bit.
func TestCoresDoNotMatter(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		m := randomModel(t)
		tokens := randomTokens(t, 2, 9, m.Vocab)
		var first [][]float32
		for _, cores := range []int{1, 3} {
			s := start(t, m, Options{Seed: 3, Cores: cores}, 2, 9)
			out, err := s.Prefill(ctx, tokens)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = out
				continue
			}
			for b := range out {
				for i := range out[b] {
					if out[b][i] != first[b][i] {
						t.Fatalf("%d cores: %g, 1 core: %g", cores, out[b][i], first[b][i])
					}
				}
			}
		}
	})
}

// A window is a ring: with a context of all positions in the window it is full
// attention, and positions beyond it do not matter.
func TestWindowForgets(t *testing.T) {
	ctx := context.Background()
	for _, window := range []int{1, 2, 7, 8} {
		m := &arch.Model{Width: 16, Vocab: 11, Layers: []arch.Layer{{Mixer: arch.Attention{Heads: 2, KVHeads: 1, HeadDim: 8, Window: window}}}}
		for _, n := range []int{window - 1, window, window + 1, 2*window + 1, 3 * window} {
			if n < 1 {
				continue
			}
			run := func(first int) []float32 {
				s := start(t, m, Options{}, 1, n+1)
				var out [][]float32
				var err error
				for i := range n {
					token := (3*i + 1) % 11
					if i == 0 {
						token = first
					}
					if out, err = s.Step(ctx, []int{token}); err != nil {
						t.Fatal(err)
					}
				}
				return out[0]
			}
			a, b := run(1), run(2)
			same := true
			for i := range a {
				same = same && a[i] == b[i]
			}
			if seen := n <= window; same == seen {
				t.Errorf("window %d, position %d: first token seen %v, want %v", window, n, !same, seen)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	m := &arch.Model{Width: 8, Vocab: 5, Layers: []arch.Layer{{FFN: arch.MLP{Inner: 8}}}}
	model, err := New(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := model.Start(2, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		tokens [][]int
		want   string
	}{
		{[][]int{{1}}, "1 sequences given to a batch of 2"},
		{[][]int{{1}, {5}}, "token 5 is outside the vocabulary of 5"},
		{[][]int{{1}, {-1}}, "token -1 is outside"},
		{[][]int{{1}, {1, 2}}, "sequences of 1 and 2 tokens"},
		{[][]int{{}, {}}, "no tokens"},
		{[][]int{{1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}}, "5 positions are more than the session's 4"},
	} {
		if _, err := s.Prefill(context.Background(), tc.tokens); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v, want %q", tc.tokens, err, tc.want)
		}
	}
	big := &arch.Model{Width: 1 << 20, Vocab: 1 << 20, Layers: m.Layers}
	if _, err := New(big, Options{}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a model of 4 TiB was made: %v", err)
	}
	if _, err := New(m, Options{Weights: map[string][]float32{"embed": nil}}); err == nil {
		t.Error("weights that do not fit were taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Step(ctx, []int{1, 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped session: %v", err)
	}
	if _, err := s.Step(context.Background(), []int{1, 1}); err == nil {
		t.Error("a session goes on after it was stopped")
	}
}
