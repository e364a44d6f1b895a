package hf

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// gptSizes reads the sizes under the names of GPT-2's configuration class, with its
// defaults where the class has them.
func (c *config) gptSizes(width, layers, heads, vocab, positions int, tied bool) (*arch.Model, int, int) {
	m := &arch.Model{
		Width: c.sizeOr("n_embd", width), Vocab: c.sizeOr("vocab_size", vocab), Norm: arch.LayerNorm,
		Tied: c.boolOr("tie_word_embeddings", tied), MaxContext: c.positionsOr("n_positions", positions),
	}
	m.Numerics.NormEps = c.loose("layer_norm_epsilon")
	c.architectures()
	c.formats(m)
	n, ok := c.whole("n_layer", 1, arch.MaxLayers)
	if !ok {
		n = layers
	}
	return m, n, c.sizeOr("n_head", heads)
}

// headsOf splits the width over the heads.
func (c *config) headsOf(m *arch.Model, heads int) arch.Attention {
	a := arch.Attention{Heads: heads, KVHeads: heads, HeadDim: m.Width / heads}
	if m.Width%heads != 0 {
		c.fail("%sthe width %d is not a multiple of %d heads", c.prefix, m.Width, heads)
		a.HeadDim = 1
	}
	return a
}

// importGPT2: GPT2Config. LayerNorm, learned positions, biases everywhere, tied.
func importGPT2(c *config) *arch.Model {
	m, n, heads := c.gptSizes(768, 12, 12, 50257, 1024, true)
	m.Positions = m.MaxContext
	a := c.headsOf(m, heads)
	a.QKVBias, a.OutBias = true, true
	if c.boolOr("add_cross_attention", false) {
		c.fail("%sadd_cross_attention is not modelled: an encoder is attended to", c.prefix)
	}
	f := arch.MLP{Inner: c.countOr("n_inner", 0), Act: c.activation("activation_function", arch.GELUTanh), Bias: true}
	if f.Inner == 0 {
		f.Inner = 4 * m.Width
	}
	return decoder(m, n, a, same(f), nil)
}

// importGPTBigCode: GPTBigCodeConfig. As GPT-2, all query heads over one kv head
// (multi_query, on by default).
func importGPTBigCode(c *config) *arch.Model {
	multi := c.boolOr("multi_query", true)
	m := importGPT2(c)
	if !multi {
		c.countOr("num_key_value_heads", 0)
		return m
	}
	kv := c.sizeOr("num_key_value_heads", 1)
	for i := range m.Layers {
		a := m.Layers[i].Mixer.(arch.Attention)
		a.KVHeads = kv
		m.Layers[i].Mixer = a
	}
	return m
}

// importGPTJ: GPTJConfig. Attention and MLP side by side behind one LayerNorm, biases on the
// MLP and the head only, rotary_dim dimensions rotated as neighbours.
func importGPTJ(c *config) *arch.Model {
	m, n, heads := c.gptSizes(4096, 28, 16, 50400, 2048, false)
	m.HeadBias = true
	a := c.headsOf(m, heads)
	if !c.boolOr("rotary", true) {
		c.fail("%srotary false is not modelled", c.prefix)
	}
	a.RotaryDim, a.RotaryBase = c.countOr("rotary_dim", 64), 10000
	a.Numerics.Rope.Adjacent = true
	f := arch.MLP{Inner: c.countOr("n_inner", 0), Act: c.activation("activation_function", arch.GELUTanh), Bias: true}
	if f.Inner == 0 {
		f.Inner = 4 * m.Width
	}
	return blocks(decoder(m, n, a, same(f), nil), arch.ParallelNorm)
}

// importPhiMSFT: the configuration of Phi-1.5 and Phi-2's own code: as Phi under GPT-2's names.
func importPhiMSFT(c *config) *arch.Model {
	m, n, heads := c.gptSizes(2560, 32, 32, 51200, 2048, false)
	m.HeadBias = true
	a := c.headsOf(m, heads)
	a.KVHeads = c.sizeOr("n_head_kv", a.Heads)
	a.QKVBias, a.OutBias = true, true
	a.RotaryDim, a.RotaryBase = c.countOr("rotary_dim", 32), 10000
	f := arch.MLP{Inner: c.countOr("n_inner", 0), Act: c.activation("activation_function", arch.GELUTanh), Bias: true}
	if f.Inner == 0 {
		f.Inner = 4 * m.Width
	}
	return blocks(decoder(m, n, a, same(f), nil), arch.ParallelNorm)
}

// importPhi: PhiConfig. Attention and MLP side by side behind one LayerNorm, biases
// everywhere, the head too; half of each head is rotated.
func importPhi(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	m.Norm, m.HeadBias = arch.LayerNorm, true
	a := c.attention(m, d)
	a.QKVBias, a.OutBias = true, true
	c.rotary(&a, d.ropeTheta, 0.5)
	c.headLayerNorm("qk_layernorm", false, false, &a)
	f := arch.MLP{Inner: c.size("intermediate_size"), Act: c.activation("hidden_act", arch.GELUTanh), Bias: true}
	return blocks(decoder(m, n, a, same(f), nil), arch.ParallelNorm)
}

// headLayerNorm reads whether a LayerNorm stands over each query and key head: one with a bias
// for all heads, or without a bias one for each.
func (c *config) headLayerNorm(name string, def, each bool, a *arch.Attention) {
	if c.boolOr(name, def) {
		a.QKNorm, a.QKLayerNorm, a.QKNormHeads, a.QKNormBias = true, true, each, !each
	}
}

// importGPTNeoX: GPTNeoXConfig. LayerNorm and biases everywhere; attention and MLP side by
// side, each behind its own norm, unless use_parallel_residual is false; a quarter of each
// head is rotated (rotary_pct in older files).
func importGPTNeoX(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	a := c.attention(m, d)
	c.biased(&a, true)
	a.KVHeads = a.Heads // the class has no grouped queries
	c.rotary(&a, c.floatOr("rotary_emb_base", d.ropeTheta), c.floatOr("rotary_pct", 0.25))
	f := arch.MLP{Inner: c.size("intermediate_size"), Act: c.activation("hidden_act", arch.GELU), Bias: true}
	out := decoder(m, n, a, same(f), nil)
	if c.boolOr("use_parallel_residual", true) {
		return blocks(out, arch.ParallelNorms)
	}
	return out
}

// importStarcoder2: Starcoder2Config. LayerNorm, biases everywhere (use_bias), a plain MLP,
// one window on all layers.
func importStarcoder2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, kvHeads: 2, ropeTheta: 10000, tied: true}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("use_bias", true)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 1)
	setWindow(m, &a, c.positionsOr("sliding_window", 0))
	f := arch.MLP{Inner: c.size("intermediate_size"), Act: c.activation("hidden_act", arch.GELUTanh), Bias: a.QKVBias}
	return decoder(m, n, a, same(f), nil)
}

// importStableLM: StableLmConfig. LayerNorm, q, k and v biased where use_qkv_bias, a quarter
// of each head rotated.
func importStableLM(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, kvHeads: 32, ropeTheta: 10000}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("use_qkv_bias", false)
	c.rotary(&a, d.ropeTheta, 0.25)
	c.headLayerNorm("qk_layernorm", false, true, &a)
	out := decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
	if c.boolOr("use_parallel_residual", false) {
		return blocks(out, arch.ParallelNorm)
	}
	return out
}

// importCohere: CohereConfig (Command R, Aya). Attention and MLP side by side behind one
// LayerNorm without a bias, tied, rotated as neighbours.
func importCohere(c *config) *arch.Model {
	d := hfDefaults{maxContext: 8192, ropeTheta: 10000, tied: true}
	m, n := c.model(d)
	m.Norm = arch.LayerNormWeight
	m.Numerics.LogitScale = c.looseOr("logit_scale", 0.0625)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.headLayerNorm("use_qk_norm", false, true, &a)
	c.rotary(&a, d.ropeTheta, 1)
	a.Numerics.Rope.Adjacent = true
	return blocks(decoder(m, n, a, same(c.swiglu("intermediate_size")), nil), arch.ParallelNorm)
}

// importCohere2: Cohere2Config. As Cohere, a window of 4096 but for every fourth layer, which
// has no positional encoding.
func importCohere2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 8192, headDim: 0, ropeTheta: 10000, tied: true}
	m, n := c.model(d)
	m.Norm = arch.LayerNormWeight
	m.Numerics.LogitScale = c.looseOr("logit_scale", 0.0625)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	a.Numerics.Rope.Adjacent = true
	pattern := c.sizeOr("sliding_window_pattern", c.sizeOr("_sliding_window_pattern", 4))
	if s := c.sizeOr("layer_switch", pattern); s != pattern { // the first files' name for it
		if c.present("sliding_window_pattern") || c.present("_sliding_window_pattern") || c.present("layer_types") {
			c.fail("%slayer_switch %d and sliding_window_pattern %d differ", c.prefix, s, pattern)
		}
		pattern = s
	}
	if s := c.stringOr("order_of_interleaved_layers", "local_attn_first"); s != "local_attn_first" {
		c.fail("%sorder_of_interleaved_layers %s is not modelled", c.prefix, quote(s))
	}
	if p := c.floatOr("rotary_pct", 1); p != 1 {
		c.fail("%srotary_pct %g is not modelled: the class rotates whole heads", c.prefix, p)
	}
	if p := c.stringOr("position_embedding_type", "rope_gptj"); p != "rope_gptj" {
		c.fail("%sposition_embedding_type %s is not modelled", c.prefix, quote(p))
	}
	for _, name := range []string{"use_embedding_sharing", "use_gated_activation", "use_parallel_block"} {
		if !c.boolOr(name, true) {
			c.fail("%s%s false is not modelled: the class has it", c.prefix, name)
		}
	}
	sliding := c.slidingLayers(m, n, 4096, everyNth(pattern))
	return blocks(decoder(m, n, a, same(c.swiglu("intermediate_size")), func(i int, a *arch.Attention) {
		if !sliding(i, a) {
			a.RotaryDim = 0
		}
	}), arch.ParallelNorm)
}

// importFalcon: FalconConfig. LayerNorm; with the class' defaults attention of one kv head
// (multi_query) beside the MLP behind one norm; in the newer architecture grouped queries
// (num_kv_heads) and a norm each; or one after the other (parallel_attn false).
func importFalcon(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000, tied: true}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	a := c.attention(m, d)
	newer := c.boolOr("new_decoder_architecture", false)
	multi := c.boolOr("multi_query", true)
	switch kv := c.countOr("num_kv_heads", a.Heads); {
	case newer:
		a.KVHeads = max(kv, 1)
	case multi:
		a.KVHeads = 1
	default:
		a.KVHeads = a.Heads
	}
	bias := c.boolOr("bias", false)
	a.QKVBias, a.OutBias = bias, bias
	c.rotary(&a, d.ropeTheta, 1)
	if c.boolOr("alibi", false) { // scaled as the scores are
		a.RotaryDim, a.Alibi, a.Numerics.AlibiScale = 0, true, 1/math.Sqrt(float64(a.HeadDim))
	}
	f := arch.MLP{Inner: c.countOr("ffn_hidden_size", 0), Act: c.activation("activation", arch.GELU), Bias: bias}
	if f.Inner == 0 {
		f.Inner = 4 * m.Width
	}
	if by := c.countOr("ff_factor", 0); by > 0 && by*m.Width != f.Inner {
		c.fail("%sff_factor %d does not make the inner width %d", c.prefix, by, f.Inner)
	}
	norms := c.countOr("num_ln_in_parallel_attn", 0)
	out := decoder(m, n, a, same(f), nil)
	switch parallel := c.boolOr("parallel_attn", true); {
	case newer && norms != 1:
		return blocks(out, arch.ParallelNorms)
	case newer || parallel:
		return blocks(out, arch.ParallelNorm)
	}
	return out
}

// importOPT: OPTConfig. LayerNorm, learned positions (two more than the context), biases
// everywhere (enable_bias), ReLU.
func importOPT(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, tied: true}
	m, n := c.model(d)
	m.Norm, m.Positions = arch.LayerNorm, m.MaxContext+2
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("enable_bias", true)
	a.OutBias = a.QKVBias
	if w := c.sizeOr("word_embed_proj_dim", m.Width); w != m.Width {
		c.fail("%sword_embed_proj_dim %d is not hidden_size %d: a projection between is not modelled", c.prefix, w, m.Width)
	}
	if !c.boolOr("do_layer_norm_before", true) {
		c.fail("%sdo_layer_norm_before false is not modelled", c.prefix)
	}
	if !c.boolOr("layer_norm_elementwise_affine", true) {
		m.Norm = arch.LayerNormBare
	}
	f := arch.MLP{Inner: c.size("ffn_dim"), Act: c.activation("activation_function", arch.ReLU), Bias: a.QKVBias}
	return decoder(m, n, a, same(f), nil)
}
