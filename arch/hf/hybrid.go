package hf

import "github.com/OWNER/ridgeline/arch"

// importJamba: JambaConfig. Attention (no positional encoding) in layers that leave
// attn_layer_offset over attn_layer_period, Mamba-1 with inner norms elsewhere;
// experts in layers that leave expert_layer_offset over expert_layer_period. Class
// defaults: 4 of 8, 1 of 2, 16 experts, top 2.
func importJamba(c *config) *arch.Model {
	d := hfDefaults{maxContext: 262144, kvHeads: 8}
	m, n := c.model(d)
	a := c.attention(m, d)
	x := c.mamba1(m.Width)
	x.InnerNorms = true
	mlp := c.swiglu("intermediate_size")
	moe := arch.MoE{
		Experts: c.sizeOr("num_experts", 16),
		TopK:    c.sizeOr("num_experts_per_tok", 2),
		Inner:   mlp.Inner, Gated: true, Act: mlp.Act, Routing: arch.Routing{Raw: true},
	}
	period, offset := c.sizeOr("attn_layer_period", 8), c.countOr("attn_layer_offset", 4)
	expertPeriod, expertOffset := c.sizeOr("expert_layer_period", 2), c.countOr("expert_layer_offset", 1)
	types := c.perLayer("layers_block_type", n, "mamba", "attention", "linear_attention", "full_attention")
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		l := arch.Layer{Mixer: x, FFN: mlp}
		if attends(types, i, i%period == offset) {
			at := a
			l.Mixer = at
		}
		// With one expert the class builds a dense MLP.
		if i%expertPeriod == expertOffset && moe.Experts > 1 {
			l.FFN = moe
		}
		m.Layers[i] = l
	}
	return m
}

// attends reports whether layer i is attention: by the list if there is one.
func attends(types []string, i int, byRule bool) bool {
	if types == nil {
		return byRule
	}
	return types[i] == "attention" || types[i] == "full_attention"
}

// mamba2 reads the Mamba-2 fields of Bamba, Granite and Falcon-H1, whose class defaults
// agree: 128 heads, state 256, one group, convolution over 4 with bias, no projection
// bias, mamba_d_head "auto" = inner / heads.
func (c *config) mamba2(inner int) arch.Mamba2 {
	x := arch.Mamba2{
		Heads:    c.sizeOr("mamba_n_heads", 128),
		DState:   c.sizeOr("mamba_d_state", 256),
		Groups:   c.sizeOr("mamba_n_groups", 1),
		DConv:    c.sizeOr("mamba_d_conv", 4),
		ConvBias: c.boolOr("mamba_conv_bias", true),
		ProjBias: c.boolOr("mamba_proj_bias", false),
	}
	if inner%x.Heads != 0 {
		c.fail("%smamba_n_heads %d does not divide the inner width %d", c.prefix, x.Heads, inner)
	}
	x.HeadDim = c.autoOr("mamba_d_head", inner/x.Heads)
	if x.DInner() != inner {
		c.fail("%smamba_n_heads %d × mamba_d_head %d is not the inner width %d", c.prefix, x.Heads, x.HeadDim, inner)
	}
	return x
}

// importBamba: BambaConfig. Attention in the layers of attn_layer_indices, Mamba-2
// elsewhere, a SwiGLU MLP in each; half of each head is rotated (attn_rotary_emb, in
// older files, says how many dimensions).
func importBamba(c *config) *arch.Model {
	d := hfDefaults{maxContext: 262144, kvHeads: 8, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 0.5)
	a.RotaryDim = c.countOr("attn_rotary_emb", a.RotaryDim)
	x := c.mamba2(m.Width * c.sizeOr("mamba_expand", 2))
	mlp := c.swiglu("intermediate_size")
	indices := c.indices("attn_layer_indices", n)
	types := c.perLayer("layers_block_type", n, "mamba", "attention", "linear_attention", "full_attention")
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: x, FFN: mlp}
		if attends(types, i, indices[i]) {
			at := a
			m.Layers[i].Mixer = at
		}
	}
	return m
}

// importGraniteHybrid: GraniteMoeHybridConfig. Layers by layer_types (all Mamba-2 if
// absent); a shared SwiGLU of shared_intermediate_size (class default 1024) in each,
// beside experts of intermediate_size where num_local_experts is not 0 (class default
// 8, top 2). Rotary only with position_embedding_type "rope".
func importGraniteHybrid(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", false)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 1)
	switch p := c.stringOr("position_embedding_type", ""); p {
	case "rope":
	case "", "nope":
		a.RotaryDim, a.RotaryBase = 0, 0
	default:
		c.fail("%sposition_embedding_type %s is not modelled", c.prefix, quote(p))
	}
	c.graniteNumerics(m, &a)
	x := c.mamba2(m.Width * c.sizeOr("mamba_expand", 2))
	ffn := c.graniteFFN()
	types := c.perLayer("layer_types", n, "mamba", "attention", "linear_attention", "full_attention")
	if types == nil {
		types = c.perLayer("layers_block_type", n, "mamba", "attention", "linear_attention", "full_attention")
	}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: x, FFN: ffn}
		if attends(types, i, false) {
			at := a
			m.Layers[i].Mixer = at
		}
	}
	return m
}

// graniteNumerics reads Granite's multipliers: of the embedding, of what layers add, of the
// scores, and the divisor of the logits.
func (c *config) graniteNumerics(m *arch.Model, a *arch.Attention) {
	m.Numerics.EmbedScale = c.loose("embedding_multiplier")
	m.Numerics.ResidualScale = c.loose("residual_multiplier")
	a.Numerics.Scale = c.loose("attention_multiplier")
	if d := c.loose("logits_scaling"); d != 0 {
		m.Numerics.LogitScale = 1 / d
	}
}

func (c *config) graniteFFN() arch.FFN {
	act := c.activation("hidden_act", arch.SiLU)
	shared := c.sizeOr("shared_intermediate_size", 1024)
	experts, topK := c.countOr("num_local_experts", 8), c.countOr("num_experts_per_tok", 2)
	inner := c.countOr("intermediate_size", 0)
	if experts == 0 {
		return arch.MLP{Inner: shared, Gated: true, Act: act}
	}
	if inner == 0 {
		c.missing("intermediate_size")
	}
	return arch.MoE{Experts: experts, TopK: topK, Inner: inner, SharedInner: shared, Gated: true, Act: act}
}

// importFalconH1: FalconH1Config. Every layer runs attention and Mamba-2 side by side
// on one normed input. The inner width is mamba_d_ssm (class default 1024; null is
// mamba_expand · hidden_size); the gated norm is there with mamba_rms_norm only. The
// multipliers are folded into the weights.
func importFalconH1(c *config) *arch.Model {
	d := hfDefaults{maxContext: 8192, kvHeads: 8, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", false)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 1)
	inner := m.Width * c.sizeOr("mamba_expand", 2)
	if !c.present("mamba_d_ssm") {
		inner = 1024
	}
	x := c.mamba2(c.sizeOr("mamba_d_ssm", inner))
	x.NoNorm = !c.boolOr("mamba_rms_norm", false)
	x.Numerics.NormGroups = x.Groups
	x.Numerics.NormFirst, _ = c.fields["mamba_norm_before_gate"].(bool)
	// The class puts mamba_proj_bias on the in projection, projectors_bias on the out.
	if out := c.boolOr("projectors_bias", false); out != x.ProjBias {
		c.fail("%sprojectors_bias %v is not modelled with mamba_proj_bias %v", c.prefix, out, x.ProjBias)
	}
	mlp := c.swiglu("intermediate_size")
	mlp.Bias = c.boolOr("mlp_bias", false)
	c.falconScales(m)
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		at := a
		m.Layers[i] = arch.Layer{Mixer: arch.Parallel{Mixers: []arch.Mixer{at, x}}, FFN: mlp}
	}
	return m
}

// falconScales reads Falcon H1's multipliers.
func (c *config) falconScales(m *arch.Model) {
	m.Numerics.EmbedScale, m.Numerics.LogitScale = c.loose("embedding_multiplier"), c.loose("lm_head_multiplier")
	s := &m.Numerics.Parts
	s.AttentionIn, s.Key, s.AttentionOut = c.loose("attention_in_multiplier"), c.loose("key_multiplier"), c.loose("attention_out_multiplier")
	s.SSMIn, s.SSMOut = c.loose("ssm_in_multiplier"), c.loose("ssm_out_multiplier")
	for i, v := range looseList(c.fields["ssm_multipliers"], len(s.SSM)) {
		s.SSM[i] = v
	}
	if l := looseList(c.fields["mlp_multipliers"], 2); l != nil {
		s.Gate, s.Down = l[0], l[1]
	}
}

// looseList is a list of n numbers that cost nothing, nil for anything else.
func looseList(v any, n int) []float64 {
	l, _ := v.([]any)
	if len(l) != n {
		return nil
	}
	out := make([]float64, n)
	for i, e := range l {
		f, ok := e.(float64)
		if !ok {
			return nil
		}
		out[i] = f
	}
	return out
}
