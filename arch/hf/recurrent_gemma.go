package hf

import (
	"math"
	"slices"

	"github.com/OWNER/ridgeline/arch"
)

// importRecurrentGemma: RecurrentGemmaConfig (Griffin). Recurrent blocks and attention within
// a window of attention_window_size by block_types, repeated over the layers; maps of the
// gated MLP, which intermediate_size counts twice, and the output of attention have biases.
func importRecurrentGemma(c *config) *arch.Model {
	m, n := c.model(hfDefaults{tied: true})
	// The class keeps √width in bfloat16, whatever the model is in.
	m.Numerics.EmbedScale = float64(bfloat16(math.Sqrt(float64(m.Width))))
	m.LogitCap = c.floatOr("logits_soft_cap", 30)
	if m.LogitCap <= 0 {
		c.fail("%slogits_soft_cap must be positive, is %g", c.prefix, m.LogitCap)
	}
	a := c.attention(m, hfDefaults{})
	a.QKVBias, a.OutBias = c.boolOr("attention_bias", false), true
	c.rotary(&a, 10000, 0.5)
	setWindow(m, &a, c.positionsOr("attention_window_size", 2048))
	act := c.activation("hidden_activation", arch.GELUTanh)
	inner := c.size("intermediate_size")
	if inner%2 != 0 {
		c.fail("%sintermediate_size %d is not even: it is both halves of the gated MLP", c.prefix, inner)
	}
	mlp := arch.MLP{Inner: max(inner/2, 1), Gated: true, Act: act, Bias: true}
	lru := c.sizeOr("lru_width", m.Width)
	if lru%a.Heads != 0 {
		c.fail("%slru_width %d is not a multiple of num_attention_heads %d", c.prefix, lru, a.Heads)
	}
	g := arch.RGLRU{Heads: a.Heads, HeadDim: max(lru/a.Heads, 1), DConv: c.sizeOr("conv1d_width", 4), Act: act}
	if !c.boolOr("embeddings_scale_by_sqrt_dim", true) {
		c.fail("%sembeddings_scale_by_sqrt_dim false is not modelled: the class scales", c.prefix)
	}
	pattern := c.list("block_types")
	if inner := c.list("_block_types"); pattern == nil { // as the class keeps them
		pattern = inner
	} else if inner != nil && !slices.Equal(pattern, inner) {
		c.fail("%sblock_types and _block_types differ", c.prefix)
	}
	if pattern == nil {
		pattern = []any{"recurrent", "recurrent", "attention"}
	}
	if len(pattern) == 0 {
		c.fail("%sblock_types is empty", c.prefix)
		return m
	}
	for i, v := range pattern {
		if v != "recurrent" && v != "attention" {
			c.fail("%sblock_types[%d] is %s, not recurrent or attention", c.prefix, i, show(v))
			return m
		}
	}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: g, FFN: mlp}
		if pattern[i%len(pattern)] == "attention" {
			m.Layers[i].Mixer = a
		}
	}
	return m
}

// bfloat16 rounds to the nearest number of that format, ties to even.
func bfloat16(x float64) float32 {
	bits := math.Float32bits(float32(x))
	bits += 0x7fff + bits>>16&1
	return math.Float32frombits(bits &^ 0xffff)
}
