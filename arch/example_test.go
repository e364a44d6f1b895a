package arch_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

func ExampleModel() {
	layers := make([]arch.Layer, 4)
	for i := range layers {
		layers[i] = arch.Layer{Mixer: arch.Attention{Heads: 8, KVHeads: 2, HeadDim: 64}, FFN: arch.MLP{Inner: 2048, Gated: true}}
	}
	layers[3].Mixer = arch.Attention{Heads: 8, KVHeads: 2, HeadDim: 64, KVSource: arch.To(2)}
	m := &arch.Model{Name: "small", Width: 512, Vocab: 32000, Layers: layers}
	if err := m.Check(); err != nil {
		panic(err)
	}
	from, _ := m.CrossDecoder()
	fmt.Println(m.Summary(), m.Params().Total)
	fmt.Println("caches of layers", m.CacheOwners(), "cross-decoder from layer", from)
	// Output:
	// full*3 cross 47845888
	// caches of layers [0 1 2] cross-decoder from layer 3
}

func ExampleParseLayout() {
	l, err := arch.ParseLayout("(mamba1 swa)*8 mamba1 full (gmu cross)*7")
	if err != nil {
		panic(err)
	}
	fmt.Println(l)
	_, err = arch.ParseLayout("(mamba1 swa)*8 mamba1 full (gmu cross*7")
	fmt.Println(err)
	// Output:
	// (mamba1 swa)*8 mamba1 full (gmu cross)*7
	// layout column 28: this parenthesis is not closed
}
