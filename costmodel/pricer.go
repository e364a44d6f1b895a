package costmodel

import "slices"

// Pricer says how long a compiled model takes, in seconds, at one fidelity. Compiled.At
// returns one. Pricing a point allocates nothing (lists of operations do, and mixed steps of
// several groups or stages), and a Pricer is safe for concurrent use.
type Pricer interface {
	Fidelity() Fidelity

	// Basis says what the times rest on: the datasheet, or measurements of which GPU, and
	// in parentheses what of them was not measured there or at all.
	Basis() string

	// Step is one decode step of batch sequences that each see context positions, the new
	// one included.
	Step(batch, context int) float64

	// Generation is all decode steps of a workload: the sum of those that see Prompt+1 …
	// Prompt+Generate positions.
	Generation(w Workload) float64

	// Prefill is the workload's prompts, processed together; 0 without prompts.
	Prefill(w Workload) float64

	// Mixed is one step of sequences of unequal contexts and pieces of prompts.
	Mixed(m *Mix) float64

	// Run is a number of steps in a row that only decode: from one to the next, Contexts
	// grows by Decodes and each of Seen by its Growing. It ends before a window fills or a chunk
	// ends.
	Run(m *Mix, steps int) float64

	// Ops is the mean decode step of a workload by operation, PrefillOps its prefill, in
	// the order they run, each with all layers that have it.
	Ops(w Workload) []OpCost
	PrefillOps(w Workload) []OpCost

	// Interval is what nine in ten measurements of the workload's mean step should lie in,
	// in seconds. It is not ok where the fidelity makes no such claim.
	Interval(w Workload) (low, high float64, ok bool)
}

// At returns how a fidelity prices the model.
func (c *Compiled) At(f Fidelity) Pricer {
	f = c.Fidelity(f)
	if c.stages != nil {
		return c.together(f)
	}
	return c.alone(f)
}

// alone is At for a deployment that has one group of devices and one stage.
func (c *Compiled) alone(f Fidelity) Pricer {
	switch f {
	case Limit:
		return (*limit)(c)
	case Calibrated:
		return c.calibrated()
	}
	return (*roofline)(c)
}

// Mix is one step of a serving engine. Every cost is linear in sums over the sequences, so
// the sums are all that a step needs to know of them.
type Mix struct {
	Decodes  int       // sequences that decode one token each
	Contexts float64   // Σ over them of the positions each sees, its new one included
	Seen     []float64 // for each of Compiled.Windows, Σ over them of Seen(window, context)
	Growing  []float64 // for each of Compiled.Windows, how many see one position more in the next step

	// Chunks are pieces of prompts: New positions of Batch sequences each, after Past
	// earlier ones. Of each, the last position passes the output head.
	Chunks []Call

	// Padded is how many rows a CUDA graph computes for the sequences that decode; up to
	// Decodes it adds none. Products, norms, gates and reductions run on the padded rows;
	// attention, recurrences and the output head do not. With drafts every token has a row.
	Padded int

	// Drafts is how many drafted tokens each sequence that decodes verifies beside its next
	// one; see Speculation. Contexts and Seen are those of the first of the Drafts+1.
	Drafts int
	// Advance is how many tokens a sequence goes forward from one step of a Run to the next in
	// the mean; 0 is 1.
	Advance float64
}

// seen is how many positions attention of a window sees in all, and how many more it does
// in the next step. Window −1 stands for none.
func (m *Mix) seen(window int) (now, more float64) {
	if window < 0 {
		return m.Contexts, float64(m.Decodes)
	}
	now = m.Seen[window]
	if window < len(m.Growing) {
		more = m.Growing[window]
	}
	return now, more
}

// rows are the rows that are computed for the sequences that decode.
func (m *Mix) rows() float64 { return float64(max(m.Decodes*(1+m.Drafts), m.Padded)) }

// Windows are the different windows of the model's attention layers, ascending; chunks are
// among them as minus their length (see Seen). A Mix has a sum for each.
func (c *Compiled) Windows() []int { return slices.Clone(c.finite) }

// windowIndex is where a window is among Windows, −1 for none.
func (c *Compiled) windowIndex(window int) int {
	for i, w := range c.finite {
		if w == window {
			return i
		}
	}
	return -1
}

// mixedWork is what an operation does in a mixed step.
func (c *Compiled) mixedWork(o *Op, m *Mix) Work {
	v := c.decodeBasis(o, m)
	switch o.Only {
	case PromptOnly:
		v = Coef{one: 1}
		for _, call := range m.Chunks {
			b := o.basis(call)
			for i := rows; i < hit; i++ {
				v[i] += b[i]
			}
		}
		return o.work(&v)
	case StepOnly:
		if m.Decodes == 0 {
			return Work{}
		}
		return o.snapshots(o.work(&v), m)
	}
	if !kernelTable[o.Kernel].unlined {
		v[rows] = m.rows()
	}
	for _, call := range m.Chunks {
		b := o.basis(call)
		for i := rows; i < hit; i++ {
			v[i] += b[i]
		}
	}
	if o.Shape.Experts > 0 {
		v[hit] = o.Shape.hits(v[o.rowBasis()])
	}
	return o.snapshots(o.work(&v), m)
}
