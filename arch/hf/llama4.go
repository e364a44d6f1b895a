package hf

import "github.com/OWNER/ridgeline/arch"

// importLlama4: Llama4TextConfig. Layers that rotate attend within chunks of attention_chunk_size
// and norm queries and keys behind the rotation, without weights (use_qk_norm); every fourth
// (no_rope_layers) sees all positions, does not rotate, and scales its queries by their position.
// Experts of intermediate_size beside a shared one stand in moe_layers, MLPs of
// intermediate_size_mlp in the others. The share of an expert is the sigmoid of its score, and
// scales what goes in.
func importLlama4(c *config) *arch.Model {
	d := hfDefaults{maxContext: 131072, kvHeads: 8, headDim: 128, ropeTheta: 500000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	c.rotary(&a, d.ropeTheta, 1)
	a.Numerics.Rope.Adjacent = true
	normed := c.boolOr("use_qk_norm", true)
	rotates := c.llama4Rotates(n)
	types := c.perLayer("layer_types", n, "full_attention", "chunked_attention")
	chunk := 0
	if !c.present("attention_chunk_size") {
		chunk = 8192
	}
	chunk = c.positionsOr("attention_chunk_size", chunk)
	temperature, floor := c.floatOr("attn_scale", 0.1), c.floatOr("floor_scale", 8192)
	if n, number := c.fields["attn_temperature_tuning"].(float64); number { // in the first files: 4
		c.fields["attn_temperature_tuning"] = n != 0
	}
	if !c.boolOr("attn_temperature_tuning", true) {
		temperature = 0
	}
	return decoder(m, n, a, c.llama4FFN(n), func(i int, a *arch.Attention) {
		if rotates[i] {
			a.QKNorm, a.QKNormBare, a.Numerics.NormBehindRope = normed, normed, normed
		} else {
			a.RotaryDim = 0
			a.Numerics.Temperature, a.Numerics.TemperatureFloor = temperature, floor
		}
		chunked := rotates[i]
		if types != nil {
			chunked = types[i] == "chunked_attention"
		}
		switch {
		case !chunked:
		case chunk == 0:
			c.fail("%sattention_chunk_size is null, but layer %d attends within chunks", c.prefix, i)
		default:
			setWindow(m, a, chunk)
			a.Chunked = a.Window > 0
		}
	})
}

// llama4Rotates says which layers rotate: those of which no_rope_layers is 1, or all but every
// no_rope_layer_interval-th.
func (c *config) llama4Rotates(n int) []bool {
	every := c.sizeOr("no_rope_layer_interval", 4)
	rotates := make([]bool, n)
	for i := range rotates {
		rotates[i] = (i+1)%every != 0
	}
	l := c.list("no_rope_layers")
	if len(l) == 0 {
		return rotates
	}
	if len(l) < n {
		c.fail("%sno_rope_layers has %d entries for %d layers", c.prefix, len(l), n)
		return rotates
	}
	for i := range rotates {
		switch l[i] {
		case 0.0, false:
			rotates[i] = false
		case 1.0, true:
			rotates[i] = true
		default:
			c.fail("%sno_rope_layers[%d] is %s, not 0 or 1", c.prefix, i, show(l[i]))
		}
	}
	return rotates
}

func (c *config) llama4FFN(n int) func(int) arch.FFN {
	act := c.activation("hidden_act", arch.SiLU)
	inner := c.sizeOr("intermediate_size", 8192)
	moe := arch.MoE{
		Experts: c.sizeOr("num_local_experts", 16), TopK: c.sizeOr("num_experts_per_tok", 1), Inner: inner, SharedInner: inner, Gated: true, Act: act,
		Routing: arch.Routing{Sigmoid: true, Raw: true, ScaleInput: true},
	}
	mlp := arch.MLP{Inner: c.sizeOr("intermediate_size_mlp", 16384), Gated: true, Act: act}
	step := c.sizeOr("interleave_moe_layer_step", 1)
	sparse := map[int]bool{}
	if _, given := c.get("moe_layers"); given {
		sparse = c.indices("moe_layers", n)
	} else {
		for i := step - 1; i < n; i += step {
			sparse[i] = true
		}
	}
	return func(i int) arch.FFN {
		if sparse[i] {
			return moe
		}
		return mlp
	}
}
