package hf

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

// importGemma3n: Gemma3nTextConfig. As Gemma 4's small models (values normed without weights,
// scores not scaled, embeddings of the layers' own, the last num_kv_shared_layers read other
// layers' caches and have no maps to keys and values), with every fifth layer full, four
// residual streams (AltUp), a low-rank branch beside attention (LAuReL), and MLPs of which
// activation_sparsity_pattern switches off a share of the gate; the class switches off 0.95 in
// the first ten layers.
func importGemma3n(c *config) *arch.Model {
	for name, v := range map[string]float64{
		"vocab_size": 262400, "hidden_size": 2048, "num_hidden_layers": 35, "num_attention_heads": 8,
		"intermediate_size": 16384, "final_logit_softcapping": 30,
	} {
		c.absent(name, v)
	}
	d := hfDefaults{maxContext: 32768, kvHeads: 2, headDim: 256, ropeTheta: 1e6}
	m, n, a := c.gemmaHead(d)
	a.QKNorm, a.ValueNorm = true, true
	a.Numerics.Scale = 1
	c.layerInput(m, 256)
	m.AltUp = arch.AltUp{Streams: c.sizeOr("altup_num_inputs", 4), Active: c.countOr("altup_active_idx", 0)}
	m.LaurelRank = c.sizeOr("laurel_rank", 64)
	if !c.boolOr("altup_correct_scale", true) {
		c.fail("%saltup_correct_scale false is not modelled", c.prefix)
	}
	mlp := arch.MLP{Gated: true, Act: c.activation("hidden_activation", arch.GELUTanh)}
	inner, sparse := c.layerSizes("intermediate_size", n), c.sparsities(n)
	sliding := c.slidingLayers(m, n, 512, everyNth(5))
	rotate := c.rotaryByType(d.ropeTheta, 1)
	local, nested := c.floatOr("rope_local_base_freq", 10000), c.nestedRope()
	decoder(m, n, a, func(i int) arch.FFN {
		mlp.Inner, mlp.Sparsity = inner[i], sparse[i]
		return mlp
	}, func(i int, a *arch.Attention) {
		windowed := sliding(i, a)
		rotate(a, windowed)
		if windowed && !nested {
			a.RotaryBase, a.Numerics.Rope = local, arch.RopeScaling{}
		}
	})
	shared := c.countOr("num_kv_shared_layers", 15)
	if own := n - shared; own > 0 { // as the class: layers that all shared would share nothing
		c.shareCaches(m, own)
	}
	return blocks(m, arch.SandwichNorm)
}

// layerSizes reads a size, or one for each layer.
func (c *config) layerSizes(name string, n int) []int {
	out := make([]int, n)
	l, isList := c.fields[name].([]any)
	if isList && len(l) != n {
		c.fail("%s has %d entries for %d layers", c.prefix+name, len(l), n)
		return out
	}
	c.used[name] = true
	for i := range out {
		if isList {
			out[i] = c.asWhole(fmt.Sprintf("%s[%d]", name, i), l[i], 1, arch.MaxDimension)
		} else {
			out[i] = c.size(name)
		}
	}
	return out
}

// sparsities reads the share of its inner values that each layer's MLP switches off.
func (c *config) sparsities(n int) []float64 {
	const name = "activation_sparsity_pattern"
	out := make([]float64, n)
	l := c.list(name)
	switch {
	case l == nil && n > 10: // the class' default
		for i := range 10 {
			out[i] = 0.95
		}
	case l != nil && len(l) != n:
		c.fail("%s has %d entries for %d layers", c.prefix+name, len(l), n)
	default:
		for i, v := range l {
			f, ok := v.(float64)
			if !ok || f < 0 || f >= 1 {
				c.wrong(fmt.Sprintf("%s[%d]", name, i), "a number from 0 to below 1", v)
				return out
			}
			out[i] = f
		}
	}
	return out
}
