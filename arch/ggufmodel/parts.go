package ggufmodel

import (
	"github.com/OWNER/ridgeline/arch"
)

// The tensors that hold each weight of a mixer or FFN; names that are not there are
// passed over.
var (
	attentionTensors = map[string][]string{
		"qkv":      {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_qkv.weight"},
		"qkv_bias": {"attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_qkv.bias"},
		"q_norm":   {"attn_q_norm.weight"}, "k_norm": {"attn_k_norm.weight"}, "sinks": {"attn_sinks.weight"},
		"out": {"attn_output.weight"}, "out_bias": {"attn_output.bias"},
	}
	mamba1Tensors = map[string][]string{
		"in": {"ssm_in.weight"}, "in_bias": {"ssm_in.bias"}, "conv": {"ssm_conv1d.weight"}, "conv_bias": {"ssm_conv1d.bias"},
		"x": {"ssm_x.weight"}, "dt": {"ssm_dt.weight"}, "dt_bias": {"ssm_dt.bias"}, "a_log": {"ssm_a"}, "d": {"ssm_d"},
		"inner_norms": {"ssm_dt_norm.weight", "ssm_b_norm.weight", "ssm_c_norm.weight"},
		"out":         {"ssm_out.weight"}, "out_bias": {"ssm_out.bias"},
	}
	mamba2Tensors = map[string][]string{
		"in": {"ssm_in.weight"}, "in_bias": {"ssm_in.bias"}, "conv": {"ssm_conv1d.weight"}, "conv_bias": {"ssm_conv1d.bias"},
		"dt_bias": {"ssm_dt.bias"}, "a_log": {"ssm_a"}, "d": {"ssm_d"}, "norm": {"ssm_norm.weight"},
		"out": {"ssm_out.weight"}, "out_bias": {"ssm_out.bias"},
	}
	deltaTensors = map[string][]string{
		"qkvz": {"ssm_in.weight", "attn_qkv.weight", "attn_gate.weight"},
		"ba":   {"ssm_ba.weight", "ssm_beta.weight", "ssm_alpha.weight"},
		"conv": {"ssm_conv1d.weight"}, "dt_bias": {"ssm_dt.bias", "ssm_dt"}, "a_log": {"ssm_a"}, "norm": {"ssm_norm.weight"},
		"out": {"ssm_out.weight"},
	}
	kdaTensors = map[string][]string{
		"qkv":        {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_qkv.weight"},
		"conv":       {"ssm_conv1d_q.weight", "ssm_conv1d_k.weight", "ssm_conv1d_v.weight"},
		"decay_down": {"ssm_f_a.weight"}, "decay_up": {"ssm_f_b.weight"}, "gate_down": {"ssm_g_a.weight"}, "gate_up": {"ssm_g_b.weight"},
		"beta": {"ssm_beta.weight"}, "dt_bias": {"ssm_dt.bias"}, "a_log": {"ssm_a"}, "norm": {"ssm_norm.weight"}, "out": {"attn_output.weight"},
	}
	// Keys' and values' maps out of the latent are one tensor, or in newer files two.
	latentTensors = map[string][]string{
		"q": {"attn_q.weight"}, "q_down": {"attn_q_a.weight"}, "q_norm": {"attn_q_a_norm.weight"}, "q_up": {"attn_q_b.weight"},
		"kv_down": {"attn_kv_a_mqa.weight"}, "kv_norm": {"attn_kv_a_norm.weight"}, "kv_up": {"attn_kv_b.weight", "attn_k_b.weight", "attn_v_b.weight"},
		"out": {"attn_output.weight"},
	}
	shortConvTensors = map[string][]string{
		"in": {"shortconv.in_proj.weight"}, "conv": {"shortconv.conv.weight"}, "out": {"shortconv.out_proj.weight"},
	}
	mlpTensors = map[string][]string{
		"up": {"ffn_gate.weight", "ffn_up.weight"}, "up_bias": {"ffn_gate.bias", "ffn_up.bias"},
		"down": {"ffn_down.weight"}, "down_bias": {"ffn_down.bias"},
	}
	moeTensors = map[string][]string{
		"router": {"ffn_gate_inp.weight"}, "router_bias": {"ffn_gate_inp.bias", "exp_probs_b.bias"},
		"up": {"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_gate_up_exps.weight"}, "up_bias": {"ffn_gate_exps.bias", "ffn_up_exps.bias", "ffn_gate_up_exps.bias"},
		"down": {"ffn_down_exps.weight"}, "down_bias": {"ffn_down_exps.bias"},
		"shared_up": {"ffn_gate_shexp.weight", "ffn_up_shexp.weight"}, "shared_down": {"ffn_down_shexp.weight"},
		"shared_gate": {"ffn_gate_inp_shexp.weight"},
	}
)

// attention reads a layer's heads; what it has beside them shows in its tensors.
func (b *block) attention() arch.Attention {
	r := b.r
	a := arch.Attention{
		Heads:    r.sizeAt("attention.head_count", b.i),
		LogitCap: r.number("attn_logit_softcapping", 0),
	}
	a.KVHeads = r.at("attention.head_count_kv", b.i, a.Heads)
	width := b.m.Width
	if _, given := r.get("attention.key_length"); given {
		a.HeadDim = r.size("attention.key_length")
	} else {
		if width%a.Heads != 0 {
			r.fail("%s.embedding_length %d is not a multiple of %d heads", r.arch, width, a.Heads)
			return a
		}
		a.HeadDim = width / a.Heads
	}
	if v := r.whole("attention.value_length", a.HeadDim); v != a.HeadDim {
		r.fail("keys of %d and values of %d are not modelled together", a.HeadDim, v)
	}
	a.QKVBias = b.has("attn_q.bias") || b.has("attn_qkv.bias")
	a.OutBias = b.has("attn_output.bias")
	a.Sinks = b.has("attn_sinks.weight")
	if n := b.length("attn_q_norm.weight"); n > 0 {
		a.QKNorm = true
		a.QKNormWide = n != a.HeadDim
	}
	a.OutputGate = b.rows("attn_q.weight") == 2*a.Inner()
	if !r.kind.noRope {
		a.RotaryDim = min(r.whole("rope.dimension_count", a.HeadDim), a.HeadDim)
		a.RotaryBase = r.number("rope.freq_base", 10000)
	}
	b.window(&a)
	return a
}

// window reads whether a layer is windowed: the file may list it, else the architecture
// decides.
func (b *block) window(a *arch.Attention) {
	r := b.r
	size := r.whole("attention.sliding_window", 0)
	if size == 0 {
		return
	}
	windowed, listed := r.flagAt("attention.sliding_window_pattern", b.i)
	if !listed {
		every := r.kind.fullEvery
		if _, given := r.get("attention.sliding_window_pattern"); given {
			every = r.whole("attention.sliding_window_pattern", every)
		}
		windowed = every == 0 || b.i%every != every-1
	}
	switch {
	case !windowed:
	case b.m.MaxContext > 0 && size >= b.m.MaxContext:
		a.DeclaredWindow = size
	default:
		a.Window = size
	}
}

func (b *block) mamba1() arch.Mamba1 {
	r := b.r
	return arch.Mamba1{
		DInner: r.size("ssm.inner_size"), DState: r.size("ssm.state_size"), DConv: r.size("ssm.conv_kernel"), DtRank: r.size("ssm.time_step_rank"),
		ConvBias: b.has("ssm_conv1d.bias"), ProjBias: b.has("ssm_in.bias"), InnerNorms: b.has("ssm_dt_norm.weight"),
	}
}

// mamba2 has as many heads as steps.
func (b *block) mamba2() arch.Mamba2 {
	r := b.r
	heads, inner := r.size("ssm.time_step_rank"), r.size("ssm.inner_size")
	if inner%heads != 0 {
		r.fail("%s.ssm.inner_size %d is not a multiple of %d heads", r.arch, inner, heads)
	}
	return arch.Mamba2{
		Heads: heads, HeadDim: inner / heads, DState: r.size("ssm.state_size"), Groups: max(r.whole("ssm.group_count", 1), 1), DConv: r.size("ssm.conv_kernel"),
		ConvBias: b.has("ssm_conv1d.bias"), ProjBias: b.has("ssm_in.bias"), NoNorm: !b.has("ssm_norm.weight"),
	}
}

func (b *block) deltaNet() arch.GatedDeltaNet {
	r := b.r
	heads, inner := r.size("ssm.time_step_rank"), r.size("ssm.inner_size")
	if inner%heads != 0 {
		r.fail("%s.ssm.inner_size %d is not a multiple of %d heads", r.arch, inner, heads)
	}
	return arch.GatedDeltaNet{
		KHeads: r.size("ssm.group_count"), VHeads: heads, KDim: r.size("ssm.state_size"), VDim: inner / heads, DConv: r.size("ssm.conv_kernel"),
		NoNorm: !b.has("ssm_norm.weight"),
	}
}

// latent reads multi-head latent attention. Newer files give the sizes of keys and values
// behind the latent under names of their own, as the cache's are other ones.
func (b *block) latent() arch.MLA {
	r := b.r
	key, value := "attention.key_length", "attention.value_length"
	if _, newer := r.get(key + "_mla"); newer {
		key, value = key+"_mla", value+"_mla"
	}
	a := arch.MLA{
		Heads: r.sizeAt("attention.head_count", b.i), QRank: r.whole("attention.q_lora_rank", 0), KVRank: r.size("attention.kv_lora_rank"),
		RopeDim: r.size("rope.dimension_count"), ValueDim: r.size(value), RotaryBase: r.number("rope.freq_base", 10000),
	}
	if b.has("attn_q.weight") {
		a.QRank = 0
	}
	if r.kind.noRope {
		a.Unrotated, a.RotaryBase = true, 0
	}
	a.NopeDim = r.size(key) - a.RopeDim
	if a.NopeDim < 1 {
		r.fail("%s.%s is no more than the %d that are rotated", r.arch, key, a.RopeDim)
	}
	return a
}

// kda has as many heads as β.
func (b *block) kda() arch.KDA {
	r := b.r
	k := arch.KDA{Heads: b.rows("ssm_beta.weight"), HeadDim: r.size("kda.head_dim"), DConv: r.size("ssm.conv_kernel")}
	if k.Heads < 1 {
		r.fail("layer %d: tensor ssm_beta.weight is missing or no matrix", b.i)
	}
	return k
}

func (b *block) shortConv() arch.ShortConv {
	return arch.ShortConv{Channels: b.m.Width, DConv: b.r.size("shortconv.l_cache")}
}

// mlp is gated where it has a gate, or twice the rows that it needs.
func (b *block) mlp() arch.MLP {
	rows := b.rows("ffn_up.weight")
	m := arch.MLP{Inner: rows, Gated: b.has("ffn_gate.weight"), Act: b.r.kind.act, Bias: b.has("ffn_up.bias")}
	if t := b.r.tensors[b.prefix+"ffn_down.weight"]; !m.Gated && t != nil && int64(rows) == 2*t.Shape[0] {
		m.Inner, m.Gated = rows/2, true
	}
	return m
}

func (b *block) moe() arch.MoE {
	r := b.r
	m := arch.MoE{
		Experts: r.size("expert_count"), TopK: r.size("expert_used_count"),
		Gated: b.has("ffn_gate_exps.weight"), Act: r.kind.act,
		Bias: b.has("ffn_up_exps.bias"), RouterBias: b.has("ffn_gate_inp.bias") || b.has("exp_probs_b.bias"),
		SharedInner: b.rows("ffn_up_shexp.weight"), SharedGate: b.has("ffn_gate_inp_shexp.weight"),
	}
	if t := r.tensors[b.prefix+"ffn_down_exps.weight"]; t != nil && t.Shape[0] <= arch.MaxDimension {
		m.Inner = int(t.Shape[0])
	}
	if b.has("ffn_gate_up_exps.weight") {
		m.Gated = true
	}
	return m
}
