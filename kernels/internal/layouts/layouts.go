// Package layouts draws small random models of every mixer and FFN, for the laws that
// all of them must obey.
package layouts

import "github.com/OWNER/ridgeline/arch"

// Draw returns a number from lo to hi; what names the choice.
type Draw func(what string, lo, hi int) int

// Random is a small model, valid by construction: a self-decoder of any mixers, then
// perhaps a cross-decoder of GMUs and cross-attention.
func Random(n Draw) *arch.Model {
	yes := func(what string) bool { return n(what, 0, 1) == 1 }
	m := &arch.Model{
		Width: 4 * n("width/4", 2, 9), Vocab: n("vocab", 5, 40), Tied: yes("tied"), HeadBias: yes("head_bias"),
		Norm: arch.Norms()[n("norm", 0, len(arch.Norms())-1)], EmbedNorm: yes("embed_norm"),
	}
	if yes("positions") {
		m.Positions = 100 // longer than any call made of it
	}
	if yes("logit_cap") {
		m.LogitCap = 30
	}
	rarely := func(what string) bool { return n(what, 0, 3) == 0 }
	if rarely("layer_input") {
		m.LayerInput = arch.LayerInput{Width: n("layer_input", 1, 9), Vocab: m.Vocab, Act: arch.Activation(n("layer_input_act", 0, 4))}
	}
	if rarely("altup") {
		m.AltUp.Streams = n("streams", 2, 4)
		m.AltUp.Active = n("active", 0, m.AltUp.Streams-1)
	}
	m.LayerScales = !m.AltUp.There() && rarely("layer_scales")
	attention := func(i int) arch.Attention {
		a := arch.Attention{KVHeads: n("kv", 1, 3), HeadDim: 2 * n("hd/2", 1, 9), Differential: yes("diff")}
		if a.Differential {
			a.KVHeads = 2 * n("kv pairs", 1, 2)
		}
		a.Heads = a.KVHeads * n("group", 1, 4)
		a.QKVBias, a.OutBias, a.QKNorm = yes("qkv_bias"), yes("out_bias"), yes("qk_norm")
		a.OutputGate, a.Sinks = yes("output_gate"), yes("sinks")
		if a.QKNorm {
			switch n("qk_norm weights", 0, 3) {
			case 1:
				a.QKNormWide = true
			case 2:
				a.QKNormHeads = true
			case 3:
				a.QKNormBare = true
			}
			a.QKLayerNorm = yes("qk_layer_norm")
			a.QKNormBias = yes("qk_norm_bias")
			a.Numerics.NormBehindRope = yes("norm_behind_rope")
		}
		a.DiffNormBare = a.Differential && yes("diff_norm_bare")
		a.InnerNorm = yes("inner_norm")
		a.Alibi = yes("alibi")
		if !a.Differential && yes("value_dim") {
			a.ValueDim = n("vd", 1, 9)
		}
		a.ValueNorm = yes("value_norm")
		a.KeysAsValues = a.ValueNorm && a.Values() == a.HeadDim && yes("keys_as_values")
		if yes("score_cap") {
			a.LogitCap = 50
		}
		if yes("windowed") {
			a.Window = n("window", 1, 9)
			a.Chunked = yes("chunked")
		}
		if yes("rope") {
			a.RotaryDim, a.RotaryBase = 2*n("rotary/2", 1, a.HeadDim/2), 10000
		}
		return a
	}
	recurrent := func() arch.Mixer {
		switch n("recurrent", 0, 10) {
		case 10:
			return arch.RWKV5{Heads: n("heads", 1, 4), HeadDim: n("head_dim", 1, 9), Stream: m.Width}
		case 9:
			return arch.MLSTM{Heads: n("heads", 1, 4), KDim: n("k_dim", 1, 9), VDim: n("v_dim", 1, 9), GateCap: float64(15 * n("capped", 0, 1))}
		case 8:
			return arch.RWKV4{Inner: n("inner", 1, 20), Stream: m.Width}
		case 7:
			return arch.RWKVChannelMix{Inner: n("inner", 1, 20), Stream: m.Width}
		case 6:
			return arch.RGLRU{Heads: n("heads", 1, 4), HeadDim: n("head_dim", 1, 9), DConv: n("d_conv", 1, 5), Act: arch.Activation(n("act", 0, 4))}
		case 5:
			return arch.KDA{Heads: n("heads", 1, 4), HeadDim: n("head_dim", 1, 9), DConv: n("d_conv", 1, 5)}
		case 4:
			return arch.Lightning{Heads: n("heads", 1, 4), HeadDim: n("head_dim", 1, 9)}
		case 3:
			return arch.ShortConv{Channels: n("channels", 1, 40), DConv: n("d_conv", 1, 5), Bias: yes("conv_bias")}
		case 0:
			if yes("heads of mamba1") {
				h := n("heads", 2, 3)
				return arch.Mamba1{DInner: h * n("d_inner/heads", 1, 20), DState: n("d_state", 1, 17), DConv: n("d_conv", 1, 5), DtRank: n("dt_rank", 1, 5), Heads: h}
			}
			return arch.Mamba1{
				DInner: n("d_inner", 1, 40), DState: n("d_state", 1, 17), DConv: n("d_conv", 1, 5), DtRank: n("dt_rank", 1, 5),
				ConvBias: yes("conv_bias"), ProjBias: yes("proj_bias"), InnerNorms: yes("inner_norms"),
			}
		case 1:
			g := n("groups", 1, 2)
			return arch.Mamba2{
				Heads: g * n("heads", 1, 3), HeadDim: n("head_dim", 1, 9), DState: n("d_state", 1, 17), Groups: g, DConv: n("d_conv", 1, 5),
				ConvBias: yes("conv_bias"), ProjBias: yes("proj_bias"), NoNorm: yes("no_norm"),
			}
		}
		k := n("k_heads", 1, 2)
		return arch.GatedDeltaNet{
			KHeads: k, VHeads: k * n("v_heads", 1, 2), KDim: n("k_dim", 1, 17), VDim: n("v_dim", 1, 9), DConv: n("d_conv", 1, 5),
			NoNorm: yes("no_norm"), DoubleBeta: yes("double_beta"),
		}
	}
	latent := func(i int) arch.Mixer {
		a := arch.MLA{
			Heads: n("heads", 1, 4), KVRank: n("kv_rank", 1, 17), NopeDim: n("nope", 1, 9), RopeDim: 2 * n("rope/2", 1, 4), ValueDim: n("value", 1, 9),
			Bias: yes("bias"),
		}
		if yes("q_lora") {
			a.QRank = n("q_rank", 1, 9)
			for s := range i {
				if owner := arch.PickOwner(m.Layers[s].Mixer); owner != nil && yes("picks taken over") {
					a.IndexTopK = owner.Stores().Picked
					taking, _ := arch.TakingPicks(a, arch.To(s))
					return taking
				}
			}
			if yes("indexer") {
				a.IndexTopK, a.IndexHeads, a.IndexDim = n("index_top_k", 1, 9), n("index_heads", 1, 3), a.RopeDim+n("index_dim", 0, 5)
			}
		}
		return a
	}
	heads := func() arch.Mixer {
		if yes("blocks") {
			kv := n("kv", 1, 3)
			a := arch.BlockSparse{Heads: kv * n("group", 1, 3), KVHeads: kv, HeadDim: 2 * n("hd/2", 1, 5), QKNorm: yes("qk_norm"), Block: n("block", 1, 4), TopBlocks: n("top_blocks", 1, 4)}
			a.LocalBlocks, a.IndexDim = n("local_blocks", 1, a.TopBlocks), a.HeadDim+n("index_dim", 0, 3)
			if yes("rope") {
				a.RotaryDim, a.RotaryBase = a.HeadDim, 10000
			}
			return a
		}
		e := n("experts", 1, 5)
		a := arch.MoA{Experts: e, TopK: n("top_k", 1, e), KVHeads: n("kv", 1, 3), HeadDim: 2 * n("hd/2", 1, 5), Bias: yes("bias")}
		if yes("rope") {
			a.RotaryDim, a.RotaryBase = a.HeadDim, 10000
		}
		return a
	}
	gmu := func(i int) arch.Mixer {
		type src struct {
			layer int
			kind  arch.MemoryKind
		}
		var all []src
		for s := range i {
			for _, k := range []arch.MemoryKind{arch.ScanMemory, arch.AttentionMemory, arch.MLPMemory, arch.OutputMemory} {
				if m.MemoryWidth(s, k) > 0 {
					all = append(all, src{s, k})
				}
			}
		}
		if len(all) == 0 {
			return nil
		}
		s := all[n("memory", 0, len(all)-1)]
		g := arch.GMU{Memory: arch.To(s.layer), From: s.kind, DMem: m.MemoryWidth(s.layer, s.kind), Normed: yes("normed")}
		if s.kind == arch.OutputMemory {
			g.Variant, g.Normed = arch.SigmoidGMU, false
		}
		return g
	}
	cross := func(i int) arch.Mixer {
		var all []int
		for s := range i {
			for _, p := range arch.Parts(m.Layers[s].Mixer) {
				if a, ok := arch.AttentionAlone(p); ok && !a.Cross() {
					all = append(all, s)
					break
				}
			}
		}
		if len(all) == 0 {
			return nil
		}
		s := all[n("source", 0, len(all)-1)]
		for _, p := range arch.Parts(m.Layers[s].Mixer) {
			if owner, ok := arch.AttentionAlone(p); ok && !owner.Cross() {
				a := owner
				a.KVSource = arch.To(s)
				a.Heads = a.KVHeads * n("group", 1, 3)
				a.OutputGate, a.Sinks, a.QKVBias = yes("output_gate"), yes("sinks"), yes("qkv_bias")
				if a.Window > 1 && !a.Chunked && yes("narrower") {
					a.Window = n("narrow", 1, a.Window)
				}
				return a
			}
		}
		return nil
	}
	shared := func(i int) arch.Mixer {
		for s := range i {
			if owner, _ := arch.WeightOwner(m.Layers[s].Mixer); owner != nil && yes("again") {
				again, _ := arch.UsingWeights(owner, arch.To(s))
				return again
			}
		}
		kv := n("kv", 1, 3)
		b := arch.SharedBlock{Heads: kv * n("group", 1, 3), KVHeads: kv, HeadDim: 2 * n("hd/2", 1, 5), Inner: n("inner", 1, 20), Act: arch.Activation(n("act", 0, 4)),
			Adapter: n("adapter", 0, 3), AttentionAdapter: n("attention_adapter", 0, 3)}
		if yes("rope") {
			b.RotaryDim, b.RotaryBase = b.HeadDim, 10000
		}
		return b
	}
	ffn := func(last bool) arch.FFN {
		act := arch.Activation(n("act", 0, 4))
		switch n("ffn", 0, 5) {
		case 5:
			if last {
				return nil
			}
			e, zero := n("experts", 1, 6), n("zero experts", 0, 4)
			f := arch.ShortcutMoE{Inner: n("inner", 1, 20), Experts: e, Zero: zero, TopK: n("top_k", 1, e+zero), ExpertInner: n("expert_inner", 1, 20), Act: act}
			f.Routing.Correction = yes("correction")
			return f
		case 0:
			return nil
		case 4:
			e := n("experts", 1, 6)
			return arch.MLPMoE{Inner: n("inner", 1, 20), Experts: e, TopK: n("top_k", 1, e), ExpertInner: n("expert_inner", 1, 20), Act: act}
		case 1:
			e := n("experts", 1, 6)
			f := arch.MoE{
				Experts: e, TopK: n("top_k", 1, e), Inner: n("inner", 1, 20), Gated: yes("gated"), Act: act, Bias: yes("bias"), RouterBias: yes("router_bias"),
			}
			f.Routing.ScaleInput = yes("scale_input")
			f.SumBias = yes("sum_bias")
			if rarely("zero experts") {
				f.Zero = n("zero experts", 1, 4)
			} else if yes("latent") {
				f.Latent = n("latent width", 1, 20)
			}
			if yes("shared") {
				f.SharedInner, f.SharedGate = n("shared_inner", 1, 20), yes("shared_gate")
			}
			return f
		}
		f := arch.MLP{Inner: n("inner", 1, 40), Gated: yes("gated"), Act: act, Bias: yes("bias")}
		if yes("sparse") {
			f.Sparsity = 0.3
		}
		f.InnerNorm = yes("mlp_inner_norm")
		if yes("xielu") {
			f.Act = arch.XIELU
		}
		return f
	}
	if rarely("laurel") {
		m.LaurelRank = n("laurel_rank", 1, 5)
	}
	layers, tail := n("layers", 1, 4), n("cross layers", 0, 3)
	for i := range layers + tail {
		var mx arch.Mixer
		if i >= layers {
			if yes("gmu") {
				mx = gmu(i)
			} else {
				mx = cross(i)
			}
		} else {
			switch n("mixer", 0, 10) {
			case 10:
				mx = heads()
			case 9:
				mx = arch.Parallel{Mixers: []arch.Mixer{shared(i), recurrent()}}
			case 8:
				mx = latent(i)
			case 7:
				mx = anyKind(n, m.Width)
			case 0, 1:
				mx = attention(i)
			case 2, 3:
				mx = recurrent()
			case 4:
				mx = arch.Parallel{Mixers: []arch.Mixer{attention(i), recurrent()}}
			case 5:
				mx = gmu(i)
			}
		}
		block := arch.Blocks()[n("block", 0, len(arch.Blocks())-1)]
		if block == arch.SideInput && len(arch.Parts(mx)) < 2 {
			block = arch.PreNorm
		}
		if m.LaurelRank > 0 { // the branch stands beside a mixer, behind its norm
			block = []arch.Block{arch.PreNorm, arch.SandwichNorm}[i%2]
			if mx == nil {
				mx = attention(i)
			}
		}
		l := arch.Layer{Mixer: mx, FFN: ffn(i == layers+tail-1), Block: block}
		if l.Mixer == nil && l.FFN == nil {
			l.FFN = arch.MLP{Inner: 8, Gated: true}
		}
		if l.Block.Parallel() && (l.Mixer == nil || l.FFN == nil) {
			l.Block = arch.PreNorm
		}
		m.Layers = append(m.Layers, l)
	}
	return m
}
