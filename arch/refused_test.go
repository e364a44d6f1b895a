package arch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

// Options of attention that exclude each other, or need one another.
func TestAttentionOptionsThatClash(t *testing.T) {
	base := Attention{Heads: 6, KVHeads: 2, HeadDim: 8}
	for _, tt := range []struct {
		change func(a *Attention)
		want   string // "" where it is sound
	}{
		{func(a *Attention) { a.Differential = true }, ""},
		{func(a *Attention) { a.Differential, a.Heads, a.KVHeads = true, 3, 1 }, "heads 3 and kv_heads 1 must be even"},
		{func(a *Attention) { a.Differential, a.Heads, a.KVHeads = true, 6, 3 }, "heads 6 and kv_heads 3 must be even"},
		{func(a *Attention) { a.Differential, a.ValueDim = true, 8 }, ""},
		{func(a *Attention) { a.Differential, a.ValueDim = true, 6 }, "value_dim 6 beside head_dim 8 is not modelled"},
		{func(a *Attention) { a.DeclaredWindow = -2 }, "window -2 is negative"},
		{func(a *Attention) { a.Chunked, a.Window = true, 4 }, ""},
		{func(a *Attention) { a.Chunked = true }, "chunked needs a window"},
		{func(a *Attention) { a.KeysAsValues, a.ValueNorm = true, true }, ""},
		{func(a *Attention) { a.KeysAsValues = true }, "keys_as_values needs value_norm"},
		{func(a *Attention) { a.KeysAsValues, a.ValueNorm, a.ValueDim = true, true, 4 }, "keys_as_values needs values as wide as keys"},
		{func(a *Attention) { a.RotaryDim = 8 }, ""},
		{func(a *Attention) { a.RotaryDim = 10 }, "rotary_dim 10 is not an even number from 0 to head_dim 8"},
		{func(a *Attention) { a.RotaryDim = 3 }, "rotary_dim 3 is not an even number"},
		{func(a *Attention) { a.RotaryDim = -2 }, "rotary_dim -2 is not an even number"},
		{func(a *Attention) {
			a.QKNorm, a.QKNormWide, a.QKNormBare, a.QKLayerNorm, a.QKNormBias, a.QKNormHeads = true, true, true, true, true, true
		}, ""},
		{func(a *Attention) { a.QKNormWide = true }, "qk_norm_wide says how qk_norm runs, which is off"},
		{func(a *Attention) { a.QKNormHeads = true }, "qk_norm_heads says"},
		{func(a *Attention) { a.QKNormBare = true }, "qk_norm_bare says"},
		{func(a *Attention) { a.QKLayerNorm = true }, "qk_layer_norm says"},
		{func(a *Attention) { a.QKNormBias = true }, "qk_norm_bias says"},
		{func(a *Attention) { a.Differential, a.DiffNormBare = true, true }, ""},
		{func(a *Attention) { a.DiffNormBare = true }, "diff_norm_bare says how differential runs, which is off"},
	} {
		a := base
		tt.change(&a)
		if err := a.Check(12); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", a, err, tt.want)
		}
	}
	// What a norm of queries and keys costs an element: RMSNorm 3 and LayerNorm 6, and one more
	// for each vector of parameters.
	for _, tt := range []struct {
		a              Attention
		vectors, flops int
	}{
		{Attention{QKNorm: true}, 1, 4}, {Attention{QKNorm: true, QKNormBare: true}, 0, 3}, {Attention{QKNorm: true, QKNormBias: true}, 2, 5},
		{Attention{QKNorm: true, QKLayerNorm: true}, 1, 7}, {Attention{QKNorm: true, QKLayerNorm: true, QKNormBias: true}, 2, 8},
	} {
		if v, f := tt.a.NormVectors(), tt.a.NormFLOPs(); v != tt.vectors || f != tt.flops {
			t.Errorf("%+v: %d vectors, %d FLOPs an element; want %d, %d", tt.a, v, f, tt.vectors, tt.flops)
		}
	}
	// Half of what the attention of a shared block reads is the embedding: its scores are
	// scaled by the root of half a head, and it is attention of the same sizes.
	s := SharedBlock{Heads: 6, KVHeads: 2, HeadDim: 8, RotaryDim: 4, RotaryBase: 500, Inner: 10, Numerics: SharedBlockNumerics{Rope: RopeScaling{Factor: 3}}}
	if got, want := s.Attention(), (Attention{Heads: 6, KVHeads: 2, HeadDim: 8, RotaryDim: 4, RotaryBase: 500, Numerics: AttentionNumerics{Scale: 0.5, Rope: RopeScaling{Factor: 3}}}); got != want {
		t.Errorf("the attention of a shared block is %+v, want %+v", got, want)
	}
}

// What Transformers caches of latent attention: the latents, and with an indexer all heads' keys
// and values.
func TestExpandedCaches(t *testing.T) {
	a := MLA{Heads: 3, QRank: 5, KVRank: 7, NopeDim: 6, RopeDim: 4, ValueDim: 9}
	if got := a.ExpandedCacheElements(); got != 7+4 {
		t.Errorf("%d elements of a position, want 11", got)
	}
	a.IndexTopK = 2
	if got := a.ExpandedCacheElements(); got != 3*(6+4+9) {
		t.Errorf("%d elements of a position, want 57", got)
	}
}

// Every condition on which cross-attention may read a cache, one at a time.
func TestWhoFitsWhoseCache(t *testing.T) {
	owner := Attention{Heads: 6, KVHeads: 2, HeadDim: 8}
	for _, tt := range []struct {
		change func(owner, reader *Attention)
		ok     bool
	}{
		{func(o, r *Attention) {}, true},
		{func(o, r *Attention) { r.Heads = 4 }, true}, // queries are the reader's own matter
		{func(o, r *Attention) { r.KVHeads = 3 }, false},
		{func(o, r *Attention) { r.HeadDim = 4 }, false},
		{func(o, r *Attention) { r.ValueDim = 8 }, true},
		{func(o, r *Attention) { r.ValueDim = 4 }, false},
		{func(o, r *Attention) { r.Differential = true }, false},
		{func(o, r *Attention) { o.Window, o.Chunked, r.Window = 5, true, 5 }, false},
		{func(o, r *Attention) { o.Window, o.Chunked, r.Window, r.Chunked = 5, true, 5, true }, true},
		{func(o, r *Attention) { o.Window, o.Chunked, r.Window, r.Chunked = 5, true, 4, true }, false},
		{func(o, r *Attention) { r.Window, r.Chunked = 5, true }, true},
		{func(o, r *Attention) { o.Window, r.Window = 5, 5 }, true},
		{func(o, r *Attention) { o.Window, r.Window = 5, 6 }, false},
		{func(o, r *Attention) { o.Window = 5 }, false},
	} {
		o, r := owner, owner
		tt.change(&o, &r)
		r.KVSource = To(0)
		m := &Model{Name: "m", Width: 12, Vocab: 10, Layers: []Layer{{Mixer: o}, {Mixer: r}}}
		if err := m.Check(); (err == nil) != tt.ok {
			t.Errorf("owner %+v, reader %+v: %v", o, r, err)
		}
	}
	m := &Model{Name: "m", Width: 12, Vocab: 10, Layers: []Layer{{Mixer: MLA{Heads: 1, KVRank: 4, NopeDim: 4, RopeDim: 4, ValueDim: 4}}, {Mixer: func() Mixer { a := owner; a.KVSource = To(0); return a }()}}}
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), "the cache of mla holds none") {
		t.Errorf("cross-attention of latents: %v", err)
	}
	// Weights are used again by the same shapes alone, from an earlier layer that has its own.
	block := SharedBlock{Heads: 6, KVHeads: 2, HeadDim: 8, Inner: 10}
	again := func(of int, inner int) Mixer {
		b := block
		b.Inner, b.WeightsOf = inner, To(of)
		return b
	}
	for _, tt := range []struct {
		layers []Mixer
		want   string
	}{
		{[]Mixer{block, again(0, 10)}, ""},
		{[]Mixer{owner, Parallel{Mixers: []Mixer{owner, block}}, again(1, 10)}, ""},
		{[]Mixer{block, again(0, 11)}, "layer 1 (shared_block) uses the weights of layer 0, which has none of the same shapes"},
		{[]Mixer{owner, again(0, 10)}, "which has none of the same shapes"},
		{[]Mixer{block, again(0, 10), again(1, 10)}, "which has none of the same shapes"},
		{[]Mixer{block, again(1, 10)}, "uses the weights of layer 1, which is not before it"},
		{[]Mixer{block, again(5, 10)}, "uses the weights of layer 5, which is not before it"},
	} {
		m := &Model{Name: "m", Width: 12, Vocab: 10}
		for _, x := range tt.layers {
			m.Layers = append(m.Layers, Layer{Mixer: x})
		}
		if err := m.Check(); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.layers, err, tt.want)
		}
	}
	if owner, part := WeightOwner(Parallel{Mixers: []Mixer{owner, again(0, 10), block}}); part != 2 || owner != Mixer(block) {
		t.Errorf("the weights are those of part %d, %+v; want the third", part, owner)
	}
	if owner, part := WeightOwner(again(0, 10)); owner != nil || part != 0 {
		t.Errorf("weights used again belong to %+v, part %d", owner, part)
	}
}

// What models are refused for, beside their parts.
func TestModelsThatAreRefused(t *testing.T) {
	full := Attention{Heads: 6, KVHeads: 2, HeadDim: 8}
	mlp := MLP{Inner: 10}
	for _, tt := range []struct {
		change func(m *Model)
		want   string
	}{
		{func(m *Model) {}, ""},
		{func(m *Model) { m.Width = 0 }, "width must be positive"},
		{func(m *Model) { m.Vocab = MaxDimension }, ""},
		{func(m *Model) { m.Vocab = MaxDimension + 1 }, "vocab 16777217 is more than 16777216"},
		{func(m *Model) { m.Positions = MaxDimension }, ""},
		{func(m *Model) { m.Positions = MaxDimension + 1 }, "positions 16777217 is not"},
		{func(m *Model) { m.Positions = -1 }, "positions -1 is not"},
		{func(m *Model) { m.LogitCap = -1 }, "logit_cap -1 is not 0 or more"},
		{func(m *Model) { m.Name = "a\tb" }, "its name"},
		{func(m *Model) { m.Notes = []string{"two\nlines"} }, ""},
		{func(m *Model) { m.Notes = []string{"a\x1bb"} }, "a note"},
		{func(m *Model) { m.LayerInput.Vocab = 3 }, "layer_input must be positive"},
		{func(m *Model) { m.LayerInput.Width = 3 }, "layer_input_vocab must be positive"},
		{func(m *Model) { m.LayerInput = LayerInput{3, 4, ReLU} }, ""},
		{func(m *Model) { m.LayerInput = LayerInput{3, 4, ClampedSwiGLU} }, "is for a feed-forward network alone"},
		{func(m *Model) { m.AltUp = AltUp{2, 1} }, ""},
		{func(m *Model) { m.AltUp = AltUp{64, 63} }, ""},
		{func(m *Model) { m.AltUp = AltUp{65, 0} }, "altup_streams 65 is not from 2 to 64"},
		{func(m *Model) { m.AltUp = AltUp{1, 0} }, "altup_streams 1 is not"},
		{func(m *Model) { m.AltUp = AltUp{3, 3} }, "altup_active 3 is none of the 3 streams"},
		{func(m *Model) { m.AltUp = AltUp{3, -1} }, "altup_active -1 is none"},
		{func(m *Model) { m.AltUp, m.LayerScales = AltUp{3, 1}, true }, "layer_scales are of a model with one stream"},
		{func(m *Model) { m.LaurelRank = 3 }, ""},
		{func(m *Model) { m.LaurelRank = -1 }, "laurel_rank -1 is not"},
		{func(m *Model) { m.LaurelRank = MaxDimension }, ""},
		{func(m *Model) { m.LaurelRank = MaxDimension + 1 }, "laurel_rank 16777217 is not"},
		{func(m *Model) { m.LaurelRank, m.Layers[0].Mixer = 3, nil }, "layer 0: laurel_rank needs a mixer behind a norm"},
		{func(m *Model) { m.LaurelRank, m.Layers[0].Block = 3, SandwichNorm }, ""},
		{func(m *Model) { m.LaurelRank, m.Layers[0].Block = 3, PostNorm }, "laurel_rank needs"},
		{func(m *Model) { m.LaurelRank, m.Layers[0].Block = 3, ParallelNorms }, "laurel_rank needs"},
		{func(m *Model) { m.LaurelRank, m.Layers[0].Block = 3, StreamNorm }, "laurel_rank needs"},
		{func(m *Model) { m.MTP = MaxLayers }, ""},
		{func(m *Model) { m.MTP = MaxLayers + 1 }, "mtp 4097 is not"},
		{func(m *Model) { m.MTP = -1 }, "mtp -1 is not"},
		{func(m *Model) { m.Layers = nil }, "no layers"},
		{func(m *Model) { m.Layers = make([]Layer, MaxLayers+1) }, "4097 layers: more than 4096"},
		{func(m *Model) {
			m.Layers = nil
			for range MaxLayers {
				m.Layers = append(m.Layers, Layer{FFN: MLP{Inner: 1}})
			}
		}, ""},
		{func(m *Model) { m.Layers[0] = Layer{} }, "layer 0 has neither mixer nor ffn"},
		{func(m *Model) { m.Layers[0].FFN = nil }, ""},
		{func(m *Model) { m.Layers[0].Mixer = nil }, ""},
		{func(m *Model) { m.Layers[0].Block = ParallelNorm }, ""},
		{func(m *Model) { m.Layers[0].Block, m.Layers[0].FFN = ParallelNorm, nil }, "a parallel_norm block needs both"},
		{func(m *Model) { m.Layers[0].Block, m.Layers[0].Mixer = ParallelNorms, nil }, "a parallel_norms block needs both"},
		{func(m *Model) { m.Layers[0].Block = SideInput }, "a side_input block needs parallel mixers"},
		{func(m *Model) {
			m.Layers[0].Block, m.Layers[0].Mixer = SideInput, Parallel{Mixers: []Mixer{full, full}}
		}, ""},
		{func(m *Model) { m.Layers[0].Mixer = Parallel{Mixers: []Mixer{full}} }, "parallel needs at least two mixers"},
		{func(m *Model) { m.Layers[0].FFN = MLP{} }, "layer 0 (mlp): inner must be positive"},
		{func(m *Model) { m.Layers[0].Mixer = Attention{Heads: 1, KVHeads: 1} }, "layer 0 (attention): head_dim must be positive"},
		{func(m *Model) {
			m.Layers = append(m.Layers, Layer{Mixer: Parallel{Mixers: []Mixer{full, GMU{DMem: 3}}}})
		}, "layer 1 (gmu) has no memory layer"},
	} {
		m := &Model{Name: "m", Width: 12, Vocab: 10, Layers: []Layer{{Mixer: full, FFN: mlp}}}
		tt.change(m)
		if err := m.Check(); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}

// What one layer reads and keeps, and what is asked of models: of parallel mixers the sum of what
// they keep, of references the last.
func TestParallelByHand(t *testing.T) {
	swa := Attention{Heads: 6, KVHeads: 2, HeadDim: 8, Window: 7}
	cross := Attention{Heads: 6, KVHeads: 2, HeadDim: 8, KVSource: To(1)}
	scan := Mamba1{DInner: 24, DState: 3, DConv: 4, DtRank: 2}
	gmu := GMU{Memory: To(2), From: ScanMemory, DMem: 24}
	block := SharedBlock{Heads: 6, KVHeads: 2, HeadDim: 8, Inner: 10, WeightsOf: To(3)}
	picked, _ := TakingPicks(MLA{Heads: 2, QRank: 3, KVRank: 4, NopeDim: 6, RopeDim: 2, ValueDim: 5, IndexTopK: 7, IndexHeads: 2, IndexDim: 4}, To(4))
	if got, want := picked.Reads(), (Reads{Picks: To(4)}); got != want || (Parallel{Mixers: []Mixer{picked, scan}}).Reads() != want || Detached(picked).Reads() != (Reads{}) {
		t.Errorf("reads %+v, want %+v", got, want)
	}
	p := Parallel{Mixers: []Mixer{cross, scan, swa, gmu, block, RWKV4{Inner: 5, Stream: 12}}}
	if got, want := p.Stores(), (Storage{CacheElements: 32 + 32, Window: 7, StateElements: 72 + 15, ConvElements: 72 + 12}); got != want {
		t.Errorf("keeps %+v, want %+v", got, want)
	}
	if got, want := p.Reads(), (Reads{Cache: To(1), Memory: To(2), Kind: ScanMemory, Weights: To(3), Embedding: true}); got != want {
		t.Errorf("reads %+v, want %+v", got, want)
	}
	if got, want := Detached(p).Reads(), (Reads{Embedding: true}); got != want {
		t.Errorf("without references it reads %+v, want %+v", got, want)
	}
	if s, a := p.HandsOn(ScanMemory), p.HandsOn(AttentionMemory); s != 24 || a != 48 {
		t.Errorf("hands on %d of its scan and %d of its attention, want 24 and 48", s, a)
	}
	if got, want := p.Name(), "cross+mamba1+swa+gmu+reused+rwkv4"; got != want {
		t.Errorf("named %s, want %s", got, want)
	}
	if got, want := (Parallel{Mixers: []Mixer{scan, gmu}}).Shape(), "d_inner 24, state 3 + d_mem 24"; got != want {
		t.Errorf("shape %s, want %s", got, want)
	}
	names := map[string]bool{}
	for _, w := range p.Weights(12) {
		if names[w.Name] {
			t.Errorf("two weights named %s", w.Name)
		}
		names[w.Name] = true
	}
	if !names["0.qkv"] || !names["1.in"] || !names["5.kvr"] || names["4.qkv"] {
		t.Errorf("weights %v", names)
	}
	if err := (Parallel{Mixers: []Mixer{scan, Parallel{Mixers: []Mixer{scan, scan}}}}).Check(12); err == nil {
		t.Error("parallel mixers nest")
	}
	if err := (Parallel{Mixers: []Mixer{scan, Mamba1{}}}).Check(12); err == nil {
		t.Error("a part of nothing passes")
	}

	for _, tt := range []struct {
		l    Layer
		want bool
	}{
		{Layer{Mixer: swa}, true}, {Layer{Mixer: cross}, false}, {Layer{Mixer: scan}, false}, {Layer{FFN: MLP{Inner: 2}}, false},
		{Layer{Mixer: swa, FFN: MLP{Inner: 2}, Block: ParallelNorm}, false}, {Layer{Mixer: Parallel{Mixers: []Mixer{swa, scan}}}, false},
		{Layer{Mixer: SharedBlock{Heads: 6, KVHeads: 2, HeadDim: 8, Inner: 10}}, false}, {Layer{Mixer: MLA{Heads: 1, KVRank: 4, NopeDim: 4, RopeDim: 4, ValueDim: 4}}, true},
	} {
		if got := tt.l.LastQuery(); got != tt.want {
			t.Errorf("%s: queries of the last position alone: %v, want %v", tt.l.MixerName(), got, tt.want)
		}
	}

	m := &Model{Layers: []Layer{{Mixer: swa}, {FFN: MLP{Inner: 2}}, {Mixer: Parallel{Mixers: []Mixer{scan, cross}}}, {Mixer: gmu}, {Mixer: swa}}}
	var seen []string
	for i, x := range m.Mixers() {
		seen = append(seen, fmt.Sprint(i, x.Name()))
	}
	if got, want := strings.Join(seen, " "), "0swa 2mamba1 2cross 3gmu 4swa"; got != want {
		t.Errorf("mixers %s, want %s", got, want)
	}
	seen = nil
	for i, a := range m.Attentions() {
		seen = append(seen, fmt.Sprint(i, a.Name()))
		if i == 2 {
			break
		}
	}
	if got, want := strings.Join(seen, " "), "0swa 2cross"; got != want {
		t.Errorf("attentions up to layer 2: %s, want %s", got, want)
	}
	for i, g := range m.GMUs() {
		if i != 3 || g != gmu {
			t.Errorf("the unit of layer %d is %+v", i, g)
		}
	}
	if a, ok := AttentionOf(m.Layers[2].Mixer); !ok || a != cross {
		t.Errorf("the attention beside the scan is %+v, %v", a, ok)
	}
	if _, ok := AttentionOf(scan); ok {
		t.Error("a scan is attention")
	}
	if _, ok := AttentionAlone(m.Layers[2].Mixer); ok {
		t.Error("attention beside a scan is alone")
	}
	if a, ok := AttentionAlone(swa); !ok || a != swa {
		t.Error("attention alone is not")
	}
	if o := CacheOwner(Parallel{Mixers: []Mixer{cross, scan, swa}}); o != Mixer(swa) {
		t.Errorf("the cache is stored by %+v", o)
	}
	if o := CacheOwner(cross); o != nil {
		t.Errorf("a reader stores a cache: %+v", o)
	}
	c := m.Clone()
	c.MapAttentions(func(layer int, a Attention) Attention {
		a.Window = 100 + layer
		return a
	})
	if got := fmt.Sprint(c.Layers[0].Mixer.(Attention).Window, AttentionWindow(c, 2), c.Layers[4].Mixer.(Attention).Window); got != "100 102 104" {
		t.Errorf("windows became %s", got)
	}
	if got, want := m.Summary(), "swa mlp mamba1+cross gmu swa"; got != want {
		t.Errorf("in short %s, want %s", got, want)
	}
	if got, want := strings.Join(m.LayerNames(), " "), "swa none mamba1+cross gmu swa"; got != want {
		t.Errorf("layers %s, want %s", got, want)
	}
	if m.Layers[1].FFNName() != "mlp" || m.Layers[0].FFNName() != "none" {
		t.Errorf("networks %s, %s", m.Layers[1].FFNName(), m.Layers[0].FFNName())
	}
}

// AttentionWindow is the window of the attention among a layer's mixers.
func AttentionWindow(m *Model, layer int) int {
	a, _ := AttentionOf(m.Layers[layer].Mixer)
	return a.Window
}

// What a checkpoint stores in which format: said weights, unsaid ones, norms, head and embedding.
func TestStoredSharesByHand(t *testing.T) {
	full := Attention{Heads: 6, KVHeads: 2, HeadDim: 8} // qkv 80×12, out 12×48
	m := &Model{Width: 12, Vocab: 10, Norm: LayerNorm, HeadBias: true, Layers: []Layer{{Mixer: full, FFN: MLP{Inner: 10}}, {Mixer: full, FFN: MLP{Inner: 10}}}}
	if m.Quantised() || m.StoredSummary() != "bf16 100%" {
		t.Errorf("a plain model is stored as %s, quantised %v", m.StoredSummary(), m.Quantised())
	}
	total := m.Params().Total
	if got, want := m.StoredShares(), []Share{{"bf16", total, 2 * total}}; len(got) != 1 || got[0] != want[0] {
		t.Errorf("a plain model: %+v, want %+v", got, want)
	}
	m.WeightDType = precision.FP32
	if got, want := m.StoredShares(), (Share{"fp32", total, 4 * total}); len(got) != 1 || got[0] != want {
		t.Errorf("in fp32: %+v, want %+v", got, want)
	}
	m.WeightDType = precision.Unset
	int8 := formats.Of(precision.INT8)
	store := func(bytes int64) Stored { return Stored{int8, bytes} }
	table := StoreWeights(map[string]Stored{"mixer.qkv": store(1000), "ffn.up": store(130), "mixer_norm": store(30)})
	m.Layers[1].Stored = table
	m.Layers = append(m.Layers, Layer{FFN: MLP{Inner: 1}}, Layer{Mixer: Mamba1{DInner: 1, DState: 1, DConv: 1, DtRank: 1}}) // one without the other
	if !m.Quantised() {
		t.Error("a layer with a table is not quantised")
	}
	said := int64(80*12 + 10*12 + 2*12)
	check := func(what string, params, bytes int64) {
		t.Helper()
		var got Share
		all := int64(0)
		for _, s := range m.StoredShares() {
			all += s.Params
			if s.Format == int8.String() {
				got = s
			}
		}
		if got != (Share{int8.String(), params, bytes}) || all != m.Params().Total {
			t.Errorf("%s: %+v of %d parameters, want %d in %d bytes", what, got, all, params, bytes)
		}
	}
	check("a layer's table", said, 1160)
	m.FinalNormStored = store(25)
	check("and the last norm", said+24, 1185)
	m.HeadStored = store(140)
	check("and the head", said+24+120, 1325)
	m.EmbeddingStored = store(150)
	check("and the embedding", said+24+240, 1475)
	m.Tied = true
	check("a tied head is none", said+24+120, 1335)
	if got, want := m.StoredSummary(), "bf16 80%, int8 20%"; got != want {
		t.Errorf("in short %s, want %s", got, want)
	}
	m.Layers[1].Stored = nil
	if !m.Quantised() {
		t.Error("a stored embedding does not make a model quantised")
	}
	m.EmbeddingStored = Stored{}
	if !m.Quantised() {
		t.Error("a stored head does not make a model quantised")
	}
	m.HeadStored = Stored{}
	if m.Quantised() {
		t.Error("a stored last norm makes a model quantised")
	}

	// The format that takes most stands first; what is all said leaves no rest.
	for params, first := range map[int64]string{100: "bf16", 1 << 40: int8.String()} {
		m.EmbeddingStored = store(params)
		if got := m.StoredShares()[0].Format; got != first {
			t.Errorf("of an embedding of %d bytes %s stands first, want %s", params, got, first)
		}
	}
	said1 := &Model{Width: 2, Vocab: 3, Tied: true, EmbeddingStored: store(6), FinalNormStored: store(2)}
	if got := said1.StoredShares(); len(got) != 1 || got[0] != (Share{int8.String(), 8, 8}) {
		t.Errorf("of a model that is all said: %+v", got)
	}

	other := StoreWeights(map[string]Stored{"mixer.qkv": store(1000), "ffn.up": store(131), "mixer_norm": store(30)})
	var none *StoredWeights
	if !table.Equal(table) || table.Equal(other) || table.Equal(nil) || none.Equal(table) || !none.Equal(nil) {
		t.Error("tables are equal that are not, or the reverse")
	}
	if s, ok := table.Of("ffn.up"); !ok || s != store(130) {
		t.Errorf("ffn.up is stored as %+v, %v", s, ok)
	}
	if _, ok := table.Of("ffn.down"); ok {
		t.Error("a weight that the table does not name is in it")
	}
	if _, ok := none.Of("ffn.up"); ok || none.Names() != nil {
		t.Error("no table says something")
	}
	if got := strings.Join(table.Names(), " "); got != "ffn.up mixer.qkv mixer_norm" {
		t.Errorf("names %s", got)
	}
}

// Sizes and switches as they are written.
func TestSizesAndSwitches(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "7": 7, "2k": 2000, "4Ki": 4096, "2147483647": 1<<31 - 1} {
		if n, err := ParseSize(text); err != nil || n != want {
			t.Errorf("%s: %d, %v; want %d", text, n, err, want)
		}
	}
	for text, want := range map[string]string{"-1": "negative", "2147483648": "more than", "x": "x", "": ""} {
		if n, err := ParseSize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	for text, want := range map[string]bool{"true": true, "false": false} {
		if v, err := ParseBool("tied", text); err != nil || v != want {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
	if _, err := ParseBool("tied", "yes"); err == nil || err.Error() != `tied: "yes" is neither true nor false` {
		t.Errorf("yes: %v", err)
	}
}
