package crosscheck

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/kernels/internal/layouts"
	"github.com/OWNER/ridgeline/precision"
)

// weightBytes is the weights' bytes that the operations of a step or a prompt read, each weight once.
func weightBytes(t *testing.T, m *arch.Model, prefill bool) (sum float64) {
	t.Helper()
	ops, err := costmodel.Ops(m, costmodel.Options{Prefill: execution.Full}, prefill)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ops {
		o := &ops[i]
		call := costmodel.Call{Batch: 1, New: 1}
		bytes := o.WorkWithHits(call, o.Shape.Experts, 0).Bytes[costmodel.Weights]
		if bytes > 0 && o.Shape.Table == 0 && o.Reads == (costmodel.Named{}) {
			t.Errorf("%s of layer %d reads %g bytes of weights that it does not name", o.Name, o.Layer, bytes)
		}
		if !o.Reused {
			sum += bytes
		}
	}
	return sum
}

// A checkpoint that stores one weight in more bytes than the others is read in as many bytes more:
// some operation reads that weight, all of it, and knows that it does. So it is for every weight of
// every kind of mixer and FFN.
func TestEveryWeightIsRead(t *testing.T) {
	models, err := layouts.Each()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for range 25 {
		models = append(models, layouts.Random(func(_ string, lo, hi int) int { return lo + rng.IntN(hi-lo+1) }))
	}
	for _, m := range models {
		one := *m
		for i := range m.Layers {
			l := m.Layers[i]
			parts := arch.Parts(l.Mixer)
			weights := map[string]arch.Weight{}
			for j, p := range parts {
				scope := "mixer."
				if len(parts) > 1 {
					scope += strconv.Itoa(j) + "."
				}
				for _, w := range p.Weights(m.Width) {
					weights[scope+w.Name] = w
				}
			}
			if l.FFN != nil {
				for _, w := range l.FFN.Weights(m.Width) {
					weights["ffn."+w.Name] = w
				}
			}
			for _, w := range m.LayerWeights() {
				weights[w.Name] = w
			}
			for name, w := range weights {
				if w.Name == "lambda" { // folded into one number of the layer when the model is loaded
					continue
				}
				plain := formats.Plain(precision.BF16)
				table := func(bytes int64) *arch.Model {
					one.Layers = append([]arch.Layer(nil), m.Layers...)
					one.Layers[i].Stored = arch.StoreWeights(map[string]arch.Stored{name: {Format: plain, Bytes: bytes}})
					return &one
				}
				for _, prefill := range []bool{false, true} {
					usual := weightBytes(t, table(2*w.Elements()), prefill)
					more := weightBytes(t, table(5*w.Elements()), prefill)
					if want := 3 * float64(w.Elements()); math.Abs(more-usual-want) > 1e-6*want {
						t.Errorf("%s, layer %d: %s takes %g bytes more, and the operations read %g more", m.Name, i, name, want, more-usual)
					}
				}
			}
		}
	}
}
