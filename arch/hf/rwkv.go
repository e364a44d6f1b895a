package hf

import "github.com/OWNER/ridgeline/arch"

// importRWKV: RwkvConfig (RWKV-4). Each of its layers is two here, each behind a norm of its
// own: time mix and channel mix, which both look back one position. A LayerNorm stands behind
// the embedding. Halving the stream every rescale_every layers changes neither result nor cost.
func importRWKV(c *config) *arch.Model {
	m, n := c.model(hfDefaults{maxContext: c.positionsOr("context_length", 1024)})
	m.Norm, m.EmbedNorm = arch.LayerNorm, true
	time := arch.RWKV4{Inner: c.sizeOr("attention_hidden_size", m.Width), Stream: m.Width}
	channel := arch.RWKVChannelMix{Inner: c.sizeOr("intermediate_size", 4*m.Width), Stream: m.Width}
	return c.rwkvLayers(m, n, time, channel)
}

// importRWKV5: the configuration of RWKV-5's own code (version 5.2). As RWKV-4 with a matrix
// state; the channel mix is 3½ widths wide, in whole 32s, whatever intermediate_size says. The
// code divides by 8 before its norm, which is ε 64 times as large.
func importRWKV5(c *config) *arch.Model {
	m, n := c.model(hfDefaults{maxContext: c.positionsOr("context_length", 0)})
	m.Norm, m.EmbedNorm = arch.LayerNorm, true
	if v := c.stringOr("model_version", "5_2"); v != "5_2" {
		c.fail("%smodel_version %s is not modelled: 5_2 is", c.prefix, quote(v))
	}
	inner := m.Width * 7 / 2 / 32 * 32
	if v := c.sizeOr("intermediate_size", inner); v != inner {
		c.fail("%sintermediate_size %d is not the %d that the class has", c.prefix, v, inner)
	}
	if v := c.sizeOr("attention_hidden_size", m.Width); v != m.Width {
		c.fail("%sattention_hidden_size %d beside hidden_size %d is not modelled: its norm is as wide as the model", c.prefix, v, m.Width)
	}
	head := c.sizeOr("head_size", 64)
	if m.Width%head != 0 {
		c.fail("%shead_size %d does not divide hidden_size %d", c.prefix, head, m.Width)
	}
	time := arch.RWKV5{Heads: max(m.Width/head, 1), HeadDim: head, Stream: m.Width, Numerics: arch.RWKV5Numerics{NormEps: 64e-5}}
	return c.rwkvLayers(m, n, time, arch.RWKVChannelMix{Inner: max(inner, 1), Stream: m.Width})
}

// rwkvLayers puts the two mixes of n layers one behind the other.
func (c *config) rwkvLayers(m *arch.Model, n int, time, channel arch.Mixer) *arch.Model {
	if 2*n > arch.MaxLayers {
		c.fail("%snum_hidden_layers %d is more than %d", c.prefix, n, arch.MaxLayers/2)
		return m
	}
	for range n {
		m.Layers = append(m.Layers, arch.Layer{Mixer: time}, arch.Layer{Mixer: channel})
	}
	return m
}
