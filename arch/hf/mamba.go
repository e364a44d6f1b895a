package hf

import "github.com/OWNER/ridgeline/arch"

// importMamba: MambaConfig. Layers have a mixer only; tied by default. use_bias is on
// the in and out projections.
func importMamba(c *config) *arch.Model {
	m, n := c.model(hfDefaults{tied: true})
	inner := m.Width * c.sizeOr("expand", 2)
	x := arch.Mamba1{
		DInner:   c.sizeOr("intermediate_size", inner),
		DState:   c.sizeOr("state_size", 16),
		DConv:    c.sizeOr("conv_kernel", 4),
		DtRank:   c.autoOr("time_step_rank", (m.Width+15)/16),
		ConvBias: c.boolOr("use_conv_bias", true),
		ProjBias: c.boolOr("use_bias", false),
	}
	// Older files repeat the inner width and the state under the names of the
	// original code.
	if d := c.sizeOr("d_inner", x.DInner); d != x.DInner {
		c.fail("%sd_inner %d and intermediate_size %d differ", c.prefix, d, x.DInner)
	}
	if d := c.sizeOr("d_state", x.DState); d != x.DState {
		c.fail("%sd_state %d and state_size %d differ", c.prefix, d, x.DState)
	}
	c.activation("hidden_act", arch.SiLU)
	return uniform(m, n, x)
}

// importFalconMamba: FalconMambaConfig. As Mamba with norms without weights on Δ, B and C.
func importFalconMamba(c *config) *arch.Model {
	m := importMamba(c)
	eps := c.looseOr("mixer_rms_eps", 1e-6)
	m.MapMixers(func(_ int, p arch.Mixer) arch.Mixer {
		x := p.(arch.Mamba1)
		x.BareNorms, x.Numerics.InnerEps = true, eps
		return x
	})
	return m
}

// importMamba2: Mamba2Config. Class defaults: 128 heads of 64, state 128, 8 groups,
// convolution over 4, untied.
func importMamba2(c *config) *arch.Model {
	m, n := c.model(hfDefaults{})
	x := arch.Mamba2{
		Heads:    c.sizeOr("num_heads", 128),
		HeadDim:  c.sizeOr("head_dim", 64),
		DState:   c.sizeOr("state_size", 128),
		Groups:   c.sizeOr("n_groups", 8),
		DConv:    c.sizeOr("conv_kernel", 4),
		ConvBias: c.boolOr("use_conv_bias", true),
		ProjBias: c.boolOr("use_bias", false),
	}
	inner := m.Width * c.sizeOr("expand", 2)
	if x.DInner() != inner && c.st.err == nil {
		c.fail("%snum_heads %d × head_dim %d is not expand × hidden_size %d", c.prefix, x.Heads, x.HeadDim, inner)
	}
	c.countOr("intermediate_size", 0) // not in the class; some files write the inner width
	c.activation("hidden_act", arch.SiLU)
	return uniform(m, n, x)
}

func uniform(m *arch.Model, n int, x arch.Mixer) *arch.Model {
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i].Mixer = x
	}
	return m
}

// importNemotronH: NemotronHConfig. Each layer is one block behind one norm, by
// hybrid_override_pattern (M Mamba-2, * attention, - MLP, E experts) or, since
// transformers 5, layers_block_type. No positional encoding. use_bias is on Mamba's in
// and out projections (mamba_proj_bias is unused by the class). The router's score
// correction is counted: checkpoints hold it.
func importNemotronH(c *config) *arch.Model {
	m, n := c.model(hfDefaults{maxContext: 4096})
	// attention_head_dim is the older name of head_dim; the class default is 128.
	a := c.attention(m, hfDefaults{kvHeads: 8, headDim: c.sizeOr("attention_head_dim", 128)})
	a.QKVBias = c.boolOr("attention_bias", false)
	a.OutBias = a.QKVBias
	x := arch.Mamba2{
		Heads:    c.sizeOr("mamba_num_heads", 128),
		HeadDim:  c.sizeOr("mamba_head_dim", 64),
		DState:   c.sizeOr("ssm_state_size", 128),
		Groups:   c.sizeOr("n_groups", 8),
		DConv:    c.sizeOr("conv_kernel", 4),
		ConvBias: c.boolOr("use_conv_bias", true),
		ProjBias: c.boolOr("use_bias", false),
	}
	x.Numerics.NormGroups = x.Groups
	kinds := c.nemotronPattern(n)
	mlp, moe := c.nemotronFFNs(kinds)
	if c.st.err != nil {
		return m
	}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		switch kinds[i] {
		case 'M':
			m.Layers[i].Mixer = x
		case '*':
			at := a
			m.Layers[i].Mixer = at
		case '-':
			m.Layers[i].FFN = mlp
		case 'E':
			m.Layers[i].FFN = moe
		}
	}
	return m
}

// nemotronFFNs reads the MLP and the experts, each only where the pattern has it.
func (c *config) nemotronFFNs(kinds []byte) (arch.MLP, arch.MoE) {
	var dense, experts bool
	for _, k := range kinds {
		dense = dense || k == '-'
		experts = experts || k == 'E'
	}
	act, bias := c.activation("mlp_hidden_act", arch.ReLU2), c.boolOr("mlp_bias", false)
	mlp := arch.MLP{Inner: c.sizeOr("intermediate_size", 0), Act: act, Bias: bias}
	if dense && mlp.Inner == 0 {
		c.missing("intermediate_size")
	}
	moe := arch.MoE{
		Experts:     c.countOr("n_routed_experts", 0),
		TopK:        c.countOr("num_experts_per_tok", 0),
		Inner:       c.countOr("moe_intermediate_size", 0),
		SharedInner: c.countOr("moe_shared_expert_intermediate_size", 0),
		Latent:      c.countOr("moe_latent_size", 0),
		Act:         act,
		RouterBias:  true,
		Routing:     c.sigmoidRule(true),
	}
	shared := c.countOr("n_shared_experts", 1)
	switch {
	case shared == 0:
		moe.SharedInner = 0
	case shared > 1:
		// The class builds one shared expert, of the size given, whatever the number.
		c.note("%sn_shared_experts %d: one shared expert of %d is built", c.prefix, shared, moe.SharedInner)
	}
	if !experts {
		return mlp, moe
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"n_routed_experts", moe.Experts}, {"num_experts_per_tok", moe.TopK}, {"moe_intermediate_size", moe.Inner},
		{"moe_shared_expert_intermediate_size", moe.SharedInner},
	} {
		if f.value == 0 && (shared > 0 || f.name != "moe_shared_expert_intermediate_size") {
			c.missing(f.name)
		}
	}
	if bias {
		c.fail("%smlp_bias is not modelled with experts", c.prefix)
	}
	return mlp, moe
}

// nemotronPattern returns one of M, *, - and E for each layer.
func (c *config) nemotronPattern(n int) []byte {
	pattern := []byte(c.stringOr("hybrid_override_pattern", ""))
	letters := map[string]byte{
		"mamba": 'M', "linear_attention": 'M', "attention": '*', "full_attention": '*', "mlp": '-', "moe": 'E',
	}
	for _, name := range []string{"layers_block_type", "layer_types"} {
		types := c.perLayer(name, n, "mamba", "attention", "mlp", "moe", "linear_attention", "full_attention")
		if types == nil {
			continue
		}
		p := make([]byte, n)
		for i, t := range types {
			p[i] = letters[t]
		}
		if len(pattern) > 0 && string(pattern) != string(p) {
			c.fail("%shybrid_override_pattern and %s differ", c.prefix, name)
		}
		pattern = p
	}
	switch {
	case len(pattern) == 0:
		c.missing("hybrid_override_pattern")
	case len(pattern) != n:
		c.fail("%shybrid_override_pattern has %d letters for %d layers", c.prefix, len(pattern), n)
	}
	for i, k := range pattern {
		if k != 'M' && k != '*' && k != '-' && k != 'E' {
			c.fail("%shybrid_override_pattern[%d] is %q, not one of M * - E", c.prefix, i, rune(k))
			break
		}
	}
	return pattern
}
