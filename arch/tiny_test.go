package arch

import (
	"strings"
	"testing"
)

// Tiny twins by hand: the largest divisor of each size that is small enough, heads in the groups
// they were in, rotated elements in proportion, memories as wide as their layer then makes them.
func TestTinyByHand(t *testing.T) {
	attention := Attention{Heads: 40, KVHeads: 10, HeadDim: 128, RotaryDim: 96, Window: 512, DeclaredWindow: 3000, QKNorm: true}
	scan := Mamba2{Heads: 48, HeadDim: 64, DState: 128, Groups: 6, DConv: 4}
	m := &Model{Name: "large", Width: 2560, Vocab: 200000, Positions: 2048, MaxContext: 131072, Layers: []Layer{
		{Mixer: scan, FFN: MLP{Inner: 10240, Gated: true}},
		{Mixer: attention, FFN: MoE{Experts: 60, TopK: 6, Inner: 1408, SharedInner: 2816, Routing: Routing{Groups: 6, TopGroups: 3}}},
		{Mixer: GMU{Memory: To(0), From: ScanMemory, DMem: 3072}},
		{Mixer: GatedDeltaNet{KHeads: 16, VHeads: 32, KDim: 128, VDim: 128, DConv: 4}},
		{Mixer: Mamba1{DInner: 5120, DState: 16, DConv: 4, DtRank: 160}},
		{Mixer: RWKV4{Inner: 2560, Stream: 2560}, FFN: MoE{Experts: 7, TopK: 5, Inner: 97}},
		{Mixer: Parallel{Mixers: []Mixer{ShortConv{Channels: 2560, DConv: 3}, Lightning{Heads: 32, HeadDim: 100}}}},
	}}
	tiny, err := Tiny(m)
	if err != nil {
		t.Fatal(err)
	}
	if tiny.Name != "large (tiny)" || tiny.Width != 64 || tiny.Vocab != 160 || tiny.Positions != 256 || tiny.MaxContext != 256 {
		t.Errorf("%s: width %d, vocabulary %d, positions %d, context %d", tiny.Name, tiny.Width, tiny.Vocab, tiny.Positions, tiny.MaxContext)
	}
	small := attention
	// 16 divides 128; 2 divides 10; 4 of each group of 4; 96/128 of 16 is 12; a window of 8.
	small.HeadDim, small.KVHeads, small.Heads, small.RotaryDim, small.Window, small.DeclaredWindow = 16, 2, 8, 12, 8, 3000
	for i, want := range []Layer{
		// six groups shrink to two, of eight heads each to four
		{Mixer: Mamba2{Heads: 8, HeadDim: 16, DState: 16, Groups: 2, DConv: 4}, FFN: MLP{Inner: 80, Gated: true}},
		{Mixer: small, FFN: MoE{Experts: 6, TopK: 3, Inner: 88, SharedInner: 64}},
		{Mixer: GMU{Memory: To(0), From: ScanMemory, DMem: 128}},
		{Mixer: GatedDeltaNet{KHeads: 2, VHeads: 4, KDim: 16, VDim: 16, DConv: 4}},
		{Mixer: Mamba1{DInner: 80, DState: 16, DConv: 4, DtRank: 4}},
		// of 5 in 7 experts no divisor but 5 and 1: one of seven; 97 is prime
		{Mixer: RWKV4{Inner: 80, Stream: 64}, FFN: MoE{Experts: 7, TopK: 1, Inner: 1}},
		{Mixer: Parallel{Mixers: []Mixer{ShortConv{Channels: 16, DConv: 3}, Lightning{Heads: 4, HeadDim: 10}}}},
	} {
		if got := tiny.Layers[i]; !same(got.Mixer, want.Mixer) || got.FFN != want.FFN {
			t.Errorf("layer %d:\n%+v %+v, want\n%+v %+v", i, got.Mixer, got.FFN, want.Mixer, want.FFN)
		}
	}
	if m.Layers[0].Mixer != Mixer(scan) {
		t.Error("the model itself shrank")
	}
	// A vocabulary, positions and a context that are small stay.
	few := &Model{Name: "few", Width: 8, Vocab: 50, Positions: 30, MaxContext: 30, Layers: []Layer{{Mixer: Attention{Heads: 2, KVHeads: 1, HeadDim: 4}}}}
	tiny, err = Tiny(few)
	if err != nil || tiny.Vocab != 50 || tiny.Positions != 30 || tiny.MaxContext != 30 || tiny.Layers[0].Mixer != Mixer(Attention{Heads: 2, KVHeads: 1, HeadDim: 4}) {
		t.Errorf("%+v, %v", tiny, err)
	}
	// Fewer experts than are picked would be none: the picks follow.
	picky := &Model{Name: "picky", Width: 8, Vocab: 50, Layers: []Layer{{FFN: MoE{Experts: 9, TopK: 4, Inner: 4}}}}
	if tiny, err = Tiny(picky); err != nil || tiny.Layers[0].FFN != FFN(MoE{Experts: 3, TopK: 3, Inner: 4}) {
		t.Errorf("%+v, %v", tiny.Layers[0].FFN, err)
	}
	// What cannot shrink is said: a head of 6 of which all is rotated in pairs keeps its pairs,
	// one of a prime does not.
	odd := &Model{Name: "odd", Width: 8, Vocab: 50, Layers: []Layer{{Mixer: MLA{Heads: 2, KVRank: 5, NopeDim: 3, RopeDim: 22, ValueDim: 3}}}}
	if tiny, err := Tiny(odd); err == nil || !strings.Contains(err.Error(), "odd has no tiny twin: layer 0 (mla): rope_dim 11 is odd") {
		t.Errorf("%+v, %v", tiny, err)
	}
}

// same reports whether two mixers are equal, part by part.
func same(a, b Mixer) bool {
	p, q := Parts(a), Parts(b)
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}
