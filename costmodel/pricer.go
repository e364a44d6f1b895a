package costmodel

import "slices"

// Pricer says how long a compiled model takes, in seconds, at one fidelity. Compiled.At
// returns one. Pricing a point allocates nothing (lists of operations do, and mixed steps of
// several groups or stages), and a Pricer is safe for concurrent use.
type Pricer interface {
	Fidelity() Fidelity

	// Basis says what the times are derived from: the datasheet, or measurements and on which GPU,
	// and in parentheses what was measured elsewhere or never.
	Basis() string

	// Step is the seconds of one decode step of batch sequences that each see context positions,
	// the new one included.
	Step(batch, context int) float64

	// Generation is the seconds of all decode steps of a workload: the sum of those that see
	// Prompt+1 … Prompt+Generate positions.
	Generation(w Workload) float64

	// Prefill is the seconds of the workload's prompts, processed together; 0 without prompts.
	Prefill(w Workload) float64

	// Mixed is the seconds of one step that works on sequences of unequal contexts and pieces of
	// prompts.
	Mixed(m *Mix) float64

	// Run is the seconds of a number of consecutive steps that only decode. From each step to the
	// next, Contexts grows by Decodes and each entry of Seen by its entry of Growing. The run has
	// to end before a window fills or a chunk ends.
	Run(m *Mix, steps int) float64

	// Ops lists the mean decode step of a workload by operation, PrefillOps its prefill, in the
	// order the operations run. Each entry covers all layers that have the operation.
	Ops(w Workload) []OpCost
	PrefillOps(w Workload) []OpCost

	// Interval bounds the mean step of the workload in seconds: nine of ten measurements should
	// lie inside. ok is false where the fidelity makes no such claim.
	Interval(w Workload) (low, high float64, ok bool)
}

// At returns the pricer of a fidelity for this model and deployment.
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

// Mix is one step of a serving engine. Every cost is linear in sums over the sequences, so these
// sums are all that pricing a step needs to know about them.
type Mix struct {
	Decodes  int       // sequences that decode one token each
	Contexts float64   // Σ over them of the positions each sees, its new one included
	Seen     []float64 // for each of Compiled.Windows, Σ over them of Seen(window, context)
	Growing  []float64 // for each of Compiled.Windows, how many see one position more in the next step

	// Chunks are pieces of prompts: each is New positions of Batch sequences, after Past earlier
	// ones. The last position of each sequence's piece passes the output head.
	Chunks []Call

	// Padded is how many rows a CUDA graph computes for the sequences that decode; a value up to
	// Decodes adds none. Products, norms, gates and reductions run on the padded rows; attention,
	// recurrences and the output head do not. With drafts, every drafted token has a row too.
	Padded int

	// Drafts is how many drafted tokens each decoding sequence verifies besides its next one; see
	// Speculation. Contexts and Seen are those of the first of the Drafts+1 tokens.
	Drafts int
	// Advance is how many tokens a sequence advances in the mean from one step of a Run to the
	// next; 0 is 1.
	Advance float64
}

// seen returns how many positions attention with the given window sees, summed over the sequences,
// and by how many that grows in the next step. Window −1 stands for attention without a window.
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

// rows is the number of rows computed for the sequences that decode.
func (m *Mix) rows() float64 { return float64(max(m.Decodes*(1+m.Drafts), m.Padded)) }

// Windows lists the different windows of the model's attention layers, ascending. Attention in
// chunks is listed as minus the chunk's length (see Seen). A Mix has one sum for each entry.
func (c *Compiled) Windows() []int { return slices.Clone(c.finite) }

// windowIndex is the index of a window in Windows, −1 for no window.
func (c *Compiled) windowIndex(window int) int {
	for i, w := range c.finite {
		if w == window {
			return i
		}
	}
	return -1
}

// mixedWork is the FLOPs and bytes of an operation in a mixed step.
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
