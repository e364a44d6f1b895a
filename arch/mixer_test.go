package arch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What each mixer has and keeps, counted by hand at a width of 8: parameters, what a
// sequence leaves, and the width of the memory of each kind that it can hand on.
func TestMixersByHand(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mixer  Mixer
		params int64
		keeps  Storage
		memory map[MemoryKind]int
	}{
		{"attention, 4 heads over 2 of 6", Attention{Heads: 4, KVHeads: 2, HeadDim: 6},
			(24+24)*8 + 8*24, Storage{CacheElements: 24}, map[MemoryKind]int{AttentionMemory: 24}},
		{"windowed, with biases and norms of heads", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, Window: 5, QKVBias: true, OutBias: true, QKNorm: true},
			(24+24)*8 + 48 + 6 + 6 + 8*24 + 8, Storage{CacheElements: 24, Window: 5}, map[MemoryKind]int{AttentionMemory: 24}},
		{"norms over all heads", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, QKNorm: true, QKNormWide: true},
			(24+24)*8 + 24 + 12 + 8*24, Storage{CacheElements: 24}, map[MemoryKind]int{AttentionMemory: 24}},
		{"norms with weights and biases for each head", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, QKNorm: true, QKNormHeads: true, QKLayerNorm: true, QKNormBias: true},
			(24+24)*8 + 2*24 + 2*12 + 8*24, Storage{CacheElements: 24}, map[MemoryKind]int{AttentionMemory: 24}},
		{"within chunks, norms without weights, a norm in front of the map out", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, Window: 5, Chunked: true, QKNorm: true, QKNormBare: true, InnerNorm: true},
			(24+24)*8 + 24 + 8*24, Storage{CacheElements: 24, Window: 5}, map[MemoryKind]int{AttentionMemory: 24}},
		{"differential, its norm without weights", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, Differential: true, DiffNormBare: true},
			(24+24)*8 + 4*6 + 8*24, Storage{CacheElements: 24}, map[MemoryKind]int{AttentionMemory: 24}},
		{"cross: no map to keys and values, no cache", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, QKNorm: true, KVSource: To(0)},
			24*8 + 6 + 8*24, Storage{}, map[MemoryKind]int{AttentionMemory: 24}},
		{"differential: four vectors λ and a norm over a pair", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, Differential: true},
			(24+24)*8 + 4*6 + 12 + 8*24, Storage{CacheElements: 24}, map[MemoryKind]int{AttentionMemory: 24}},
		{"values narrower than keys, output gate, sinks", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, ValueDim: 4, OutputGate: true, Sinks: true},
			(24+20+16)*8 + 4 + 8*16, Storage{CacheElements: 20}, map[MemoryKind]int{AttentionMemory: 16}},
		{"values that are the keys: one map, both cached", Attention{Heads: 4, KVHeads: 2, HeadDim: 6, ValueNorm: true, KeysAsValues: true},
			(24+12)*8 + 8*24, Storage{CacheElements: 24}, map[MemoryKind]int{AttentionMemory: 24}},
		{"latent attention from a latent of queries", MLA{Heads: 3, QRank: 5, KVRank: 4, NopeDim: 6, RopeDim: 2, ValueDim: 7},
			5*8 + 5 + 3*8*5 + (4+2)*8 + 4 + 3*(6+7)*4 + 8*21, Storage{CacheElements: 6}, map[MemoryKind]int{AttentionMemory: 21}},
		{"latent attention of picked positions", MLA{Heads: 3, QRank: 5, KVRank: 4, NopeDim: 6, RopeDim: 2, ValueDim: 7, IndexTopK: 9, IndexHeads: 2, IndexDim: 10},
			5*8 + 5 + 3*8*5 + (4+2)*8 + 4 + 3*(6+7)*4 + 8*21 + 20*5 + 10*8 + 10 + 10 + 2*8,
			Storage{CacheElements: 16, PickedElements: 6, Picked: 9}, map[MemoryKind]int{AttentionMemory: 21}},
		{"mamba1", Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2, ConvBias: true, ProjBias: true, InnerNorms: true},
			32*8 + 16*4 + 8*16 + 16*2 + 16 + 16*3 + 16 + 8*16 + 16 + 32 + 8 + 8,
			Storage{StateElements: 48, ConvElements: 48}, map[MemoryKind]int{ScanMemory: 16}},
		{"mamba2, 6 heads of 2 in 3 groups", Mamba2{Heads: 6, HeadDim: 2, DState: 5, Groups: 3, DConv: 4, ConvBias: true},
			(12+42+6)*8 + 42*4 + 3*6 + 8*12 + 12 + 42, // convolved are 12 channels and twice 3·5 of B and C
			Storage{StateElements: 60, ConvElements: 126}, map[MemoryKind]int{ScanMemory: 12}},
		{"mamba2 without its norm", Mamba2{Heads: 6, HeadDim: 2, DState: 5, Groups: 3, DConv: 4, NoNorm: true},
			(12+42+6)*8 + 42*4 + 3*6 + 8*12, Storage{StateElements: 60, ConvElements: 126}, map[MemoryKind]int{ScanMemory: 12}},
		{"gated delta rule, 2 keys of 3 and 4 values of 5", GatedDeltaNet{KHeads: 2, VHeads: 4, KDim: 3, VDim: 5, DConv: 4},
			(12+40)*8 + 8*8 + 32*4 + 4 + 4 + 8*20 + 5, Storage{StateElements: 60, ConvElements: 96}, map[MemoryKind]int{ScanMemory: 20}},
		{"short convolution", ShortConv{Channels: 8, DConv: 3, Bias: true},
			24*8 + 24 + 8*8 + 24 + 8 + 8, Storage{ConvElements: 16}, nil},
		{"lightning attention", Lightning{Heads: 2, HeadDim: 3},
			18*8 + 6*8 + 6 + 8*6, Storage{StateElements: 18}, map[MemoryKind]int{ScanMemory: 6}},
		{"gated memory unit", GMU{Memory: To(0), From: ScanMemory, DMem: 16}, 16*8 + 8*16, Storage{}, nil},
		{"normed", GMU{Memory: To(0), From: ScanMemory, DMem: 16, Normed: true}, 16*8 + 8*16 + 16, Storage{}, nil},
		{"sigmoid: four maps with biases, one from both halves", GMU{Memory: To(0), From: OutputMemory, DMem: 8, Variant: SigmoidGMU},
			64 + 64 + 8*16 + 64 + 4*8, Storage{}, nil},
		{"recurrent ones side by side", Parallel{Mixers: []Mixer{Lightning{Heads: 2, HeadDim: 3}, Lightning{Heads: 1, HeadDim: 4}}},
			18*8 + 6*8 + 6 + 8*6 + 12*8 + 4*8 + 4 + 8*4, Storage{StateElements: 18 + 16}, map[MemoryKind]int{ScanMemory: 6}},
		{"side by side: both", Parallel{Mixers: []Mixer{Attention{Heads: 1, KVHeads: 1, HeadDim: 2, Window: 3}, ShortConv{Channels: 8, DConv: 3}}},
			6*8 + 8*2 + 24*8 + 24 + 8*8, Storage{CacheElements: 4, Window: 3, ConvElements: 16}, map[MemoryKind]int{AttentionMemory: 2}},
	} {
		var params int64
		for _, w := range tt.mixer.Weights(8) {
			params += w.Elements()
		}
		if params != tt.params {
			t.Errorf("%s: %d parameters, want %d", tt.name, params, tt.params)
		}
		if diff := cmp.Diff(tt.keeps, tt.mixer.Stores()); diff != "" {
			t.Errorf("%s keeps (-want +got):\n%s", tt.name, diff)
		}
		for _, kind := range MemoryKinds() {
			if got := tt.mixer.HandsOn(kind); got != tt.memory[kind] {
				t.Errorf("%s hands on %d of %s, want %d", tt.name, got, kind, tt.memory[kind])
			}
		}
	}
}

// The window of all layers is changed where there is one: full attention stays full.
func TestVaryWindow(t *testing.T) {
	full := Attention{Heads: 2, KVHeads: 1, HeadDim: 4}
	if m, found := Vary(full, "window", 7); found || m != full {
		t.Errorf("full attention became %v", m)
	}
	swa := full
	swa.Window = 5
	if m, found := Vary(swa, "window", 7); !found || m.(Attention).Window != 7 {
		t.Errorf("a window of 5 became %v", m)
	}
}

// What stands outside the mixers: an embedding of every layer's own, and a number that
// scales each layer.
func TestParamsAroundLayers(t *testing.T) {
	m := &Model{Width: 4, Vocab: 10, Tied: true, LayerScales: true, LayerInput: LayerInput{Width: 3, Vocab: 6}, Layers: []Layer{
		{FFN: MLP{Inner: 2}}, {FFN: MLP{Inner: 2}}, {FFN: MLP{Inner: 2}},
	}}
	p := m.Params()
	if p.LayerEmbedding != 6*3*3 {
		t.Errorf("a table of %d, want 3 layers of 3 for each of 6 tokens", p.LayerEmbedding)
	}
	// the map to all layers' inputs and its norm; in each of three layers a map there and
	// back, their norm and a scale
	if want := int64(9*4 + 3 + 3*(3*4+4*3+4+1)); p.Other != want {
		t.Errorf("%d parameters around the layers, want %d", p.Other, want)
	}
	// three streams for one: two maps in and two out; in each layer a norm, a router of three,
	// its coefficients there and back, a scale; a branch of rank 2 with its norm
	before := p.Other
	m.LayerScales, m.AltUp, m.LaurelRank = false, AltUp{Streams: 3}, 2
	if want := before - 3 + 2*2*4*4 + 3*(4+3*4+9*3+3*3+4) + 3*(2*4+4*2+4); m.Params().Other != want {
		t.Errorf("%d parameters around the layers of three streams, want %d", m.Params().Other, want)
	}
}

// Networks by hand at a width of 8: parameters, and those that one token uses.
func TestFFNsByHand(t *testing.T) {
	for _, tt := range []struct {
		name           string
		ffn            FFN
		params, active int64
	}{
		{"plain, with biases", MLP{Inner: 5, Bias: true}, 5*8 + 8*5 + 5 + 8, 93},
		{"gated", MLP{Inner: 5, Gated: true}, 10*8 + 8*5, 120},
		{"2 of 6 experts", MoE{Experts: 6, TopK: 2, Inner: 5, Gated: true, RouterBias: true}, 6*8 + 6 + 6*(10*8+8*5), 6*8 + 6 + 2*120},
		{"with a gated shared expert", MoE{Experts: 6, TopK: 2, Inner: 5, SharedInner: 3, SharedGate: true}, 6*8 + 6*(5*8+8*5) + 3*8 + 8*3 + 8, 6*8 + 2*80 + 56},
		// The experts work between two maps; router and shared expert see the stream itself.
		{"at a width of 4", MoE{Experts: 6, TopK: 2, Inner: 5, Latent: 4, SharedInner: 3}, 6*8 + 2*4*8 + 6*(5*4+4*5) + 3*8 + 8*3, 6*8 + 64 + 2*40 + 48},
		// Beside both four norms and a factor of each expert.
		{"dense and mixture side by side", MLPMoE{Inner: 5, Experts: 6, TopK: 2, ExpertInner: 3}, 120 + 6*8 + 6*(6*8+8*3) + 4*8 + 6, 120 + 48 + 2*72 + 38},
	} {
		m := &Model{Width: 8, Vocab: 1, Tied: true, Layers: []Layer{{FFN: tt.ffn}}}
		if got := m.Params().FFNs[0].Params; got != tt.params {
			t.Errorf("%s: %d parameters, want %d", tt.name, got, tt.params)
		}
		if got := m.ActiveParams().FFNs[0].Params; got != tt.active {
			t.Errorf("%s: %d are active, want %d", tt.name, got, tt.active)
		}
	}
}

// Where norms stand, block by block, beside a mixer and an FFN.
func TestNormsOfBlocks(t *testing.T) {
	for block, want := range map[Block]int{PreNorm: 2, PostNorm: 2, SandwichNorm: 4, ParallelNorm: 1, ParallelNorms: 2, StreamNorm: 2} {
		l := Layer{Mixer: ShortConv{Channels: 8, DConv: 3}, FFN: MLP{Inner: 5}, Block: block}
		if got := l.norms(); got != want {
			t.Errorf("%s: %d norms, want %d", block, got, want)
		}
	}
	if n := (Layer{FFN: MLP{Inner: 5}, Block: SandwichNorm}).norms(); n != 2 {
		t.Errorf("an FFN alone between norms has %d of them, want 2", n)
	}
}

// The rank of Mamba-1's time step is a sixteenth of the width, rounded up.
func TestDtRank(t *testing.T) {
	for width, want := range map[int]int{1: 1, 16: 1, 17: 2, 2560: 160, 2561: 161} {
		if got := DtRank(width); got != want {
			t.Errorf("width %d: rank %d, want %d", width, got, want)
		}
	}
}

// Learned positions are parameters beside the embedding, not of it.
func TestPositionsAreParameters(t *testing.T) {
	m := &Model{Width: 8, Vocab: 10, Tied: true, Positions: 100, EmbedNorm: true, Layers: []Layer{{FFN: MLP{Inner: 5}}}}
	p := m.Params()
	if p.Positions != 800 || p.Embedding != 80 || p.NonEmbedding != 800+80+3*8 || p.Total != 80+904 {
		t.Errorf("%+v: want 800 of positions, 80 embedded, 904 beside: positions, network, three norms", p)
	}
}

// Norms: how many vectors of parameters each has, and FLOPs an element.
func TestNormKinds(t *testing.T) {
	for norm, want := range map[NormKind][2]int{RMSNorm: {1, 4}, LayerNorm: {2, 8}, LayerNormWeight: {1, 7}, LayerNormBare: {0, 6}} {
		if got := [2]int{norm.Vectors(), norm.FLOPs()}; got != want {
			t.Errorf("%s: %v vectors and FLOPs, want %v", norm, got, want)
		}
	}
}
