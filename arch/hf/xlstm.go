package hf

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// importXLSTM: xLSTMConfig. A matrix LSTM and a gated MLP in every layer; gates and logits are
// capped. weight_mode says how maps that read the same input are stored and no more.
func importXLSTM(c *config) *arch.Model {
	if c.fields["hidden_size"] == nil && c.fields["embedding_dim"] != nil {
		c.fields["hidden_size"] = c.fields["embedding_dim"]
	}
	if c.fields["num_hidden_layers"] == nil && c.fields["num_blocks"] != nil {
		c.fields["num_hidden_layers"] = c.fields["num_blocks"]
	}
	m, n := c.model(hfDefaults{})
	for _, f := range []struct {
		name, other string
		is          int
	}{{"embedding_dim", "hidden_size", m.Width}, {"num_blocks", "num_hidden_layers", n}} {
		if v := c.sizeOr(f.name, f.is); v != f.is {
			c.fail("%s%s %d and %s %d differ", c.prefix, f.name, v, f.other, f.is)
		}
	}
	if m.Numerics.NormEps == 0 {
		m.Numerics.NormEps = 1e-6
	}
	m.LogitCap = c.floatOr("output_logit_soft_cap", 30)
	if c.boolOr("use_bias", false) {
		c.fail("%suse_bias is not modelled", c.prefix)
	}
	if !c.boolOr("add_out_norm", true) {
		c.fail("%sadd_out_norm false is not modelled", c.prefix)
	}
	heads := c.sizeOr("num_heads", 8)
	dim := func(name string, factor float64) int {
		f := c.floatOr(name, factor)
		d := int(float64(m.Width) * f)
		if !(f > 0) || d > arch.MaxDimension || d < heads || d%heads != 0 {
			c.fail("%s%s %g does not make a width that num_heads %d divides", c.prefix, name, f, heads)
			return 1
		}
		return d / heads
	}
	x := arch.MLSTM{Heads: heads, KDim: dim("qk_dim_factor", 0.5), VDim: dim("v_dim_factor", 1),
		GateCap: c.floatOr("gate_soft_cap", 15), Numerics: arch.MLSTMNumerics{Eps: c.loose("eps")}}
	to := float64(c.sizeOr("ffn_round_up_to_multiple_of", 64))
	up := c.floatOr("ffn_proj_factor", 2.667) * float64(m.Width)
	inner := math.Floor((up+to-1)/to) * to
	if !(inner >= 1 && inner <= arch.MaxDimension) {
		c.fail("%sffn_proj_factor makes an inner width of %g", c.prefix, inner)
		return m
	}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: x, FFN: arch.MLP{Inner: int(inner), Gated: true}}
	}
	return m
}
