package hf

import (
	"slices"

	"github.com/OWNER/ridgeline/arch"
)

// importMiMoV2: MiMoV2FlashConfig. Values are narrower than keys and scaled; windowed layers
// have twice the key and value heads, a learned sink per head and a rotation of their own;
// DeepSeek-V3's routing. Files of the model's own code give heads and patterns under other
// names (swa_…, hybrid_layer_pattern, moe_layer_freq by layer).
func importMiMoV2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 4, headDim: 192, ropeTheta: 5e6}
	m, n := c.model(d)
	if eps := c.loose("layernorm_epsilon"); eps > 0 {
		m.Numerics.NormEps = eps
	}
	c.used["layernorm_epsilon"] = true
	full := c.attention(m, d)
	full.ValueDim = c.sizeOr("v_head_dim", 128)
	full.QKVBias = c.boolOr("attention_bias", false)
	full.Numerics.ValueScale = c.scaleOr("attention_value_scale", 0.707)
	swa := full
	swa.Heads = c.sizeOr("swa_num_attention_heads", full.Heads)
	swa.KVHeads = c.sizeOr("swa_num_key_value_heads", 2*full.KVHeads)
	swa.HeadDim, swa.ValueDim = c.sizeOr("swa_head_dim", full.HeadDim), c.sizeOr("swa_v_head_dim", full.ValueDim)
	swa.Sinks = c.boolOr("add_swa_attention_sink_bias", true)
	full.Sinks = c.boolOr("add_full_attention_sink_bias", false)
	rotate := c.rotaryByType(d.ropeTheta, 0.334)
	nested := c.nestedRope()
	local := c.floatOr("swa_rope_theta", 10000)
	rotate(&full, false)
	rotate(&swa, true)
	if !nested {
		swa.RotaryBase = local
	}
	full.RotaryDim, swa.RotaryDim = full.RotaryDim&^1, swa.RotaryDim&^1

	window := c.positionsOr("sliding_window", 128)
	if w := c.positionsOr("sliding_window_size", window); w != window {
		c.fail("%ssliding_window %d and sliding_window_size %d differ", c.prefix, window, w)
	}
	c.positionsOr("attention_chunk_size", window) // the same, of a kernel
	windowed := c.flags("hybrid_layer_pattern", n)
	if types := c.perLayer("layer_types", n, "full_attention", "sliding_attention"); types != nil {
		windowed = make([]bool, n)
		for i, t := range types {
			windowed[i] = t == "sliding_attention"
		}
	}
	if windowed == nil {
		windowed = make([]bool, n)
		for i := range windowed {
			windowed[i] = i != 0 && (i+1)%6 != 0
		}
	}
	sparse := c.flags("moe_layer_freq", n)
	if types := c.perLayer("mlp_layer_types", n, "dense", "sparse"); types != nil {
		sparse = make([]bool, n)
		for i, t := range types {
			sparse[i] = t == "sparse"
		}
	}
	if sparse == nil {
		sparse = slices.Repeat([]bool{true}, max(n, 1))
		sparse[0] = false
	}
	act := c.activation("hidden_act", arch.SiLU)
	c.absent("num_experts_per_tok", 8)
	f := c.expertsOf("n_routed_experts", "moe_intermediate_size", c.countOr("n_shared_experts", 0), act)
	f.RouterBias, f.Routing = true, c.sigmoidRule(true)
	c.routing("sigmoid")
	mlp := arch.MLP{Inner: c.size("intermediate_size"), Gated: true, Act: act}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		a := full
		if windowed[i] {
			a = swa
			setWindow(m, &a, window)
		}
		m.Layers[i] = arch.Layer{Mixer: a, FFN: mlp}
		if sparse[i] {
			m.Layers[i].FFN = f
		}
	}
	return m
}

// flags reads a list with 0 or 1 for each layer, nil if it is absent.
func (c *config) flags(name string, layers int) []bool {
	l := c.list(name)
	if l == nil || c.st.err != nil {
		return nil
	}
	if len(l) != layers {
		c.fail("%s has %d entries for %d layers", c.prefix+name, len(l), layers)
		return nil
	}
	out := make([]bool, len(l))
	for i, v := range l {
		if v != 0.0 && v != 1.0 {
			c.fail("%s[%d] is %s, not 0 or 1", c.prefix+name, i, show(v))
			return nil
		}
		out[i] = v == 1.0
	}
	return out
}

// scaleOr reads a factor that may be null, which is 1.
func (c *config) scaleOr(name string, def float64) float64 {
	if c.present(name) && c.fields[name] == nil {
		return 1
	}
	return c.floatOr(name, def)
}
