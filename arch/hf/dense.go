package hf

import (
	"slices"

	"github.com/OWNER/ridgeline/arch"
)

// biased reads attention_bias for all four maps of attention.
func (c *config) biased(a *arch.Attention, def bool) {
	a.QKVBias = c.boolOr("attention_bias", def)
	a.OutBias = a.QKVBias
}

// blocks gives every layer of a model the same arrangement of norms.
func blocks(m *arch.Model, b arch.Block) *arch.Model {
	for i := range m.Layers {
		m.Layers[i].Block = b
	}
	return m
}

// slidingLayers reads which layers are windowed: those that layer_types names, or without
// it those for which the class' rule says so. The window of the class applies where the
// config does not give one; null is none.
func (c *config) slidingLayers(m *arch.Model, n, window int, rule func(i int) bool) func(i int, a *arch.Attention) (windowed bool) {
	if c.present("sliding_window") {
		window = 0
	}
	window = c.positionsOr("sliding_window", window)
	types := c.perLayer("layer_types", n, "full_attention", "sliding_attention")
	if slices.Contains(types, "sliding_attention") && window == 0 {
		c.fail("%slayer_types has sliding_attention, but sliding_window is missing", c.prefix)
	}
	return func(i int, a *arch.Attention) bool {
		windowed := window > 0 && rule(i)
		if types != nil {
			windowed = types[i] == "sliding_attention"
		}
		if windowed {
			setWindow(m, a, window)
		}
		return windowed
	}
}

// everyNth is the rule that every n-th layer is full and the others are windowed.
func everyNth(n int) func(int) bool { return func(i int) bool { return (i+1)%n != 0 } }

// importArcee: ArceeConfig. As Llama with a plain MLP of squared ReLU.
func importArcee(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	f := arch.MLP{Inner: c.size("intermediate_size"), Act: c.activation("hidden_act", arch.ReLU2), Bias: c.boolOr("mlp_bias", false)}
	return decoder(m, n, a, same(f), nil)
}

// importMinistral3: Ministral3Config. As Mistral without a window unless given; the
// rotation is stretched, and long contexts scale their queries, which costs nothing.
func importMinistral3(c *config) *arch.Model {
	d := hfDefaults{maxContext: 262144, kvHeads: 8, headDim: 128, ropeTheta: 1e6}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	if r, ok := c.fields["rope_parameters"].(map[string]any); ok {
		p := &config{st: c.st, fields: r, used: map[string]bool{}}
		a.Numerics.Temperature, a.Numerics.TemperatureFloor = p.loose("llama_4_scaling_beta"), p.loose("original_max_position_embeddings")
		a.Numerics.TemperatureFromZero = true
	}
	setWindow(m, &a, c.positionsOr("sliding_window", 0))
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importCWM: CwmConfig. As Llama, a window of 8192 but for every fourth layer from the first.
func importCWM(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 8, headDim: 128, ropeTheta: 1e6}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	sliding := c.slidingLayers(m, n, 8192, func(i int) bool { return i%4 != 0 })
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), func(i int, a *arch.Attention) { sliding(i, a) })
}

// importErnie45: Ernie4_5Config. use_bias is on attention and the MLP alike; rotated pairs
// are neighbours.
func importErnie45(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 2, headDim: 128, ropeTheta: 500000, tied: true}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("use_bias", false)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 1)
	a.Numerics.Rope.Adjacent = true
	f := c.swiglu("intermediate_size")
	f.Bias = a.QKVBias
	return decoder(m, n, a, same(f), nil)
}

// importSeedOss: SeedOssConfig. q, k and v have biases, o where attention_out_bias.
func importSeedOss(c *config) *arch.Model {
	d := hfDefaults{maxContext: 524288, kvHeads: 8, headDim: 128, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", true)
	a.OutBias = c.boolOr("attention_out_bias", false)
	c.rotary(&a, d.ropeTheta, 1)
	f := c.swiglu("intermediate_size")
	f.Bias = c.boolOr("mlp_bias", false)
	return decoder(m, n, a, same(f), nil)
}

// importSmolLM3: SmolLM3Config. Every fourth layer (no_rope_layers, no_rope_layer_interval)
// has no positional encoding.
func importSmolLM3(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 4, ropeTheta: 2e6, tied: true}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	f := c.swiglu("intermediate_size")
	f.Bias = c.boolOr("mlp_bias", false)
	rotated := c.rotatedLayers(n)
	windows := c.qwenWindows(m, n)
	return decoder(m, n, a, same(f), func(i int, a *arch.Attention) {
		windows(i, a)
		if !rotated(i) {
			a.RotaryDim = 0
		}
	})
}

// rotatedLayers reads no_rope_layers (1: rotated) or every no_rope_layer_interval-th layer
// (class default 4) without positional encoding.
func (c *config) rotatedLayers(n int) func(i int) bool {
	interval := c.sizeOr("no_rope_layer_interval", 4)
	l := c.list("no_rope_layers")
	if len(l) > 0 && len(l) != n {
		c.fail("%sno_rope_layers has %d entries for %d layers", c.prefix, len(l), n)
		l = nil
	}
	return func(i int) bool {
		if len(l) > 0 {
			return l[i] == 1.0
		}
		return (i+1)%interval != 0
	}
}

// importGranite: GraniteConfig. As Llama, with multipliers that cost nothing.
func importGranite(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	c.graniteNumerics(m, &a)
	f := c.swiglu("intermediate_size")
	f.Bias = c.boolOr("mlp_bias", false)
	return decoder(m, n, a, same(f), nil)
}

// importHelium: HeliumConfig. As Llama, rotated pairs are neighbours.
func importHelium(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, kvHeads: 20, headDim: 128, ropeTheta: 100000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", false)
	c.rotary(&a, d.ropeTheta, 1)
	a.Numerics.Rope.Adjacent = true
	f := c.swiglu("intermediate_size")
	f.Bias = c.boolOr("mlp_bias", false)
	return decoder(m, n, a, same(f), nil)
}

// importGLM: GlmConfig. q, k and v have biases (attention_bias, on by default), half of
// each head is rotated, neighbours in pairs.
func importGLM(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 2, headDim: 128, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", true)
	c.rotary(&a, d.ropeTheta, 0.5)
	a.Numerics.Rope.Adjacent = true
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importGLM4: Glm4Config. As Glm, with norms behind attention and the MLP too.
func importGLM4(c *config) *arch.Model { return blocks(importGLM(c), arch.SandwichNorm) }

// importOLMo: OlmoConfig. LayerNorm without weights; clip_qkv bounds q, k and v.
func importOLMo(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	m.Norm = arch.LayerNormBare
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importOLMo2: Olmo2Config. Norms behind attention and the MLP, none before; one norm over
// all query heads and one over all key heads.
func importOLMo2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.QKNorm, a.QKNormWide = true, true
	c.rotary(&a, d.ropeTheta, 1)
	return blocks(decoder(m, n, a, same(c.swiglu("intermediate_size")), nil), arch.PostNorm)
}

// importOLMo3: Olmo3Config. As OLMo 2, a window of 4096 but for every fourth layer. A
// stretched rotation is that of the full layers alone.
func importOLMo3(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 500000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.QKNorm, a.QKNormWide = true, true
	sliding := c.slidingLayers(m, n, 4096, everyNth(4))
	rotate := c.rotaryByType(d.ropeTheta, 1)
	return blocks(decoder(m, n, a, same(c.swiglu("intermediate_size")), func(i int, a *arch.Attention) {
		windowed := sliding(i, a)
		rotate(a, windowed)
		if windowed {
			a.Numerics.Rope = arch.RopeScaling{}
		}
	}), arch.PostNorm)
}

// importExaone4: Exaone4Config. As OLMo 2 with a norm over each head; where there are
// windows, the full layers (every fourth) have no positional encoding.
func importExaone4(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, kvHeads: 32, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKNorm = true
	c.rotary(&a, d.ropeTheta, 1)
	pattern := 4
	if s, ok := c.fields["sliding_window_pattern"].(string); ok {
		c.used["sliding_window_pattern"] = true
		pattern = max(len(s), 1)
	} else {
		pattern = c.sizeOr("sliding_window_pattern", 4)
	}
	windows := !c.present("sliding_window") || c.fields["sliding_window"] != nil
	sliding := c.slidingLayers(m, n, 4096, func(i int) bool { return (i+1)%pattern != 0 })
	return blocks(decoder(m, n, a, same(c.swiglu("intermediate_size")), func(i int, a *arch.Attention) {
		if !sliding(i, a) && windows {
			a.RotaryDim = 0
		}
	}), arch.PostNorm)
}

// importHunyuan: HunYuanDenseV1Config. As Qwen 3, the norm behind the rotation.
func importHunyuan(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.QKNorm = c.boolOr("use_qk_norm", true)
	a.Numerics.NormBehindRope = a.QKNorm
	c.rotary(&a, d.ropeTheta, 1)
	if c.boolOr("use_cla", false) {
		c.fail("%suse_cla is not modelled: layers that share one cache", c.prefix)
	}
	c.positionsOr("cla_share_factor", 1) // says nothing without use_cla
	if head := c.sizeOr("attention_head_dim", a.HeadDim); head != a.HeadDim {
		c.fail("%sattention_head_dim %d and head_dim %d differ", c.prefix, head, a.HeadDim)
	}
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importMiMo: MiMoConfig. As Qwen 2; its multi-token prediction layers are left out.
func importMiMo(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 32, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", true)
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), c.qwenWindows(m, n))
}

// importMiniCPM: the configuration of MiniCPM's own code. As Llama, with scales of the
// embedding (scale_emb), of what layers add (scale_depth/√layers) and of the logits
// (dim_model_base/hidden_size) that cost nothing.
func importMiniCPM(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000, tied: true}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	c.miniCPMScales(m, n, 1, 1, 1)
	f := c.swiglu("intermediate_size")
	if e := c.countOr("num_experts", 0); e > 1 {
		return decoder(m, n, a, same(arch.MoE{Experts: e, TopK: c.size("num_experts_per_tok"), Inner: f.Inner, Gated: true, Act: f.Act}), nil)
	}
	return decoder(m, n, a, same(f), nil)
}

// importBaichuan: the configuration of Baichuan's own code: no biases; 7B rotated, the 13B models
// with ALiBi, which their code tells from the files alone.
func importBaichuan(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	if m.Width == 5120 {
		c.note("%shidden_size 5120: a Baichuan 13B, whose code has ALiBi and no rotation", c.prefix)
		a.RotaryDim, a.Alibi = 0, true
	}
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importInternLM: the configuration of InternLM's own code: as Llama, bias on all four maps
// of attention (class default true).
func importInternLM(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("bias", true)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importInternLM2: as InternLM, without biases unless the config says so.
func importInternLM2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("bias", false)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importOrion: the configuration of Orion's own code: as Llama with LayerNorm.
func importOrion(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, ropeTheta: 10000}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importQwen1: the configuration of Qwen's own code: q, k and v have biases (no_bias is of
// the rest); intermediate_size is both halves of the gated MLP together.
func importQwen1(c *config) *arch.Model {
	d := hfDefaults{maxContext: 8192, ropeTheta: 10000}
	m, n := c.model(d)
	m.MaxContext = c.positionsOr("seq_length", m.MaxContext)
	a := c.attention(m, hfDefaults{headDim: c.sizeOr("kv_channels", 128)})
	a.QKVBias = true
	if !c.boolOr("no_bias", true) {
		c.fail("%sno_bias false is not modelled", c.prefix)
	}
	a.RotaryBase = c.floatOr("rotary_emb_base", 10000)
	a.RotaryDim = int(float64(a.HeadDim) * c.floatOr("rotary_pct", 1))
	inner := c.size("intermediate_size")
	if inner%2 != 0 {
		c.fail("%sintermediate_size %d is not even: it is both halves of the gated MLP", c.prefix, inner)
	}
	return decoder(m, n, a, same(arch.MLP{Inner: inner / 2, Gated: true}), nil)
}

// importChatGLM: the configuration of ChatGLM's own code (2 and 3).
func importChatGLM(c *config) *arch.Model {
	m := &arch.Model{Width: c.size("hidden_size"), Vocab: c.size("padded_vocab_size"),
		Tied: c.boolOr("tie_word_embeddings", false), MaxContext: c.positionsOr("seq_length", 2048)}
	m.Numerics.NormEps = c.loose("layernorm_epsilon")
	c.architectures()
	c.formats(m)
	n, ok := c.whole("num_layers", 1, arch.MaxLayers)
	if !ok {
		c.missing("num_layers")
	}
	a := arch.Attention{Heads: c.size("num_attention_heads"), HeadDim: c.sizeOr("kv_channels", 128)}
	a.KVHeads = a.Heads
	if c.boolOr("multi_query_attention", false) {
		a.KVHeads = c.sizeOr("multi_query_group_num", 1)
	}
	all := c.boolOr("add_bias_linear", false)
	a.QKVBias, a.OutBias = all || c.boolOr("add_qkv_bias", false), all
	a.RotaryDim, a.RotaryBase = a.HeadDim/2, 10000*c.floatOr("rope_ratio", 1)
	a.Numerics.Rope.Adjacent = true
	if !c.boolOr("rmsnorm", true) {
		m.Norm = arch.LayerNorm
	}
	if !c.boolOr("post_layer_norm", true) {
		c.fail("%spost_layer_norm false is not modelled", c.prefix)
	}
	return decoder(m, n, a, same(arch.MLP{Inner: c.size("ffn_hidden_size"), Gated: true, Bias: all}), nil)
}

// importApertus: ApertusConfig. Queries and keys are normed, a plain MLP whose activation (xIELU) has
// two learned numbers.
func importApertus(c *config) *arch.Model {
	d := hfDefaults{maxContext: 65536, ropeTheta: 12e6}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.QKNorm = c.boolOr("qk_norm", true)
	c.rotary(&a, d.ropeTheta, 1)
	if s := c.stringOr("hidden_act", "xielu"); s != "xielu" {
		c.fail("%shidden_act %s is not modelled for this type", c.prefix, quote(s))
	}
	for _, name := range []string{"post_norm", "mlp_bias"} {
		if c.boolOr(name, false) {
			c.fail("%s%s is not modelled for this type", c.prefix, name)
		}
	}
	return decoder(m, n, a, same(arch.MLP{Inner: c.size("intermediate_size"), Act: arch.XIELU}), nil)
}

// importBitNet: BitNetConfig. Norms in front of the maps out of attention and MLP
// (use_sub_norms), squared ReLU. Released files pack four weights in a byte
// (quantization_config).
func importBitNet(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, kvHeads: 5, ropeTheta: 500000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.InnerNorm = c.boolOr("use_sub_norms", true)
	c.rotary(&a, d.ropeTheta, 1)
	f := arch.MLP{Inner: c.size("intermediate_size"), Gated: true, Act: c.activation("hidden_act", arch.ReLU2), InnerNorm: a.InnerNorm}
	return decoder(m, n, a, same(f), nil)
}
