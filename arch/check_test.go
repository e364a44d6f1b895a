package arch

import "testing"

// A layer may read another's cache as far back as its owner keeps it, and no further.
func TestCrossSeesWhatItsOwnerKeeps(t *testing.T) {
	for _, tt := range []struct {
		owner, reader int // windows, 0 for none
		ok            bool
	}{{0, 0, true}, {0, 64, true}, {128, 0, false}, {128, 64, true}, {128, 128, true}, {128, 129, false}} {
		owner := Attention{Heads: 4, KVHeads: 2, HeadDim: 16, Window: tt.owner}
		reader := owner
		reader.Window, reader.KVSource = tt.reader, To(0)
		m := &Model{Name: "m", Width: 64, Vocab: 100, Layers: []Layer{{Mixer: owner}, {Mixer: reader}}}
		if err := m.Check(); (err == nil) != tt.ok {
			t.Errorf("owner keeps %d, reader sees %d: %v", tt.owner, tt.reader, err)
		}
	}
}
