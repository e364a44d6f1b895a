package costmodel

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// naive is what a call costs, counted without a formula: query by query, key by key, weight by
// weight.
type naive struct {
	attention              float64 // FLOPs of scores and sums
	cacheRead, cacheWrite  float64 // bytes
	stateRead, stateWrite  float64 // of recurrences and convolutions
	products               float64 // multiply-adds of maps, twice
	matrices, vectors, hit float64 // bytes of weights read: maps, all else, experts
}

// sees reports whether a query at a position sees a key, both counted from 0.
func sees(a arch.Attention, query, key int) bool {
	switch {
	case key > query:
		return false
	case a.Window == 0:
		return true
	case a.Chunked:
		return key/a.Window == query/a.Window
	}
	return key > query-a.Window
}

// count goes through a call of a model in 16 bits on one device in which every layer runs on every
// row; the head on the last of each sequence.
func count(m *arch.Model, call Call) (n naive) {
	const el = 2
	rows := call.Batch * call.New
	weights := func(ws []arch.Weight) {
		for _, w := range ws {
			one := 1.0
			for _, d := range w.Shape {
				one *= float64(d)
			}
			switch {
			case w.Role == arch.Expert || w.Copies > 0:
				// An expert is missed by a row with probability 1 − k/E.
				missed := 1.0
				for range rows {
					missed *= 1 - float64(w.Active)/float64(w.Copies)
				}
				n.hit += el * one * float64(w.Copies) * (1 - missed)
				if w.Role == arch.Expert {
					for range rows * w.Active {
						n.products += 2 * one
					}
				}
			case w.Role == arch.Vector:
				n.vectors += el * one
			default:
				n.matrices += el * one
				for range rows {
					n.products += 2 * one
				}
			}
		}
	}
	norm := float64(m.Norm.Vectors() * m.Width * el)
	for _, l := range m.Layers {
		if l.Mixer != nil {
			n.vectors += norm
			weights(l.Mixer.Weights(m.Width))
		}
		if l.FFN != nil {
			n.vectors += norm
			weights(l.FFN.Weights(m.Width))
		}
		for _, p := range arch.Parts(l.Mixer) {
			kept := p.Stores()
			for range call.Batch {
				n.stateRead += el * float64(kept.StateElements+kept.ConvElements)
				n.stateWrite += el * float64(kept.StateElements+kept.ConvElements)
			}
			a, ok := p.(arch.Attention)
			if !ok {
				continue
			}
			if a.Differential {
				n.vectors -= el * 4 * float64(a.HeadDim) // λ is one number once loaded
			}
			for range call.Batch {
				seen := map[int]bool{}
				for q := call.Past; q < call.Context(); q++ {
					for k := range call.Context() {
						if !sees(a, q, k) {
							continue
						}
						seen[k] = true
						for range a.Heads {
							// A score is a product of head_dim, its weight scales a value; of a
							// pair of heads each score scales the values of both.
							values := float64(a.Values())
							if a.Differential {
								values *= 2
							}
							n.attention += 2*float64(a.HeadDim) + 2*values
						}
					}
				}
				n.cacheRead += el * float64(len(seen)*a.KVHeads*(a.HeadDim+a.Values()))
				if !a.Cross() {
					kept := call.New
					if a.Window > 0 {
						kept = min(kept, a.Window)
					}
					n.cacheWrite += el * float64(kept*a.KVHeads*(a.HeadDim+a.Values()))
				}
			}
		}
	}
	// The ends: a row of the table for each row, the last norm and the head for each sequence.
	n.vectors += el*float64(rows*m.Width) + norm
	head := float64(m.Vocab * m.Width)
	n.matrices += el * head
	for range call.Batch {
		n.products += 2 * head
	}
	return n
}

// Of random models every operation together does what counting one by one comes to: attention,
// caches, states, products, and each weight once.
func TestOperationsAreTheCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		call := Call{Batch: rapid.IntRange(1, 4).Draw(t, "batch"), New: rapid.IntRange(1, 30).Draw(t, "new"), Past: rapid.IntRange(0, 40).Draw(t, "past")}
		ops, err := Ops(m, Options{Prefill: execution.Full}, rapid.Bool().Draw(t, "prompt"))
		if err != nil {
			t.Fatal(err)
		}
		want := count(m, call)
		var got naive
		around := 0.0 // biases and sums into the stream, which products do besides
		for i := range ops {
			o := &ops[i]
			w := o.Work(call)
			got.cacheRead += w.Bytes[CacheRead]
			got.cacheWrite += w.Bytes[CacheWrite]
			got.stateRead += w.Bytes[StateRead]
			got.stateWrite += w.Bytes[StateWrite]
			switch o.Kernel.Class() {
			case Attn:
				got.attention += w.FLOPs
			case GEMM:
				got.products += w.FLOPs
				rows := float64(call.Batch * call.New)
				if o.Shape.RowsAreSeqs {
					rows = float64(call.Batch)
				}
				around += 3 * rows * float64(o.Shape.Out)
			case ExpertGEMM:
				got.products += w.FLOPs
				around += 3 * float64(call.Batch*call.New*o.Shape.TopK*o.Shape.Out)
			}
			if o.Kernel.Class() == ExpertGEMM {
				got.hit += w.Bytes[Weights]
			} else {
				got.matrices += w.Bytes[Weights] // a map reads its bias too
			}
		}
		near := func(what string, got, want, more float64) {
			if got < want*(1-1e-9) || got > want*(1+1e-9)+more || math.IsNaN(got) {
				t.Fatalf("%s: %g, counted one by one %g (and at most %g beside)\n%+v of %+v", what, got, want, more, call, m.Layers)
			}
		}
		near("attention", got.attention, want.attention, 0)
		near("cache read", got.cacheRead, want.cacheRead, 0)
		near("cache written", got.cacheWrite, want.cacheWrite, 0)
		near("states read", got.stateRead, want.stateRead, 0)
		near("states written", got.stateWrite, want.stateWrite, 0)
		near("products", got.products, want.products, around)
		near("experts", got.hit, want.hit, 0)
		near("weights", got.matrices, want.matrices+want.vectors, 0)
	})
}
