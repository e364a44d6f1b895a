package costmodel

import (
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// A block that three layers use, worked out by hand: width 8, 2 heads of 4, MLP of 6. Shared
// are 16 + 24·16 + 8·8 + 8 + 12·8 + 8·6 = 616 weights, each use has 8·8 of its own: stored
// once, read three times, in bf16.
func TestSharedWeightsAreStoredOnceAndReadByEachUse(t *testing.T) {
	s := arch.SharedBlock{Heads: 2, KVHeads: 2, HeadDim: 4, Inner: 6, Act: arch.GELU}
	again, _ := arch.UsingWeights(s, arch.To(0))
	m := &arch.Model{Name: "m", Width: 8, Vocab: 10, Layers: []arch.Layer{{Mixer: s}, {Mixer: again}, {Mixer: again}}}
	const shared, own, norms = 616, 64, 8
	if got := m.Params().NonEmbedding; got != shared+3*own+4*norms {
		t.Errorf("%d parameters outside the embedding, want %d", got, shared+3*own+4*norms)
	}
	c, err := Compile(m, testGPU(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := Workload{Batch: 1, Prompt: 4, Generate: 1}
	if got, want := c.Memory(w).WeightsBytes, 2.0*float64(m.Params().Total); got != want {
		t.Errorf("%g bytes of weights stored, want %g", got, want)
	}
	read := 0.0
	for _, o := range c.At(Roofline).Ops(w) {
		read += o.Bytes[Weights]
	}
	// One row of the embedding of 10, and the head.
	if want := 2.0 * (3*shared + 3*own + 4*norms + 8 + 80); read != want {
		t.Errorf("%g bytes of weights read, want %g", read, want)
	}
	// K and V of 2 heads of 4 in each of three layers.
	if got := c.Memory(w).CacheBytesPerToken; got != 3*2*8*2 {
		t.Errorf("%g bytes of cache a token, want %d", got, 3*2*8*2)
	}
}

// Each stage of a pipeline stores a shared block once, whichever of its layers uses it first, and
// counts it no second time where several of its layers do: six uses in three stages of two.
func TestEachStageStoresASharedBlock(t *testing.T) {
	s := arch.SharedBlock{Heads: 2, KVHeads: 2, HeadDim: 4, Inner: 6, Act: arch.GELU}
	again, _ := arch.UsingWeights(s, arch.To(0))
	m := &arch.Model{Name: "m", Width: 8, Vocab: 10, Layers: []arch.Layer{{Mixer: s}, {Mixer: again}, {Mixer: again}, {Mixer: again}, {Mixer: again}, {Mixer: again}}}
	const shared, own, norms, embedding, head = 616, 64, 8, 80, 80
	c, err := Compile(m, testGPU(), Options{PP: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, ends := range []int{embedding, 0, head + norms} { // the last norm goes before the head
		if got, want := c.stages[i].mem.weights, 2.0*float64(shared+2*(own+norms)+ends); got != want {
			t.Errorf("stage %d stores %g B of weights, want %g", i, got, want)
		}
	}
}
