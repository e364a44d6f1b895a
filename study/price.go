package study

import (
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
)

// All calls that price something are in this file, so that a change to how the cost model is
// called changes only this file of the package.

// priced is a time in seconds with the bounds of its 90 % interval, which are nil where the
// fidelity was not fitted to measurements.
type priced struct {
	seconds   float64
	low, high *float64
}

// step prices one decode step of batch sequences that have context tokens each.
func (s *Setup) step(c *costmodel.Compiled, batch, context int) priced {
	return s.mean(c, batch, context-1, 1)
}

// mean prices the mean decode step of batch sequences that each generate tokens after a prompt.
func (s *Setup) mean(c *costmodel.Compiled, batch, prompt, generate int) priced {
	w := costmodel.Workload{Prompt: prompt, Generate: generate, Batch: batch}
	at := c.At(s.Fidelity)
	p := priced{seconds: at.Generation(w) / float64(generate)}
	if low, high, ok := at.Interval(w); ok {
		p.low, p.high = &low, &high
	}
	return p
}

// prefill returns the time of one prefill of batch prompts, in seconds.
func (s *Setup) prefill(c *costmodel.Compiled, batch, prompt int) float64 {
	return c.At(s.Fidelity).Prefill(costmodel.Workload{Prompt: prompt, Generate: 1, Batch: batch, Cached: c.Reusable(prompt, s.Load.PrefixShare)})
}

// served returns the mean time per token with concurrency requests always in flight, in seconds.
func (s *Setup) served(c *costmodel.Compiled, concurrency int) float64 {
	w := s.Load.WithBatch(concurrency)
	w.Cached = c.Reusable(w.Prompt, w.PrefixShare)
	return c.ServedTPOT(w)
}

// Compare prices the setup's models as the compare command does; the first model is the baseline.
func (s *Setup) Compare() ([]costmodel.Row, error) {
	rows, err := costmodel.Compare(s.Compiled, s.Fidelity, s.Load)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		x := s.Speculation[rows[i].Compiled]
		if x == nil {
			continue
		}
		w := rows[i].Workload
		if s.Load.Batch == 0 { // the largest that fits with what drafts
			w.Batch = 0
		}
		if rows[i].Speculative, err = rows[i].Compiled.Speculate(rows[i].Fidelity, w, *x); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// basis says which measurements a model's times rest on.
func (s *Setup) basis(c *costmodel.Compiled) string { return c.At(s.Fidelity).Basis() }

// Operations lists the operations of a mean decode step, each with its time at the setup's
// fidelity and its share of the step. The time that a serving engine adds to calibrated steps is
// an operation called engine.
func (s *Setup) Operations(c *costmodel.Compiled) []costmodel.OpCost {
	w, _ := c.Fill(s.Load)
	if !s.measured(c) {
		return c.At(costmodel.Roofline).Ops(w)
	}
	ops := append(c.At(costmodel.Calibrated).Ops(w), costmodel.OpCost{Name: "engine", Seconds: c.EngineSeconds(w.Batch)})
	sum := 0.0
	for i := range ops {
		sum += ops[i].Seconds
	}
	for i := range ops {
		ops[i].Share = ops[i].Seconds / sum
	}
	return ops
}

// batch returns the load's batch, or the largest that fits at the given lengths where the load's
// is max (0 where none fits), and whether it fits.
func (s *Setup) batch(c *costmodel.Compiled, prompt, generate int) (batch int, fits bool) {
	w, fits := c.Fill(costmodel.Workload{Prompt: prompt, Generate: generate, Batch: s.Load.Batch})
	if s.Load.Batch == 0 && !fits {
		return 0, false
	}
	return w.Batch, fits
}

// measured reports whether a model's times were fitted to measured kernels.
func (s *Setup) measured(c *costmodel.Compiled) bool {
	return c.Fidelity(s.Fidelity) == costmodel.Calibrated && s.basis(c) != costmodel.DatasheetOnly
}

// WithRatio compiles a model again with another GMU ratio: the possible ratio of its
// cross-decoder that is nearest to the one asked for.
func WithRatio(c *costmodel.Compiled, ratio float64) (*costmodel.Compiled, error) {
	m, err := family.WithGMURatio(c.Model, ratio)
	if err != nil {
		return nil, err
	}
	return costmodel.Compile(m, c.Hardware, c.Options)
}
