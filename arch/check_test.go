package arch

import (
	"strings"
	"testing"
)

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

// References point to earlier layers that have what is read.
func TestReferencesThatPointNowhere(t *testing.T) {
	owner := Attention{Heads: 4, KVHeads: 2, HeadDim: 4}
	cross := func(of int) Attention {
		a := owner
		a.KVSource = To(of)
		return a
	}
	narrow := cross(0)
	narrow.KVHeads = 1
	gmu := GMU{Memory: To(0), From: AttentionMemory, DMem: 16}
	for _, tt := range []struct {
		layers []Mixer
		want   string // "" where the model is sound
	}{
		{[]Mixer{owner, cross(0), gmu}, ""},
		{[]Mixer{owner, cross(1)}, "reads the cache of layer 1, which is not before it"},
		{[]Mixer{owner, cross(7)}, "reads the cache of layer 7, which is not before it"},
		{[]Mixer{owner, cross(0), cross(1)}, "reads the cache of layer 1, which stores none"},
		{[]Mixer{owner, narrow}, "has kv_heads 1 × head_dim 4, the cache of its owner 2 × 4"},
		{[]Mixer{owner, GMU{From: AttentionMemory, DMem: 16}}, "has no memory layer"},
		{[]Mixer{owner, GMU{Memory: To(1), From: AttentionMemory, DMem: 16}}, "reads the memory of layer 1, which is not before it"},
		{[]Mixer{owner, GMU{Memory: To(0), From: ScanMemory, DMem: 16}}, "has d_mem 16, but its memory is 0 wide"},
		{[]Mixer{owner, GMU{Memory: To(0), From: AttentionMemory, DMem: 8}}, "has d_mem 8, but its memory is 16 wide"},
	} {
		m := &Model{Name: "m", Width: 16, Vocab: 100}
		for _, x := range tt.layers {
			m.Layers = append(m.Layers, Layer{Mixer: x})
		}
		err := m.Check()
		if tt.want == "" && err == nil {
			continue
		}
		if tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.layers, err, tt.want)
		}
	}
}

// Sizes that make more parameters than can be counted are typing errors.
func TestTooManyParameters(t *testing.T) {
	m := &Model{Name: "m", Width: 1 << 20, Vocab: 10, Layers: []Layer{{FFN: MLP{Inner: 1 << 24}}}}
	if err := m.Check(); err != nil { // 3.5e13
		t.Error(err)
	}
	for range 40 {
		m.Layers = append(m.Layers, m.Layers[0])
	}
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), "parameters, more than 1e+15") {
		t.Errorf("1.4e15 parameters: %v", err)
	}
}

// What mixers and networks refuse of their own numbers.
func TestNumbersThatDoNotFit(t *testing.T) {
	type checked interface{ Check(int) error }
	routed := func(groups, open int) MoE {
		return MoE{Experts: 8, TopK: 3, Inner: 4, Routing: Routing{Groups: groups, TopGroups: open}}
	}
	for _, tt := range []struct {
		part checked
		want string // "" where it is sound
	}{
		{Attention{Heads: 6, KVHeads: 3, HeadDim: 4}, ""},
		{Attention{Heads: 6, KVHeads: 4, HeadDim: 4}, "heads 6 does not divide into kv_heads 4 groups"},
		{Attention{Heads: 6, KVHeads: 3}, "head_dim must be positive, is 0"},
		{Attention{Heads: 6, KVHeads: 3, HeadDim: 1 << 25}, "head_dim 33554432 is more than 16777216"},
		{Attention{Heads: 6, KVHeads: 3, HeadDim: 4, Window: -1}, "window -1 is negative"},
		{Mamba2{Heads: 6, HeadDim: 2, DState: 5, Groups: 3, DConv: 4}, ""},
		{Mamba2{Heads: 6, HeadDim: 2, DState: 5, Groups: 4, DConv: 4}, "heads 6 does not divide into 4 groups"},
		{GatedDeltaNet{KHeads: 3, VHeads: 4, KDim: 2, VDim: 2, DConv: 4}, "v_heads 4 does not divide into k_heads 3 groups"},
		{MLA{Heads: 1, KVRank: 4, NopeDim: 4, RopeDim: 3, ValueDim: 4}, "rope_dim 3 is odd"},
		{GMU{DMem: 8, Variant: SigmoidGMU}, "sigmoid GMU mixes outputs as wide as the model: d_mem 8, width 16"},
		{MLP{Inner: 4, Act: ClampedSwiGLU}, "activation clamped_swiglu needs a gated network"},
		{MoE{Experts: 2, TopK: 3, Inner: 4}, "top_k 3 is more than the 2 experts"},
		{routed(4, 2), ""}, // two groups of two hold three
		{routed(4, 1), "8 experts in 4 groups of which 1 are open do not hold top_k 3"},
		{routed(3, 3), "8 experts in 3 groups"},
		{Parallel{Mixers: []Mixer{ShortConv{Channels: 4, DConv: 3}}}, "parallel needs at least two mixers, has 1"},
	} {
		err := tt.part.Check(16)
		if tt.want == "" && err == nil {
			continue
		}
		if tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.part, err, tt.want)
		}
	}
}
