package hf

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// narrowHeads gives head_dim its default where the class rounds hidden_size /
// num_attention_heads down.
func (c *config) narrowHeads() {
	w, _ := c.fields["hidden_size"].(float64)
	h, _ := c.fields["num_attention_heads"].(float64)
	if h >= 1 && w >= h && c.fields["head_dim"] == nil {
		c.fields["head_dim"] = math.Floor(w / h)
	}
}

// importQwen2MoE: Qwen2MoeConfig. As Qwen 2, experts with a gated shared one (class default
// 5632 wide), shares not renormalised.
func importQwen2MoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 16, ropeTheta: 10000}
	if v, ok := c.fields["sliding_window"].(float64); ok && v == 0 {
		delete(c.fields, "sliding_window") // as the class writes it where no window is in use
		c.fields["sliding_window"] = nil
	}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("qkv_bias", true)
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, c.qwenExperts(n, 5632, false), c.qwenWindows(m, n))
}

// importOLMoE: OlmoeConfig. One norm over all query heads and one over all key heads;
// clip_qkv bounds q, k and v and costs nothing that is counted.
func importOLMoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.QKNorm, a.QKNormWide = true, true
	c.rotary(&a, d.ropeTheta, 1)
	c.absent("num_experts", 64)
	c.absent("num_experts_per_tok", 8)
	f := c.expertsOf("num_experts", "intermediate_size", 0, c.activation("hidden_act", arch.SiLU))
	f.Routing = c.shareRule(false)
	return decoder(m, n, a, same(f), nil)
}

// importFlexOLMo: FlexOlmoConfig. As OLMoE with norms behind attention and experts, none
// before.
func importFlexOLMo(c *config) *arch.Model {
	c.absent("num_experts", 7)
	c.absent("num_experts_per_tok", 5)
	c.absent("rope_theta", 500000)
	return blocks(importOLMoE(c), arch.PostNorm)
}

// importGraniteMoE: GraniteMoeConfig, and GraniteMoeSharedConfig with a shared expert.
// Granite's multipliers; shares are a softmax over the chosen.
func importGraniteMoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	c.graniteNumerics(m, &a)
	c.absent("num_local_experts", 8)
	c.absent("num_experts_per_tok", 2)
	f := arch.MoE{
		Experts: c.size("num_local_experts"), TopK: c.size("num_experts_per_tok"), Inner: c.size("intermediate_size"), Gated: true,
		Act: c.activation("hidden_act", arch.SiLU),
	}
	if c.typ == "granitemoeshared" {
		f.SharedInner = c.countOr("shared_intermediate_size", 0)
	}
	return decoder(m, n, a, same(f), nil)
}

// importGLM4MoE: Glm4MoeConfig (GLM-4.5). q, k and v have biases where attention_bias, half
// of each head is rotated; DeepSeek-V3's routing.
func importGLM4MoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 8, ropeTheta: 10000}
	c.narrowHeads()
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", false)
	a.QKNorm = c.boolOr("use_qk_norm", false)
	c.rotary(&a, d.ropeTheta, 0.5)
	a.RotaryDim += a.RotaryDim % 2 // pairs
	c.absent("num_experts_per_tok", 8)
	rule := c.sigmoidRule(true)
	c.routing("sigmoid")
	return decoder(m, n, a, c.deepSeekExperts(n, 1, 1, rule), nil)
}

// importSolarOpen: SolarOpenConfig. As GLM-4.5 with every layer a mixture and the whole
// head rotated.
func importSolarOpen(c *config) *arch.Model {
	c.absent("head_dim", 128)
	c.absent("partial_rotary_factor", 1)
	c.absent("rope_theta", 1e6)
	c.absent("first_k_dense_replace", 0)
	return importGLM4MoE(c)
}

// importDeepSeek: the configuration of DeepSeek's first mixture. Plain attention, mixtures
// chosen by softmax.
func importDeepSeek(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	rule := c.shareRule(false)
	c.routing("softmax")
	return decoder(m, n, a, c.deepSeekExperts(n, 0, 0, rule), nil)
}

// importDots1: Dots1Config. A norm over each head, windows from max_window_layers on where
// they are in use; DeepSeek-V3's routing.
func importDots1(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.QKNorm = true
	c.rotary(&a, d.ropeTheta, 1)
	if t := c.stringOr("topk_method", "noaux_tc"); t != "noaux_tc" {
		c.fail("%stopk_method %s is not modelled for this type", c.prefix, quote(t))
	}
	rule := c.sigmoidRule(false)
	c.routing("sigmoid")
	windows := c.slidingLayers(m, n, 4096, func(i int) bool { return i >= c.countOr("max_window_layers", 62) })
	if c.fields["layer_types"] == nil && !c.present("sliding_window") {
		windows = func(int, *arch.Attention) bool { return false }
	}
	return decoder(m, n, a, c.deepSeekExperts(n, 0, 0, rule), func(i int, a *arch.Attention) { windows(i, a) })
}

// importErnie45MoE: Ernie4_5_MoeConfig. As Ernie 4.5; layers from moe_layer_start_index to
// moe_layer_end_index, each moe_layer_interval-th of them, are mixtures chosen by softmax
// with a correction.
func importErnie45MoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 4, ropeTheta: 500000, tied: true}
	c.narrowHeads()
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("use_bias", false)
	a.OutBias = a.QKVBias
	if a.QKVBias {
		c.fail("%suse_bias is not modelled for a mixture of experts", c.prefix)
	}
	c.rotary(&a, d.ropeTheta, 1)
	a.Numerics.Rope.Adjacent = true
	act := c.activation("hidden_act", arch.SiLU)
	f := arch.MoE{
		Experts: c.sizeOr("moe_num_experts", 64), TopK: c.sizeOr("moe_k", 6), Inner: c.sizeOr("moe_intermediate_size", 1536), Gated: true, Act: act,
		RouterBias: true, Routing: arch.Routing{Correction: true},
	}
	f.SharedInner = c.countOr("moe_num_shared_experts", 2) * f.Inner
	first, every := c.countOr("moe_layer_start_index", 1), c.sizeOr("moe_layer_interval", 1)
	last := n - 1
	if v, ok := c.whole("moe_layer_end_index", -1, arch.MaxLayers); ok && c.fields["moe_layer_end_index"] != -1.0 {
		last = v
	}
	mlp := arch.MLP{Inner: c.size("intermediate_size"), Gated: true, Act: act}
	return decoder(m, n, a, func(i int) arch.FFN {
		if (i+1)%every == 0 && i >= first && i <= last {
			return f
		}
		return mlp
	}, nil)
}

// importMiniMaxM2: MiniMaxM2Config. One norm over all query heads and one over all key
// heads, rotary_dim elements of a head rotated; every layer a mixture chosen by sigmoids with a
// correction.
func importMiniMaxM2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 196608, kvHeads: 8, headDim: 128, ropeTheta: 5e6}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKNorm = c.boolOr("use_qk_norm", true)
	if t := c.stringOr("qk_norm_type", "per_layer"); t != "per_layer" {
		c.fail("%sqk_norm_type %s is not modelled", c.prefix, quote(t))
	}
	a.QKNormWide = a.QKNorm
	c.rotary(&a, d.ropeTheta, 1)
	if n, ok := c.whole("rotary_dim", 1, a.HeadDim); ok {
		a.RotaryDim = n
	}
	for i, v := range c.list("attn_type_list") {
		if v != 1.0 {
			c.fail("%sattn_type_list[%d] is %s, not 1: full attention", c.prefix, i, show(v))
		}
	}
	if s := c.countOr("shared_intermediate_size", 0); s > 0 {
		c.fail("%sshared_intermediate_size %d is not modelled for this type", c.prefix, s)
	}
	c.only(map[string]any{"use_routing_bias": true})
	if mtp := c.countOr("mtp_transformer_layers", 0); c.boolOr("use_mtp", false) && mtp > 0 {
		c.note("use_mtp: the multi-token prediction head is left out")
		c.st.mtp = mtp
	}
	c.absent("num_local_experts", 256)
	c.absent("num_experts_per_tok", 8)
	f := arch.MoE{
		Experts: c.size("num_local_experts"), TopK: c.size("num_experts_per_tok"), Inner: c.size("intermediate_size"), Gated: true,
		Act: c.activation("hidden_act", arch.SiLU), RouterBias: true, Routing: arch.Routing{Sigmoid: true, Correction: true},
	}
	c.routing("sigmoid")
	return decoder(m, n, a, same(f), nil)
}

// importExaoneMoE: ExaoneMoeConfig (K-EXAONE). Attention as EXAONE 4's, norms before attention
// and FFN; DeepSeek-V3's routing.
func importExaoneMoE(c *config) *arch.Model {
	m := blocks(importExaone4(c), arch.PreNorm)
	c.absent("routed_scaling_factor", 2.5)
	n := len(m.Layers)
	act := c.activation("hidden_act", arch.SiLU)
	c.absent("num_experts", 64)
	c.absent("num_experts_per_tok", 8)
	c.absent("moe_intermediate_size", 1024)
	f := c.expertsOf("num_experts", "moe_intermediate_size", c.countOr("num_shared_experts", 1), act)
	f.RouterBias, f.Routing = true, c.sigmoidRule(true)
	c.routing("sigmoid")
	first := c.countOr("first_k_dense_replace", 1)
	types := c.perLayer("mlp_layer_types", n, "dense", "sparse")
	for i := range m.Layers {
		if types == nil && i >= first || types != nil && types[i] == "sparse" {
			m.Layers[i].FFN = f
		}
	}
	return m
}

// importAFMoE: AfmoeConfig (Trinity). A gate on the attention's output and a norm over each
// head, windows without which nothing is rotated, norms before and behind; mixtures chosen by
// sigmoids with a correction.
func importAFMoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 16384, headDim: 128, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	if c.boolOr("attention_bias", false) {
		c.fail("%sattention_bias is not modelled for this type: its gate has none", c.prefix)
	}
	a.QKNorm, a.OutputGate = true, true
	c.rotary(&a, d.ropeTheta, 1)
	if c.boolOr("mup_enabled", false) {
		m.Numerics.EmbedScale = math.Sqrt(float64(m.Width))
	}
	every := c.sizeOr("global_attn_every_n_layers", 4)
	sliding := c.slidingLayers(m, n, 1024, everyNth(every))
	act := c.activation("hidden_act", arch.SiLU)
	c.absent("num_experts", 64)
	c.absent("num_experts_per_tok", 6)
	c.absent("moe_intermediate_size", 1408)
	f := c.expertsOf("num_experts", "moe_intermediate_size", c.countOr("num_shared_experts", 2), act)
	f.RouterBias = true
	f.Routing = arch.Routing{Sigmoid: true, Correction: true, Raw: !c.boolOr("route_norm", true)}
	if s := c.floatOr("route_scale", 1); s != 1 {
		f.Routing.Scale = s
	}
	if s := c.stringOr("score_func", "sigmoid"); s != "sigmoid" {
		c.fail("%sscore_func %s is not modelled", c.prefix, quote(s))
	}
	c.routing("sigmoid")
	dense := c.countOr("num_dense_layers", 1)
	mlp := arch.MLP{Inner: c.size("intermediate_size"), Gated: true, Act: act}
	return blocks(decoder(m, n, a, func(i int) arch.FFN {
		if i < dense {
			return mlp
		}
		return f
	}, func(i int, a *arch.Attention) {
		if !sliding(i, a) {
			a.RotaryDim = 0
		}
	}), arch.SandwichNorm)
}

// importPhiMoE: PhimoeConfig (Phi-3.5-MoE). LayerNorm, biases where the config has them, and
// experts picked one after the other (sparse mixer).
func importPhiMoE(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 8, ropeTheta: 1e6}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	m.HeadBias = c.boolOr("lm_head_bias", false)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	setWindow(m, &a, c.positionsOr("sliding_window", 0))
	c.absent("num_local_experts", 16)
	c.absent("num_experts_per_tok", 2)
	f := arch.MoE{
		Experts: c.size("num_local_experts"), TopK: c.size("num_experts_per_tok"), Inner: c.size("intermediate_size"), Gated: true,
		Act: c.activation("hidden_act", arch.SiLU),
	}
	jitter := 0.01
	if v, ok := c.fields["router_jitter_noise"].(float64); ok {
		jitter = v
	}
	f.Routing = arch.Routing{Mixer: true, Jitter: jitter}
	if f.TopK != 2 {
		c.fail("%snum_experts_per_tok %d: the router of this type picks two", c.prefix, f.TopK)
	}
	return decoder(m, n, a, same(f), nil)
}

// importHunyuanMoE: HunYuanMoEV1Config. As Hunyuan's dense models; every layer a mixture with
// num_shared_expert shared experts, all as wide as intermediate_size unless
// moe_intermediate_size says otherwise.
func importHunyuanMoE(c *config) *arch.Model {
	m := importHunyuan(c)
	one := func(name string, def int) int { // a number, or a list that has the same for every layer
		l, isList := c.fields[name].([]any)
		if !isList {
			return c.countOr(name, def)
		}
		c.used[name] = true
		v := 0
		for i, e := range l {
			w := c.asWhole(name, e, 0, arch.MaxDimension)
			if i > 0 && w != v {
				c.fail("%s%s differs by layer, which is not modelled", c.prefix, name)
				break
			}
			v = w
		}
		return v
	}
	act := c.activation("hidden_act", arch.SiLU)
	inner := c.size("intermediate_size")
	f := arch.MoE{Experts: one("num_experts", 1), TopK: one("moe_topk", 1), Inner: inner, Gated: true, Act: act}
	if w := one("moe_intermediate_size", 0); w > 0 {
		f.Inner = w
	}
	shared := one("num_shared_expert", 1)
	f.SharedInner = shared * inner
	if !c.boolOr("use_mixed_mlp_moe", true) {
		f.SharedInner = 0
	}
	c.countOr("moe_layer_num_skipped", 0)
	if c.boolOr("mlp_bias", false) {
		c.fail("%smlp_bias is not modelled for a mixture of experts", c.prefix)
	}
	for i := range m.Layers {
		m.Layers[i].FFN = f
	}
	return m
}
