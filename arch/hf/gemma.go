package hf

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// gemmaHead reads what all of Gemma share: heads, a scale of the scores by
// query_pre_attn_scalar, an embedding scaled by √width. The embedding is tied.
func (c *config) gemmaHead(d hfDefaults) (*arch.Model, int, arch.Attention) {
	d.tied = true
	m, n := c.model(d)
	m.Numerics.EmbedScale = math.Sqrt(float64(m.Width))
	a := c.attention(m, d)
	c.biased(&a, false)
	if s := c.loose("query_pre_attn_scalar"); s > 0 {
		a.Numerics.Scale = 1 / math.Sqrt(s)
	}
	a.LogitCap = c.floatOr("attn_logit_softcapping", 0)
	m.LogitCap = c.floatOr("final_logit_softcapping", 0)
	return m, n, a
}

func (c *config) geglu() arch.MLP {
	act := c.activation("hidden_activation", arch.GELUTanh)
	if !c.present("hidden_activation") {
		// Files of the first Gemma say gelu, and the class runs its tanh approximation.
		if act = c.activation("hidden_act", arch.GELUTanh); act == arch.GELU {
			act = arch.GELUTanh
		}
	} else {
		c.stringOr("hidden_act", "")
	}
	return arch.MLP{Inner: c.size("intermediate_size"), Gated: true, Act: act}
}

// importGemma: GemmaConfig. As Llama with GeGLU, head_dim 256.
func importGemma(c *config) *arch.Model {
	d := hfDefaults{maxContext: 8192, kvHeads: 16, headDim: 256, ropeTheta: 10000}
	m, n, a := c.gemmaHead(d)
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.geglu()), nil)
}

// importGemma2: Gemma2Config. Norms before and behind, capped scores (class default 50) and
// logits (30), windows of 4096 in every other layer, the first one windowed.
func importGemma2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 8192, kvHeads: 4, headDim: 256, ropeTheta: 10000}
	c.absent("vocab_size", 256000)
	m, n, a := c.gemmaHead(d)
	c.gemma2Caps(m, &a)
	c.rotary(&a, d.ropeTheta, 1)
	if w, ok := c.whole("sliding_window_size", 1, maxPositions); ok { // its older name, which the class does not read
		if now := c.positionsOr("sliding_window", 4096); w != now {
			c.fail("%ssliding_window_size %d and sliding_window %d differ", c.prefix, w, now)
		}
	}
	sliding := c.slidingLayers(m, n, 4096, everyNth(2))
	return blocks(decoder(m, n, a, same(c.geglu()), func(i int, a *arch.Attention) { sliding(i, a) }), arch.SandwichNorm)
}

func (c *config) gemma2Caps(m *arch.Model, a *arch.Attention) {
	if !c.present("attn_logit_softcapping") {
		a.LogitCap = 50
	}
	if !c.present("final_logit_softcapping") {
		m.LogitCap = 30
	}
	if !c.present("query_pre_attn_scalar") {
		a.Numerics.Scale = 1.0 / 16
	}
}

// importVaultGemma: VaultGemmaConfig. As Gemma 2 without the norms behind.
func importVaultGemma(c *config) *arch.Model { return blocks(importGemma2(c), arch.PreNorm) }

// importGemma3: Gemma3TextConfig. As Gemma 2 with a norm over each head, no caps, and every
// sixth layer full; windowed layers rotate by a base of their own (rope_local_base_freq).
func importGemma3(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 4, headDim: 256, ropeTheta: 1e6}
	// Gemma3TextConfig has class defaults for the sizes that older files leave out.
	c.absent("vocab_size", 262208)
	c.absent("num_attention_heads", 8)
	c.absent("num_key_value_heads", 4)
	m, n, a := c.gemmaHead(d)
	if !c.present("query_pre_attn_scalar") {
		a.Numerics.Scale = 1.0 / 16
	}
	a.QKNorm = true
	pattern := c.sizeOr("sliding_window_pattern", c.sizeOr("_sliding_window_pattern", 6))
	sliding := c.slidingLayers(m, n, 4096, everyNth(pattern))
	rotate := c.rotaryByType(d.ropeTheta, 1)
	local := c.floatOr("rope_local_base_freq", 10000)
	nested := c.nestedRope()
	return blocks(decoder(m, n, a, same(c.geglu()), func(i int, a *arch.Attention) {
		windowed := sliding(i, a)
		rotate(a, windowed)
		if windowed && !nested {
			a.RotaryBase, a.Numerics.Rope = local, arch.RopeScaling{}
		}
	}), arch.SandwichNorm)
}

// absent gives a field the class' default where the config leaves it out.
func (c *config) absent(name string, def float64) {
	if _, ok := c.fields[name]; !ok {
		c.fields[name] = def
	}
}
