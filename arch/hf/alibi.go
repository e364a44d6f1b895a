package hf

import "github.com/OWNER/ridgeline/arch"

// importMPT: MptConfig. LayerNorm without biases, no biases at all, ALiBi (attn_config), an MLP of
// four times the width, tied. Options of MosaicML's own code that the class of transformers
// passes over are refused where they would change the model.
func importMPT(c *config) *arch.Model {
	m := &arch.Model{
		Width: c.sizeOr("d_model", 2048), Vocab: c.sizeOr("vocab_size", 50368), Norm: arch.LayerNormWeight,
		Tied: c.boolOr("tie_word_embeddings", true), MaxContext: c.positionsOr("max_seq_len", 2048),
	}
	m.Numerics.NormEps = c.normEps()
	c.architectures()
	c.formats(m)
	n, ok := c.whole("n_layers", 1, arch.MaxLayers)
	if !ok {
		n = 24
	}
	a := c.headsOf(m, c.sizeOr("n_heads", 16))
	a.Alibi = true
	if o, ok := c.object("attn_config"); ok {
		at := &config{st: c.st, prefix: c.prefix + "attn_config.", fields: o, used: map[string]bool{}}
		if !at.boolOr("alibi", true) {
			at.fail("%salibi false is not modelled: positions of another kind", at.prefix)
		}
		for _, name := range []string{"qk_ln", "prefix_lm", "attn_uses_sequence_id"} {
			if at.boolOr(name, false) {
				at.fail("%s%s is not modelled", at.prefix, name)
			}
		}
		if s := at.stringOr("attn_type", "multihead_attention"); s != "multihead_attention" {
			at.fail("%sattn_type %s is not modelled", at.prefix, quote(s))
		}
		if f := at.floatOr("clip_qkv", 0); f != 0 {
			c.note("%sclip_qkv: queries, keys and values are bounded, which costs nothing and is not executed", at.prefix)
		}
		a.Numerics.AlibiMax = at.floatOr("alibi_bias_max", 8)
		a.Numerics.Scale = at.floatOr("softmax_scale", 0)
	}
	if f := c.floatOr("expansion_ratio", 4); f != 4 {
		c.fail("%sexpansion_ratio %g is not modelled: the class has 4", c.prefix, f)
	}
	if !c.boolOr("no_bias", true) {
		c.fail("%sno_bias false is not modelled: the class has no biases", c.prefix)
	}
	if s := c.stringOr("norm_type", "low_precision_layernorm"); s != "low_precision_layernorm" && s != "layernorm" {
		c.fail("%snorm_type %s is not modelled", c.prefix, quote(s))
	}
	if v, ok := c.get("logit_scale"); ok {
		if _, number := v.(float64); !number {
			c.note("%slogit_scale %s: logits have a factor, which costs nothing and is not executed", c.prefix, show(v))
		} else {
			m.Numerics.LogitScale = c.floatOr("logit_scale", 1)
		}
	}
	return decoder(m, n, a, same(arch.MLP{Inner: 4 * m.Width, Act: arch.GELU}), nil)
}

// importBLOOM: BloomConfig. LayerNorm and biases everywhere, a norm behind the embedding, ALiBi,
// an MLP of four times the width, tied. hidden_size is n_embed in older files.
func importBLOOM(c *config) *arch.Model {
	m := &arch.Model{Vocab: c.sizeOr("vocab_size", 250880), Norm: arch.LayerNorm, EmbedNorm: true,
		Tied: c.boolOr("tie_word_embeddings", true), MaxContext: c.positionsOr("seq_length", 2048)}
	m.Width = c.sizeOr("hidden_size", c.sizeOr("n_embed", 64))
	m.Numerics.NormEps = c.normEps()
	c.architectures()
	c.formats(m)
	n, ok := c.whole("n_layer", 1, arch.MaxLayers)
	if !ok {
		if n, ok = c.whole("num_hidden_layers", 1, arch.MaxLayers); !ok {
			n = 2
		}
	}
	a := c.headsOf(m, c.sizeOr("n_head", c.sizeOr("num_attention_heads", 8)))
	a.Alibi, a.QKVBias, a.OutBias = true, true, true
	if c.boolOr("apply_residual_connection_post_layernorm", false) {
		c.fail("%sapply_residual_connection_post_layernorm is not modelled", c.prefix)
	}
	if inner := c.sizeOr("n_inner", 4*m.Width); inner != 4*m.Width {
		c.fail("%sn_inner %d is not modelled: the class has four times the width", c.prefix, inner)
	}
	return decoder(m, n, a, same(arch.MLP{Inner: 4 * m.Width, Act: arch.GELUTanh, Bias: true}), nil)
}

// importPersimmon: PersimmonConfig. LayerNorm and biases everywhere but in the head, a LayerNorm
// over each query and key head (qk_layernorm), half of each head rotated.
func importPersimmon(c *config) *arch.Model {
	d := hfDefaults{maxContext: 16384, ropeTheta: 25000}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	a := c.attention(m, d)
	a.KVHeads, a.QKVBias, a.OutBias = a.Heads, true, true // the class has no grouped queries
	c.headLayerNorm("qk_layernorm", true, false, &a)
	c.rotary(&a, d.ropeTheta, 0.5)
	f := arch.MLP{Inner: c.size("intermediate_size"), Act: c.activation("hidden_act", arch.ReLU2), Bias: true}
	return decoder(m, n, a, same(f), nil)
}

// importDiffLlama: DiffLlamaConfig. As Llama with differential attention, whose norm has no
// weights: heads of the first half pair with those of the second.
func importDiffLlama(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.Differential, a.DiffNormBare = true, true
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}
