package checkpoint

import (
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// Granite multiplies what a mixer and an FFN add to the stream: the factor is in the
// weights that make it, and in no other.
func TestResidualScale(t *testing.T) {
	m := &arch.Model{Width: 2, Vocab: 3, Tied: true, Layers: []arch.Layer{{
		Mixer: arch.Attention{Heads: 1, KVHeads: 1, HeadDim: 2}, FFN: arch.MLP{Inner: 2, Gated: true},
	}}}
	m.Numerics.ResidualScale = 0.5
	names := []string{"layers.0.mixer.qkv", "layers.0.mixer.out", "layers.0.ffn.up", "layers.0.ffn.down"}
	where, err := Weights("granite", m, names)
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]Tensor{}
	for _, w := range where {
		for _, name := range w.Tensors {
			tensors[name] = Tensor{Shape: []int{2, 2}, Data: []float32{1, 2, 3, 4}}
		}
	}
	loaded, err := Load(where, tensors)
	if err != nil {
		t.Fatal(err)
	}
	for name, first := range map[string]float32{names[0]: 1, names[1]: 0.5, names[2]: 1, names[3]: 0.5} {
		if loaded[name][0] != first {
			t.Errorf("%s begins with %g, want %g", name, loaded[name][0], first)
		}
	}
}
