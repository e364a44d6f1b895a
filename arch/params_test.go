package arch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParamsParts: by hand from the shapes of a two-layer model of width 4.
func TestParamsParts(t *testing.T) {
	m := &Model{Width: 4, Vocab: 10, Layers: []Layer{
		{Mixer: Attention{Heads: 2, KVHeads: 1, HeadDim: 2}, FFN: MLP{Inner: 3, Gated: true}},
		{FFN: MoE{Experts: 5, TopK: 2, Inner: 3, SharedInner: 1, Bias: true}},
	}}
	want := ParamCount{
		Total: 80 + 16 + 48 + 36 + 183, Embedding: 80, NonEmbedding: 16 + 48 + 36 + 183,
		InputEmbedding: 40, Head: 40,
		Norms:  16,                                // three before blocks, one at the end
		Mixers: []PartCount{{"attention", 1, 48}}, // (4+4)·4 + 4·4
		FFNs: []PartCount{
			{"swiglu", 1, 36}, // 6·4 + 4·3
			{"moe", 1, 183},   // router 5·4, experts 5·(3·4 + 4·3 + 3 + 4), shared 2·4
		},
	}
	if diff := cmp.Diff(want, m.Params()); diff != "" {
		t.Errorf("params (-want +got):\n%s", diff)
	}
	if got, want := m.ActiveParams().Total, want.Total-3*31; got != want {
		t.Errorf("%d active, want %d", got, want)
	}

	m.Tied, m.HeadBias, m.Norm = true, true, LayerNorm
	p := m.Params()
	if p.Head != 10 || p.Embedding != 50 || p.Norms != 32 {
		t.Errorf("tied with a head bias and LayerNorm: head %d, embedding %d, norms %d; want 10, 50, 32", p.Head, p.Embedding, p.Norms)
	}
}
