package modelfile

import (
	"bytes"
	"testing"

	"github.com/OWNER/ridgeline/arch"

	"github.com/google/go-cmp/cmp"
)

// A layer that takes over the picks of another names it by its label.
func TestSharedPicksRoundTrip(t *testing.T) {
	full := arch.MLA{Heads: 2, QRank: 6, KVRank: 8, NopeDim: 4, RopeDim: 2, ValueDim: 4, IndexTopK: 5, IndexHeads: 2, IndexDim: 4}
	m := &arch.Model{Name: "m", Width: 16, Vocab: 30}
	for i, owner := range []int{0, 0, 0, 3, 3} {
		l := arch.Layer{Mixer: full, FFN: arch.MLP{Inner: 8, Gated: true}}
		if owner != i {
			l.Mixer, _ = arch.TakingPicks(full, arch.To(owner))
		}
		m.Layers = append(m.Layers, l)
	}
	none := bytes.ReplaceAll(rewritten(t, m), []byte("index_top_k: 5, index_heads: 2, index_dim: 4"), []byte("index_dim: 0"))
	if _, err := Parse("m.yaml", none); err == nil {
		t.Errorf("picks of a layer without an indexer are read:\n%s", none)
	}
}

// rewritten writes a model, fails where what is read back is another, and returns the file.
func rewritten(t *testing.T, m *arch.Model) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := Write(&file, m); err != nil {
		t.Fatal(err)
	}
	back, err := Parse("m.yaml", file.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, file.String())
	}
	if d := cmp.Diff(m, back); d != "" {
		t.Errorf("%s\n%s", d, file.String())
	}
	return file.Bytes()
}

// Where norms stand, what norms they are and learned positions survive writing and
// reading, also where layers differ.
func TestBlocksRoundTrip(t *testing.T) {
	a := arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 16, QKNorm: true, QKNormWide: true, LogitCap: 50}
	for _, norm := range arch.Norms() {
		for _, b := range arch.Blocks() {
			m := &arch.Model{Name: "m", Width: 64, Vocab: 100, Norm: norm, EmbedNorm: true, Positions: 40, LogitCap: 30.5}
			for _, block := range []arch.Block{b, b, arch.PreNorm} {
				if block == arch.SideInput { // of parallel mixers alone
					p := arch.Parallel{Mixers: []arch.Mixer{arch.Attention{Heads: 2, KVHeads: 2, HeadDim: 8}, a}}
					m.Layers = append(m.Layers, arch.Layer{Mixer: p, Block: block})
					continue
				}
				m.Layers = append(m.Layers, arch.Layer{Mixer: a, FFN: arch.MLP{Inner: 32, Act: arch.GELUTanh}, Block: block})
			}
			rewritten(t, m)
		}
	}
}
