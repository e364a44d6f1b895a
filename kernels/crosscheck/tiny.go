package crosscheck

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/kernels"
)

// TinyResult is how a small twin of a model fared when it was executed.
type TinyResult struct {
	Model  string `json:"model"`
	Layers int    `json:"layers"`
	Params int64  `json:"params"` // of the twin
	// MaxRelErr is how far the logits of a prefill followed by single steps are from those
	// of one pass over the same tokens, ‖a−b‖/‖b‖.
	MaxRelErr  float64 `json:"max_rel_err"`
	Operations int     `json:"operations"`         // (layer, operation) pairs counted
	Mismatch   string  `json:"mismatch,omitempty"` // first count that is not as predicted
	OK         bool    `json:"ok"`
}

// tinyTolerance is the largest error of a twin: float32 sums in another order.
const tinyTolerance = 1e-4

// Tiny executes a small twin of each model with random weights: one pass over 24 tokens
// against a prefill of 15 and steps, and every byte and FLOP counted against the cost model.
func Tiny(ctx context.Context, models []*arch.Model, seed uint64, progress Progress) ([]TinyResult, error) {
	var out []TinyResult
	for i, m := range models {
		r, err := tiny(ctx, m, seed)
		if err != nil {
			return out, err
		}
		out = append(out, r)
		progress.report(i+1, len(models))
	}
	return out, nil
}

func tiny(ctx context.Context, m *arch.Model, seed uint64) (TinyResult, error) {
	r := TinyResult{Model: m.Name, Layers: len(m.Layers)}
	twin, err := arch.Tiny(m)
	if err != nil {
		return r, err
	}
	r.Params = twin.Params().Total
	if r.MaxRelErr, err = stepsAgainstPass(ctx, twin, seed); err != nil {
		return r, err
	}
	var counted CountsResult
	for batch := 1; batch <= 2 && r.Mismatch == ""; batch++ {
		o := kernels.Options{}
		c := countCase{model: twin, kernels: o, cost: costOptions(o), batch: batch, calls: []int{15, 1, 1, 6, 1}, seed: seed}
		if r.Mismatch, err = c.run(ctx, &counted); err != nil {
			return r, err
		}
	}
	r.Operations = counted.Operations
	r.OK = r.Mismatch == "" && r.MaxRelErr < tinyTolerance
	return r, nil
}

// stepsAgainstPass is the relative error of a prefill with steps against one pass.
func stepsAgainstPass(ctx context.Context, m *arch.Model, seed uint64) (float64, error) {
	const total, prompt = 24, 15
	model, err := kernels.New(m, kernels.Options{Seed: seed})
	if err != nil {
		return 0, err
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	tokens := make([]int, total)
	for i := range tokens {
		tokens[i] = rng.IntN(m.Vocab)
	}
	whole, err := model.Start(1, total)
	if err != nil {
		return 0, err
	}
	trace, err := whole.Forward(ctx, [][]int{tokens})
	if err != nil {
		return 0, err
	}
	s, err := model.Start(1, total)
	if err != nil {
		return 0, err
	}
	out, err := s.Prefill(ctx, [][]int{tokens[:prompt]})
	if err != nil {
		return 0, err
	}
	got := slices.Clone(out[0])
	for _, token := range tokens[prompt:] {
		if out, err = s.Step(ctx, []int{token}); err != nil {
			return 0, err
		}
		got = append(got, out[0]...)
	}
	var diff, norm float64
	for i, want := range slices.Concat(trace.Logits[prompt-1:]...) {
		d := float64(got[i]) - float64(want)
		diff += d * d
		norm += float64(want) * float64(want)
	}
	if e := math.Sqrt(diff / norm); !math.IsNaN(e) {
		return e, nil
	}
	return 0, fmt.Errorf("%s: the logits are not numbers", m.Name)
}
