package hf

import (
	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/internal/ceil"
)

// importLFM2: Lfm2Config. Short convolutions but for the layers that layer_types or
// full_attn_idxs name; queries and keys normed. intermediate_size (block_ff_dim in older
// files) is adjusted unless block_auto_adjust_ff_dim is false: two thirds, times
// block_ffn_dim_multiplier, rounded up to block_multiple_of.
func importLFM2(c *config) *arch.Model {
	c.absent("vocab_size", 65536)
	if c.present("block_ff_dim") { // the class lets it win
		c.fields["intermediate_size"], _ = c.get("block_ff_dim")
	}
	inner := c.size("intermediate_size")
	if c.boolOr("block_auto_adjust_ff_dim", true) {
		inner = 2 * inner / 3
		inner = int(c.floatOr("block_ffn_dim_multiplier", 1) * float64(inner))
		of := c.sizeOr("block_multiple_of", 256)
		inner = ceil.Div(inner, of) * of
	} else {
		c.floatOr("block_ffn_dim_multiplier", 1)
		c.sizeOr("block_multiple_of", 256)
	}
	if !c.boolOr("block_use_swiglu", true) {
		c.fail("%sblock_use_swiglu false is not modelled", c.prefix)
	}
	m := c.lfm2(same(arch.MLP{Inner: inner, Gated: true}))
	for _, name := range []string{"conv_dim", "conv_dim_out"} {
		if n := c.sizeOr(name, m.Width); n != m.Width {
			c.fail("%s%s %d is not hidden_size %d", c.prefix, name, n, m.Width)
		}
	}
	return m
}

// importLFM2MoE: Lfm2MoeConfig. As LFM2 with experts behind num_dense_layers dense layers,
// picked by sigmoids that a buffer corrects.
func importLFM2MoE(c *config) *arch.Model {
	dense := c.countOr("num_dense_layers", 2)
	mlp := arch.MLP{Inner: c.size("intermediate_size"), Gated: true}
	moe := arch.MoE{
		Experts: c.size("num_experts"), TopK: c.size("num_experts_per_tok"), Inner: c.size("moe_intermediate_size"),
		Gated: true, Routing: c.shareRule(true),
	}
	moe.Routing.Sigmoid = true
	moe.RouterBias = c.boolOr("use_expert_bias", true)
	moe.Routing.Correction = moe.RouterBias
	return c.lfm2(func(i int) arch.FFN {
		if i < dense {
			return mlp
		}
		return moe
	})
}

func (c *config) lfm2(ffn func(i int) arch.FFN) *arch.Model {
	d := hfDefaults{maxContext: 128000, kvHeads: 8, ropeTheta: 1e6, tied: true}
	m, n := c.model(d)
	if c.present("tie_embedding") { // of older files
		m.Tied = c.boolOr("tie_embedding", true)
	}
	a := c.attention(m, d)
	a.QKNorm = true
	c.rotary(&a, d.ropeTheta, 1)
	x := arch.ShortConv{Channels: m.Width, DConv: c.sizeOr("conv_L_cache", 3), Bias: c.boolOr("conv_bias", false)}
	types := c.perLayer("layer_types", n, "conv", "full_attention")
	named := c.present("full_attn_idxs") && c.fields["full_attn_idxs"] != nil
	full := c.indices("full_attn_idxs", n)
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: x, FFN: ffn(i)}
		if attends(types, i, full[i] || !named) {
			m.Layers[i].Mixer = a
		}
	}
	return m
}
