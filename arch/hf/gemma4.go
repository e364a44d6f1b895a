package hf

import (
	"fmt"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
)

// importGemma4: Gemma4TextConfig. As Gemma 3 with heads of another size in full layers
// (global_head_dim, class default 512, or per_layer_config), values normed without weights,
// scores not scaled, embeddings of the layers' own (hidden_size_per_layer_input), a learned
// scale behind each layer. attention_k_eq_v: full layers take their values from the keys, and
// have num_global_key_value_heads. The last num_kv_shared_layers read the cache of the last
// layer of their kind before them, and have MLPs of twice the width with use_double_wide_mlp.
// enable_moe_block puts experts beside the MLPs.
func importGemma4(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 4, headDim: 256, ropeTheta: 10000}
	c.absent("vocab_size", 262144)
	c.absent("final_logit_softcapping", 0)
	m, n, a := c.gemmaHead(d)
	a.QKNorm, a.ValueNorm = true, true
	a.Numerics.Scale = 1
	m.LayerScales = true
	c.layerInput(m, 256)
	mlp := c.geglu()
	ffn := c.gemma4FFN(mlp)
	own := n - c.countOr("num_kv_shared_layers", 0)
	wide := c.boolOr("use_double_wide_mlp", false)
	keysAsValues := c.boolOr("attention_k_eq_v", false)
	sizes := c.gemma4Sizes(n, keysAsValues)
	sliding := c.slidingLayers(m, n, 512, func(i int) bool { return (i+1)%6 != 0 && i < n-1 })
	decoder(m, n, a, func(i int) arch.FFN {
		if i >= own && own > 0 && wide {
			return arch.MLP{Inner: 2 * mlp.Inner, Gated: true, Act: mlp.Act}
		}
		return ffn
	}, func(i int, a *arch.Attention) {
		windowed := sliding(i, a)
		sizes(i, !windowed, a)
		if !windowed {
			a.KeysAsValues = keysAsValues
		}
		c.gemma4Rotary(a, windowed)
	})
	if wide && c.st.err == nil && ffn != arch.FFN(mlp) && own < n {
		c.fail("%suse_double_wide_mlp is not modelled with enable_moe_block", c.prefix)
	}
	c.shareCaches(m, own)
	return blocks(m, arch.SandwichNorm)
}

// layerInput reads the embeddings that layers have of their own.
func (c *config) layerInput(m *arch.Model, width int) {
	m.LayerInput = arch.LayerInput{
		Width: c.countOr("hidden_size_per_layer_input", width), Vocab: c.sizeOr("vocab_size_per_layer_input", 262144),
		Act: c.activation("hidden_activation", arch.GELUTanh),
	}
	if m.LayerInput.Width == 0 {
		m.LayerInput = arch.LayerInput{}
	}
}

// gemma4FFN is what stands in a layer: the MLP, or experts beside it.
func (c *config) gemma4FFN(mlp arch.MLP) arch.FFN {
	experts, topK := c.countOr("num_experts", 0), c.countOr("top_k_experts", 0)
	inner := c.countOr("moe_intermediate_size", c.countOr("expert_intermediate_size", 0))
	if !c.boolOr("enable_moe_block", false) {
		return mlp
	}
	for name, v := range map[string]int{"num_experts": experts, "top_k_experts": topK, "moe_intermediate_size": inner} {
		if v == 0 {
			c.missing(name)
		}
	}
	return arch.MLPMoE{Inner: mlp.Inner, Experts: experts, TopK: topK, ExpertInner: inner, Act: mlp.Act}
}

// gemma4Sizes reads the head sizes that differ from layer to layer: per_layer_config by the
// number of the layer, or those of full layers.
func (c *config) gemma4Sizes(n int, keysAsValues bool) func(i int, full bool, a *arch.Attention) {
	globalDim, globalKV := c.countOr("global_head_dim", 512), c.countOr("num_global_key_value_heads", 0)
	all, given := c.object("per_layer_config")
	type sizes struct{ dim, kv int }
	by := map[int]sizes{}
	for name := range all {
		i, err := strconv.Atoi(name)
		one, ok := all[name].(map[string]any)
		if err != nil || i < 0 || i >= n || !ok {
			c.fail("%sper_layer_config: %s is not one of the %d layers", c.prefix, quote(name), n)
			continue
		}
		s := &config{st: c.st, prefix: fmt.Sprintf("%sper_layer_config.%s.", c.prefix, name), fields: one, used: map[string]bool{}}
		by[i] = sizes{s.countOr("head_dim", 0), s.countOr("num_key_value_heads", 0)}
		s.checkUnused()
	}
	return func(i int, full bool, a *arch.Attention) {
		s := by[i]
		if !given && full {
			s.dim = globalDim
			if keysAsValues {
				s.kv = globalKV
			}
		}
		if s.dim > 0 {
			a.HeadDim = s.dim
		}
		if s.kv > 0 {
			a.KVHeads = s.kv
		}
	}
}

// gemma4Rotary reads the rotation of a kind of layer: "proportional" turns a part of the pairs
// that all elements of a head make.
func (c *config) gemma4Rotary(a *arch.Attention, windowed bool) {
	kind, theta, partial, way := "full_attention", 1e6, 0.25, "proportional"
	if windowed {
		kind, theta, partial, way = "sliding_attention", 10000, 1, "default"
	}
	if p, ok := c.object("rope_parameters"); ok {
		one, ok := p[kind].(map[string]any)
		if !ok {
			c.fail("%srope_parameters has no %s", c.prefix, kind)
			return
		}
		r := &config{st: c.st, prefix: c.prefix + "rope_parameters." + kind + ".", fields: one, used: map[string]bool{}}
		way = r.stringOr("rope_type", "default")
		theta, partial = r.floatOr("rope_theta", theta), r.floatOr("partial_rotary_factor", 1)
	}
	if partial < 0 || partial > 1 || theta <= 0 {
		c.fail("%srope_parameters.%s: rope_theta must be positive and partial_rotary_factor from 0 to 1", c.prefix, kind)
		return
	}
	a.RotaryBase = theta
	switch way {
	case "default":
		a.RotaryDim = a.HeadDim
	case "proportional":
		a.RotaryDim = 2 * int(partial*float64(a.HeadDim)/2)
		a.Numerics.Rope.Spread = a.HeadDim
	default:
		c.fail("%srope_parameters.%s.rope_type %s is not modelled", c.prefix, kind, quote(way))
	}
}

// shareCaches makes the layers from own on read the cache of the last layer of their kind,
// windowed or full, before own.
func (c *config) shareCaches(m *arch.Model, own int) {
	if own < 0 || own == 0 && len(m.Layers) > 0 {
		c.fail("%snum_kv_shared_layers leaves no layer with a cache of its own", c.prefix)
		return
	}
	kind := func(i int) (windowed bool) {
		a, _ := arch.AttentionOf(m.Layers[i].Mixer)
		return a.Window > 0 || a.DeclaredWindow > 0
	}
	for i := own; i < len(m.Layers); i++ {
		last := own - 1
		for last >= 0 && kind(last) != kind(i) {
			last--
		}
		if last < 0 {
			c.fail("%snum_kv_shared_layers: no layer before %d is of the kind of layer %d", c.prefix, own, i)
			return
		}
		m.Layers[i].Mixer, _ = arch.ReadingCache(m.Layers[i].Mixer, arch.To(last))
	}
}
