package hf

import "github.com/OWNER/ridgeline/arch"

// importOLMoHybrid: OlmoHybridConfig. Gated DeltaNet behind its norm, and attention as OLMo
// 3's in every fourth layer unless layer_types says otherwise; a rope_parameters of null
// switches the rotation off. The norm behind the recurrence has an ε of 1e-5 whatever the
// config says.
func importOLMoHybrid(c *config) *arch.Model {
	d := hfDefaults{maxContext: 65536, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.biased(&a, false)
	a.QKNorm, a.QKNormWide = true, true
	c.rotary(&a, d.ropeTheta, 1)
	if v, given := c.fields["rope_parameters"]; given {
		if p, _ := v.(map[string]any); p["rope_theta"] == nil {
			a.RotaryDim, a.RotaryBase, a.Numerics.Rope = 0, 0, arch.RopeScaling{}
		}
	}
	kh := c.sizeOr("linear_num_key_heads", a.Heads)
	kd := c.sizeOr("linear_key_head_dim", max(3*m.Width/(4*kh), 1))
	g := arch.GatedDeltaNet{
		KHeads: kh, VHeads: c.sizeOr("linear_num_value_heads", a.Heads), KDim: kd, VDim: c.sizeOr("linear_value_head_dim", 2*kd),
		DConv: c.sizeOr("linear_conv_kernel_dim", 4), DoubleBeta: c.boolOr("linear_allow_neg_eigval", true),
		Numerics: arch.GatedDeltaNetNumerics{NormEps: 1e-5},
	}
	mlp := c.swiglu("intermediate_size")
	types := c.perLayer("layer_types", n, "linear_attention", "full_attention")
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: g, FFN: mlp}
		if attends(types, i, i%4 == 3 || n < 4 && i == n-1) {
			m.Layers[i] = arch.Layer{Mixer: a, FFN: mlp, Block: arch.PostNorm}
		}
	}
	return m
}
