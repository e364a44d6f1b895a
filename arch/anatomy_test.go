package arch

import (
	"slices"
	"testing"
)

// Who stores, who reads, and from where on a prefill may skip: layers that only read.
func TestAnatomyByHand(t *testing.T) {
	m := hybrid(3, Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2})
	if got := m.CacheOwners(); !slices.Equal(got, []int{1}) {
		t.Errorf("caches are stored by %v, want layer 1 alone", got)
	}
	if at, ok := m.CrossDecoder(); !ok || at != 2 {
		t.Errorf("the cross-decoder begins at %d, %v; want 2", at, ok)
	}
	if !Recurrent(m.Layers[0].Mixer) || Recurrent(m.Layers[1].Mixer) || Recurrent(nil) {
		t.Error("recurrent is Mamba-1 alone")
	}
	// A reader beside a mixer that stores is not shared: a prefill cannot skip it.
	m.Layers[3].Mixer = Parallel{Mixers: []Mixer{m.Layers[3].Mixer, ShortConv{Channels: 8, DConv: 3}}}
	if at, ok := m.CrossDecoder(); !ok || at != 4 {
		t.Errorf("behind a layer with a state of its own the cross-decoder begins at %d, %v; want 4", at, ok)
	}
	// Neither is a layer that reads nothing.
	m.Layers = append(m.Layers, Layer{Mixer: Attention{Heads: 1, KVHeads: 1, HeadDim: 4}})
	if at, ok := m.CrossDecoder(); ok {
		t.Errorf("a last layer with a cache of its own is in a cross-decoder from %d on", at)
	}
	// Layers without a mixer go with those that read, and are no cross-decoder by themselves.
	m = hybrid(1, Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2})
	m.Layers = append(m.Layers, Layer{FFN: MLP{Inner: 2}})
	if at, ok := m.CrossDecoder(); !ok || at != 2 {
		t.Errorf("with a network alone at its end the cross-decoder begins at %d, %v; want 2", at, ok)
	}
	m.Layers = append(m.Layers[:2], m.Layers[3])
	if at, ok := m.CrossDecoder(); ok {
		t.Errorf("a network alone behind a cache owner is a cross-decoder from %d on", at)
	}
	if _, ok := (&Model{Layers: []Layer{{FFN: MLP{Inner: 2}}}}).CrossDecoder(); ok {
		t.Error("a model without mixers has a cross-decoder")
	}
}

// The widths of what a layer can hand on: its scan, its attention's inner output, its
// network's linear branch, and whatever the mixer, its output as wide as the model.
func TestMemoryWidths(t *testing.T) {
	m := hybrid(1, Mamba2{Heads: 2, HeadDim: 6, DState: 3, Groups: 1, DConv: 4})
	m.Layers[1].FFN = MLP{Inner: 20, Gated: true}
	m.Layers[2] = Layer{FFN: MLP{Inner: 20}}
	for i, want := range []map[MemoryKind]int{
		{ScanMemory: 12, OutputMemory: 8},
		{AttentionMemory: 8, MLPMemory: 20, OutputMemory: 8},
		{}, // a plain network has no branch that is gated, and there is no mixer
	} {
		for _, kind := range MemoryKinds() {
			if got := m.MemoryWidth(i, kind); got != want[kind] {
				t.Errorf("layer %d hands on %d of %s, want %d", i, got, kind, want[kind])
			}
		}
	}
	for i, want := range []MemoryKind{ScanMemory, AttentionMemory, ScanMemory} {
		if got := m.DefaultMemory(i); got != want {
			t.Errorf("the memory of layer %d is by default %s, want %s", i, got, want)
		}
	}
}
