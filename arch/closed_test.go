package arch

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// count is what a part of a model comes to: parameters in all and of one token, what a sequence
// leaves, and the width of the memory it hands on by itself.
type count struct {
	params, active int
	keeps          Storage
	kind           MemoryKind
	memory         int
}

// sizes draws numbers small enough to multiply and large enough to differ.
type sizes struct{ t *rapid.T }

func (s sizes) n(name string) int     { return rapid.IntRange(1, 9).Draw(s.t, name) }
func (s sizes) yes(name string) bool  { return rapid.Bool().Draw(s.t, name) }
func (s sizes) zero(name string) int  { return rapid.IntRange(0, 9).Draw(s.t, name) }
func (s sizes) if1(b bool, n int) int { return map[bool]int{true: n}[b] }

// closedForms are the parameters and the storage of every mixer in closed form, from the
// papers' shapes: nothing of it is taken from the lists of weights.
var closedForms = map[string]func(s sizes, w int) (Mixer, count){
	"attention": func(s sizes, w int) (Mixer, count) {
		kv := s.n("kv")
		h, d, v := kv*s.n("group"), s.n("dim"), s.zero("values")
		a := Attention{Heads: h, KVHeads: kv, HeadDim: d, ValueDim: v, Window: s.zero("window"), QKVBias: s.yes("qkv_bias"), OutBias: s.yes("out_bias"),
			QKNorm: s.yes("norm"), OutputGate: s.yes("gate"), Sinks: s.yes("sinks"), Alibi: s.yes("alibi"), InnerNorm: s.yes("inner")}
		if v == 0 {
			v = d
		}
		if a.QKNorm {
			a.QKNormWide, a.QKNormHeads, a.QKNormBare, a.QKLayerNorm, a.QKNormBias = s.yes("wide"), s.yes("heads"), s.yes("bare"), s.yes("layer"), s.yes("bias")
		}
		if s.yes("cross") {
			a.KVSource = To(3)
		}
		rows := h*d + s.if1(a.OutputGate, h*v)
		keeps := Storage{}
		if a.KVSource == 0 {
			rows += kv*d + kv*v
			keeps = Storage{CacheElements: kv*d + kv*v, Window: a.Window}
		}
		n := rows*w + s.if1(a.QKVBias, rows) + h*v*w + s.if1(a.OutBias, w) + s.if1(a.Sinks, h) + s.if1(a.InnerNorm, h*v)
		if a.QKNorm {
			vectors := s.if1(!a.QKNormBare, 1) + s.if1(a.QKNormBias, 1)
			of := func(heads int) int {
				if a.QKNormWide || a.QKNormHeads {
					return heads * d
				}
				return d
			}
			n += vectors * of(h)
			if a.KVSource == 0 {
				n += vectors * of(kv)
			}
		}
		return a, count{n, n, keeps, AttentionMemory, h * v}
	},
	"block_sparse": func(s sizes, w int) (Mixer, count) {
		kv := s.n("kv")
		m := BlockSparse{Heads: kv * s.n("group"), KVHeads: kv, HeadDim: s.n("dim"), QKNorm: s.yes("norm"), Block: s.n("block"), TopBlocks: s.n("top"), LocalBlocks: 1, IndexDim: s.n("index dim")}
		q := m.Heads * m.HeadDim
		n := (q+2*kv*m.HeadDim)*w + w*q + s.if1(m.QKNorm, 2*m.HeadDim) + (kv+1)*m.IndexDim*w + 2*m.IndexDim
		keeps := 2 * kv * m.HeadDim
		return m, count{n, n, Storage{CacheElements: keeps + m.IndexDim, PickedElements: keeps, Picked: m.TopBlocks * m.Block}, AttentionMemory, q}
	},
	"moa": func(s sizes, w int) (Mixer, count) {
		k := s.n("k")
		m := MoA{Experts: k + s.zero("more"), TopK: k, KVHeads: s.n("kv"), HeadDim: s.n("dim"), Bias: s.yes("bias")}
		d := m.KVHeads * m.HeadDim
		n := m.Experts*w + 2*d*w + s.if1(m.Bias, w)
		return m, count{n + m.Experts*2*d*w, n + k*2*d*w, Storage{CacheElements: 2 * d}, AttentionMemory, k * d}
	},
	"mla": func(s sizes, w int) (Mixer, count) {
		a := MLA{Heads: s.n("heads"), QRank: s.zero("q"), KVRank: s.n("kv"), NopeDim: s.n("nope"), RopeDim: 2 * s.n("rope"), ValueDim: s.n("value"), Bias: s.yes("bias")}
		q := a.Heads * (a.NopeDim + a.RopeDim)
		n := (a.KVRank+a.RopeDim)*w + a.KVRank + a.Heads*(a.NopeDim+a.ValueDim)*a.KVRank + a.Heads*a.ValueDim*w
		n += s.if1(a.Bias, a.KVRank+a.RopeDim+w)
		keeps := Storage{CacheElements: a.KVRank + a.RopeDim}
		if a.QRank == 0 {
			n += q * w
		} else {
			n += a.QRank*w + a.QRank + q*a.QRank + s.if1(a.Bias, a.QRank)
			if s.yes("indexer") {
				a.IndexTopK, a.IndexHeads, a.IndexDim = s.n("picked"), s.n("index heads"), a.RopeDim+s.n("index dim")
				n += a.IndexHeads*a.IndexDim*a.QRank + a.IndexDim*w + 2*a.IndexDim + a.IndexHeads*w
				keeps = Storage{CacheElements: keeps.CacheElements + a.IndexDim, PickedElements: keeps.CacheElements, Picked: a.IndexTopK}
			}
		}
		return a, count{n, n, keeps, AttentionMemory, a.Heads * a.ValueDim}
	},
	"mamba1": func(s sizes, w int) (Mixer, count) {
		m := Mamba1{DState: s.n("state"), DConv: s.n("conv"), DtRank: s.n("rank"), Heads: s.zero("heads"), ConvBias: s.yes("conv_bias"), ProjBias: s.yes("proj_bias")}
		parts := max(1, m.Heads)
		m.DInner = parts * s.n("inner")
		if m.Heads <= 1 {
			m.InnerNorms, m.BareNorms = s.yes("norms"), s.yes("bare")
		}
		c := m.DInner
		n := 2*c*w + c*m.DConv + (m.DtRank+2*m.DState)*c + c*m.DtRank + c + c*m.DState + c + c*w
		n += s.if1(m.ConvBias, c) + s.if1(m.ProjBias, 2*c+w) + s.if1(m.InnerNorms, m.DtRank+2*m.DState)
		return m, count{n, n, Storage{StateElements: c * m.DState, ConvElements: c * (m.DConv - 1)}, ScanMemory, c}
	},
	"mamba2": func(s sizes, w int) (Mixer, count) {
		g := s.n("groups")
		m := Mamba2{Heads: g * s.n("heads of a group"), HeadDim: s.n("dim"), DState: s.n("state"), Groups: g, DConv: s.n("conv"),
			ConvBias: s.yes("conv_bias"), ProjBias: s.yes("proj_bias"), NoNorm: s.yes("no norm")}
		c := m.Heads * m.HeadDim
		mixed := c + g*m.DState + g*m.DState
		in := c + mixed + m.Heads
		n := in*w + mixed*m.DConv + 3*m.Heads + c*w + s.if1(!m.NoNorm, c) + s.if1(m.ConvBias, mixed) + s.if1(m.ProjBias, in+w)
		return m, count{n, n, Storage{StateElements: c * m.DState, ConvElements: mixed * (m.DConv - 1)}, ScanMemory, c}
	},
	"gated_deltanet": func(s sizes, w int) (Mixer, count) {
		k := s.n("key heads")
		m := GatedDeltaNet{KHeads: k, VHeads: k * s.n("values of a key"), KDim: s.n("key"), VDim: s.n("value"), DConv: s.n("conv"), NoNorm: s.yes("no norm"), DoubleBeta: s.yes("double")}
		keys, values := k*m.KDim, m.VHeads*m.VDim
		n := keys*w + keys*w + values*w + values*w + 2*m.VHeads*w + (keys+keys+values)*m.DConv + m.VHeads + m.VHeads + values*w + s.if1(!m.NoNorm, m.VDim)
		return m, count{n, n, Storage{StateElements: m.VHeads * m.KDim * m.VDim, ConvElements: (keys + keys + values) * (m.DConv - 1)}, ScanMemory, values}
	},
	"kda": func(s sizes, w int) (Mixer, count) {
		m := KDA{Heads: s.n("heads"), HeadDim: s.n("dim"), DConv: s.n("conv")}
		d := m.Heads * m.HeadDim
		lowRank := m.HeadDim*w + d*m.HeadDim
		n := 3*d*w + 3*d*m.DConv + lowRank + lowRank + m.Heads*w + d + m.Heads + m.HeadDim + d*w
		return m, count{n, n, Storage{StateElements: m.Heads * m.HeadDim * m.HeadDim, ConvElements: 3 * d * (m.DConv - 1)}, ScanMemory, d}
	},
	"rglru": func(s sizes, w int) (Mixer, count) {
		m := RGLRU{Heads: s.n("heads"), HeadDim: s.n("dim"), DConv: s.n("conv")}
		d := m.Heads * m.HeadDim
		n := 2*(d*w+d) + d*m.DConv + d + 2*(m.Heads*m.HeadDim*m.HeadDim+d) + d + d*w + w
		return m, count{n, n, Storage{StateElements: d, ConvElements: d * (m.DConv - 1)}, ScanMemory, d}
	},
	"mlstm": func(s sizes, w int) (Mixer, count) {
		m := MLSTM{Heads: s.n("heads"), KDim: s.n("key"), VDim: s.n("value")}
		k, v := m.Heads*m.KDim, m.Heads*m.VDim
		n := (k+k+v+v)*w + 2*(m.Heads*w+m.Heads) + v + v*w
		return m, count{n, n, Storage{StateElements: m.Heads*m.KDim*m.VDim + k + m.Heads}, ScanMemory, v}
	},
	"rwkv4": func(s sizes, w int) (Mixer, count) {
		m := RWKV4{Inner: s.n("inner"), Stream: w}
		n := 3*w + 3*m.Inner*w + m.Inner + m.Inner + m.Inner*w
		return m, count{n, n, Storage{StateElements: 3 * m.Inner, ConvElements: w}, NoMemory, 0}
	},
	"rwkv5": func(s sizes, w int) (Mixer, count) {
		m := RWKV5{Heads: s.n("heads"), HeadDim: s.n("dim"), Stream: w}
		d := m.Heads * m.HeadDim
		n := 4*w + 4*d*w + 4*d + d*w
		return m, count{n, n, Storage{StateElements: m.Heads * m.HeadDim * m.HeadDim, ConvElements: w}, ScanMemory, d}
	},
	"rwkv_channel_mix": func(s sizes, w int) (Mixer, count) {
		m := RWKVChannelMix{Inner: s.n("inner"), Stream: w}
		n := 2*w + m.Inner*w + w*w + m.Inner*w
		return m, count{n, n, Storage{ConvElements: w}, NoMemory, 0}
	},
	"shared_block": func(s sizes, w int) (Mixer, count) {
		kv := s.n("kv")
		m := SharedBlock{Heads: kv * s.n("group"), KVHeads: kv, HeadDim: s.n("dim"), Inner: s.n("inner"), Adapter: s.zero("adapter"), AttentionAdapter: s.zero("attention adapter")}
		q := m.Heads * m.HeadDim
		qkv := q + 2*kv*m.HeadDim
		n := w * w
		if s.yes("own weights") {
			n += 2*w + qkv*2*w + q*w + w + 2*m.Inner*w + m.Inner*w
		} else {
			m.WeightsOf = To(1)
		}
		n += m.Adapter*w + 2*m.Inner*m.Adapter + 3*m.AttentionAdapter*2*w + qkv*m.AttentionAdapter
		return m, count{n, n, Storage{CacheElements: 2 * kv * m.HeadDim}, AttentionMemory, q}
	},
	"short_conv": func(s sizes, w int) (Mixer, count) {
		m := ShortConv{Channels: s.n("channels"), DConv: s.n("conv"), Bias: s.yes("bias")}
		n := 3*m.Channels*w + m.Channels*m.DConv + m.Channels*w + s.if1(m.Bias, 3*m.Channels+m.Channels+w)
		return m, count{n, n, Storage{ConvElements: m.Channels * (m.DConv - 1)}, NoMemory, 0}
	},
	"lightning": func(s sizes, w int) (Mixer, count) {
		m := Lightning{Heads: s.n("heads"), HeadDim: s.n("dim")}
		d := m.Heads * m.HeadDim
		n := 3*d*w + d*w + d + d*w
		return m, count{n, n, Storage{StateElements: d * m.HeadDim}, ScanMemory, d}
	},
	"gmu": func(s sizes, w int) (Mixer, count) {
		m := GMU{Memory: To(0), From: ScanMemory, DMem: s.n("memory")}
		return m, count{2 * m.DMem * w, 2 * m.DMem * w, Storage{}, NoMemory, 0}
	},
	"ngmu": func(s sizes, w int) (Mixer, count) {
		m := GMU{Memory: To(0), From: ScanMemory, DMem: s.n("memory"), Normed: true}
		return m, count{2*m.DMem*w + m.DMem, 2*m.DMem*w + m.DMem, Storage{}, NoMemory, 0}
	},
	"sigmoid_gmu": func(s sizes, w int) (Mixer, count) {
		m := GMU{Memory: To(0), From: OutputMemory, DMem: w, Variant: SigmoidGMU}
		n := 3*(w*w+w) + 2*w*w + w
		return m, count{n, n, Storage{}, NoMemory, 0}
	},
}

// closedNetworks are the same for feed-forward networks.
var closedNetworks = map[string]func(s sizes, w int) (FFN, count){
	"swiglu": func(s sizes, w int) (FFN, count) {
		m := MLP{Inner: s.n("inner"), Gated: true, Bias: s.yes("bias")}
		n := 3*m.Inner*w + s.if1(m.Bias, 2*m.Inner+w)
		return m, count{n, n, Storage{}, MLPMemory, m.Inner}
	},
	"mlp": func(s sizes, w int) (FFN, count) {
		m := MLP{Inner: s.n("inner"), Bias: s.yes("bias")}
		n := 2*m.Inner*w + s.if1(m.Bias, m.Inner+w)
		return m, count{n, n, Storage{}, NoMemory, 0}
	},
	"moe": func(s sizes, w int) (FFN, count) {
		k := s.n("k")
		m := MoE{Experts: k + s.zero("more"), TopK: k, Inner: s.n("inner"), SharedInner: s.zero("shared"), Latent: s.zero("latent"),
			Gated: s.yes("gated"), Bias: s.yes("bias"), RouterBias: s.yes("router bias"), SharedGate: s.yes("shared gate")}
		maps := 2 + s.if1(m.Gated, 1)
		at := w
		n := m.Experts*w + s.if1(m.RouterBias, m.Experts)
		if s.yes("sum bias") {
			m.SumBias = true
			n += w
		}
		if m.Latent > 0 {
			at = m.Latent
			n += 2 * w * m.Latent
		}
		if m.SharedInner > 0 {
			n += maps*m.SharedInner*w + s.if1(m.SharedGate, w)
		}
		expert := maps*m.Inner*at + s.if1(m.Bias, (maps-1)*m.Inner+at)
		return m, count{n + m.Experts*expert, n + k*expert, Storage{}, NoMemory, 0}
	},
	"mlp_moe": func(s sizes, w int) (FFN, count) {
		k := s.n("k")
		m := MLPMoE{Inner: s.n("inner"), Experts: k + s.zero("more"), TopK: k, ExpertInner: s.n("expert")}
		n := 3*m.Inner*w + m.Experts*w + 4*w + m.Experts
		return m, count{n + m.Experts*3*m.ExpertInner*w, n + k*3*m.ExpertInner*w, Storage{}, NoMemory, 0}
	},
	"shortcut_moe": func(s sizes, w int) (FFN, count) {
		k := s.n("k")
		m := ShortcutMoE{Inner: s.n("inner"), Experts: k + s.zero("more"), Zero: s.zero("zero"), TopK: k, ExpertInner: s.n("expert")}
		all := m.Experts + m.Zero
		n := 3*m.Inner*w + all*w + all
		active := max(k*m.Experts/all, 1) // of those that compute, in the mean
		return m, count{n + m.Experts*3*m.ExpertInner*w, n + active*3*m.ExpertInner*w, Storage{}, NoMemory, 0}
	},
}

// Every kind of mixer and network is what its closed form says, at any sizes and options.
func TestClosedForms(t *testing.T) {
	compare := func(t *rapid.T, name string, part any, ws []Weight, hands func(MemoryKind) int, want count) {
		var got, active int64
		for _, w := range ws {
			got += w.Elements()
			w.Copies = w.Active
			active += w.Elements()
		}
		if int(got) != want.params || int(active) != want.active {
			t.Fatalf("%s %+v: %d parameters, %d active; want %d and %d", name, part, got, active, want.params, want.active)
		}
		for _, k := range append(MemoryKinds(), NoMemory) {
			memory := 0
			if k == want.kind {
				memory = want.memory
			}
			if n := hands(k); n != memory {
				t.Fatalf("%s %+v: hands on %d of %q, want %d", name, part, n, k, memory)
			}
		}
	}
	for _, k := range MixerKinds() {
		t.Run(k.Name, rapid.MakeCheck(func(t *rapid.T) {
			form := closedForms[k.Name]
			if form == nil {
				t.Fatalf("closedForms lacks %q: parameters and storage of a new mixer are written there in closed form, from its paper", k.Name)
			}
			width := rapid.IntRange(1, 9).Draw(t, "width")
			m, want := form(sizes{t}, width)
			if m.Kind() != k.Name {
				t.Fatalf("a %s is of kind %s", k.Name, m.Kind())
			}
			if err := m.Check(width); err != nil {
				t.Fatalf("%+v: %v", m, err)
			}
			compare(t, k.Name, m, m.Weights(width), m.HandsOn, want)
			if got := m.Stores(); got != want.keeps {
				t.Fatalf("%+v: keeps %+v, want %+v", m, got, want.keeps)
			}
			if r := m.Stores().Recurrent(); r != (want.keeps.StateElements+want.keeps.ConvElements > 0) {
				t.Fatalf("%+v: recurrent %v", m, r)
			}
			if n := approximateMixer(m, width); n != float64(want.params) {
				t.Fatalf("%+v: about %g parameters, want %d", m, n, want.params)
			}
		}))
	}
	for _, k := range FFNKinds() {
		t.Run(k.Name, rapid.MakeCheck(func(t *rapid.T) {
			form := closedNetworks[k.Name]
			if form == nil {
				t.Fatalf("closedNetworks lacks %q: parameters of a new network are written there in closed form, from its paper", k.Name)
			}
			width := rapid.IntRange(1, 9).Draw(t, "width")
			f, want := form(sizes{t}, width)
			if f.Kind() != k.Name {
				t.Fatalf("a %s is of kind %s", k.Name, f.Kind())
			}
			if err := f.Check(width); err != nil {
				t.Fatalf("%+v: %v", f, err)
			}
			compare(t, k.Name, f, f.Weights(width), f.HandsOn, want)
		}))
	}
}

// approximateMixer is what a model's approximate count makes of a mixer: of two layers less one.
func approximateMixer(m Mixer, width int) float64 {
	one := &Model{Width: width, Vocab: 3, Layers: []Layer{{Mixer: m}}}
	two := &Model{Width: width, Vocab: 3, Layers: []Layer{{Mixer: m}, {Mixer: m}}}
	return two.approximateParams() - one.approximateParams()
}

// All parts of a model come to its parameters, and the approximate count to the same beside norms
// and biases outside the layers.
func TestParamsOfRandomModels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sizes{t}
		w, vocab := s.n("width"), s.n("vocab")
		m := &Model{Width: w, Vocab: vocab, Tied: s.yes("tied"), HeadBias: s.yes("head bias"), Norm: rapid.SampledFrom(Norms()).Draw(t, "norm"),
			EmbedNorm: s.yes("embed norm"), Positions: s.zero("positions"), LayerScales: s.yes("scales")}
		if s.yes("layer input") {
			m.LayerInput = LayerInput{Width: s.n("input width"), Vocab: s.n("input vocab")}
		}
		streams := 0
		if s.yes("streams") {
			streams = 1 + s.n("streams")
			m.AltUp = AltUp{Streams: streams, Active: rapid.IntRange(0, streams-1).Draw(t, "active")}
		}
		m.LaurelRank = s.zero("laurel")
		norm := map[NormKind]int{RMSNorm: w, LayerNorm: 2 * w, LayerNormWeight: w, LayerNormBare: 0}[m.Norm]
		layers := s.n("layers")
		mixers, networks, norms := 0, 0, norm+s.if1(m.EmbedNorm, norm)
		active := 0
		kinds := map[string]int{}
		for i := range layers {
			l := Layer{Block: rapid.SampledFrom([]Block{PreNorm, PostNorm, SandwichNorm, StreamNorm}).Draw(t, "block")}
			each := norm
			if l.Block == SandwichNorm {
				each = 2 * norm
			}
			if i == 0 || s.yes("mixer") {
				k := rapid.SampledFrom(MixerKinds()).Draw(t, "kind").Name
				var c count
				if closedForms[k] == nil {
					t.Fatalf("closedForms lacks %q", k)
				}
				l.Mixer, c = closedForms[k](s, w)
				mixers += c.params
				active += c.active
				norms += each
				kinds[k] += c.params
			}
			if l.Mixer == nil || s.yes("network") {
				k := rapid.SampledFrom(FFNKinds()).Draw(t, "network").Name
				var c count
				l.FFN, c = closedNetworks[k](s, w)
				networks += c.params
				active += c.active
				norms += each
				kinds[k] += c.params
			}
			m.Layers = append(m.Layers, l)
		}
		in := m.LayerInput.Width
		other := in*layers*w + in + layers*(2*in*w+s.if1(in > 0, norm)+s.if1(m.LayerScales, 1))
		if streams > 0 {
			other += 2*(streams-1)*w*w + layers*(w+streams*w+streams*streams*streams+streams*streams+s.if1(in > 0, w))
		}
		if r := m.LaurelRank; r > 0 {
			other += layers * (2*r*w + norm)
		}
		want := ParamCount{InputEmbedding: int64(vocab * w), LayerEmbedding: int64(m.LayerInput.Vocab * layers * in),
			Head: int64(s.if1(!m.Tied, vocab*w) + s.if1(m.HeadBias, vocab)), Positions: int64(m.Positions * w), Other: int64(other), Norms: int64(norms)}
		want.Embedding = want.InputEmbedding + want.LayerEmbedding + want.Head
		want.NonEmbedding = int64(mixers+networks+norms+other) + want.Positions
		want.Total = want.Embedding + want.NonEmbedding
		got := m.Params()
		for _, p := range append(got.Mixers, got.FFNs...) {
			if p.Params != int64(kinds[p.Kind]) {
				t.Fatalf("%s: %d parameters, want %d", p.Kind, p.Params, kinds[p.Kind])
			}
		}
		got.Mixers, got.FFNs = nil, nil
		if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
			t.Fatalf("%+v\ncomes to %s\nwant     %s", m, a, b)
		}
		if got, want := m.ActiveParams().Total, want.Total-int64(mixers+networks-active); got != want {
			t.Fatalf("%+v: %d active, want %d", m, got, want)
		}
		// What the approximate count knows: twice the embedding, whatever is tied, and no norms.
		about := 2*vocab*w + m.LayerInput.Vocab*layers*in + other + mixers + networks
		if got := m.approximateParams(); got != float64(about) {
			t.Fatalf("%+v: about %g parameters, want %d", m, got, about)
		}
	})
}
