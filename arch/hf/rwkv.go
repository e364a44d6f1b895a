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
	if 2*n > arch.MaxLayers {
		c.fail("%snum_hidden_layers %d is more than %d", c.prefix, n, arch.MaxLayers/2)
		return m
	}
	for range n {
		m.Layers = append(m.Layers, arch.Layer{Mixer: time}, arch.Layer{Mixer: channel})
	}
	return m
}
