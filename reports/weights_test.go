package reports

import (
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// A layer that uses another's weights names it; one that stores its own names none.
func TestModelNamesTheLayerOfSharedWeights(t *testing.T) {
	own := arch.SharedBlock{Heads: 4, KVHeads: 4, HeadDim: 32, Inner: 16}
	again, ok := arch.UsingWeights(own, arch.To(0))
	if !ok {
		t.Fatal("a shared block does not take another's weights")
	}
	m := &arch.Model{Width: 64, Vocab: 10, Layers: []arch.Layer{{Mixer: own}, {Mixer: again}}}
	layers := Model(m).Layers
	if layers[0].UsesWeightsOf != nil {
		t.Errorf("layer 0 stores its own weights and names layer %d", *layers[0].UsesWeightsOf)
	}
	if w := layers[1].UsesWeightsOf; w == nil || *w != 0 {
		t.Errorf("layer 1 uses the weights of layer 0 and names %v", w)
	}
}
