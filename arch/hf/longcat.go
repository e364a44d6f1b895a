package hf

import "github.com/OWNER/ridgeline/arch"

// importLongcat: LongcatFlashConfig. Each of num_layers blocks is two layers of latent attention and
// a dense network; the first also holds a mixture, which reads what its dense network reads and is
// added behind the second. Its router chooses among n_routed_experts and zero_expert_num that pass
// their input on. Queries and latents are scaled by √(hidden_size/rank), which the norms in front
// take up.
func importLongcat(c *config) *arch.Model {
	blocks := c.sizeOr("num_layers", 28)
	if n := c.sizeOr("num_hidden_layers", 2*blocks); n != 2*blocks && n != blocks {
		c.fail("%snum_hidden_layers %d is neither num_layers %d nor twice that", c.prefix, n, blocks)
	}
	c.fields["num_hidden_layers"] = float64(2 * blocks)
	d := mlaDefaults{hfDefaults{maxContext: 131072, ropeTheta: 1e7}, 1536, 512, 128, 64, 128}
	m, n := c.model(d.hfDefaults)
	a := c.latentAttention(m, d)
	if a.QRank == 0 {
		c.fail("%sq_lora_rank null is not modelled for this type", c.prefix)
	}
	c.yarnScale(&a, true)
	for _, name := range []string{"mla_scale_q_lora", "mla_scale_kv_lora"} { // the class always scales
		if !c.boolOr(name, true) {
			c.fail("%s%s false is not modelled", c.prefix, name)
		}
	}
	if c.boolOr("router_bias", false) {
		c.fail("%srouter_bias true is not modelled beside a correction of the choice", c.prefix)
	}
	if s := c.stringOr("zero_expert_type", "identity"); s != "identity" {
		c.fail("%szero_expert_type %s is not modelled", c.prefix, quote(s))
	}
	if method := c.stringOr("attention_method", "MLA"); method != "MLA" {
		c.fail("%sattention_method %s is not modelled", c.prefix, quote(method))
	}
	act := c.activation("hidden_act", arch.SiLU)
	mlp := arch.MLP{Inner: c.either("ffn_hidden_size", "intermediate_size"), Gated: true, Act: act}
	both := arch.ShortcutMoE{
		Inner: mlp.Inner, Act: act, Experts: c.either("n_routed_experts", "num_local_experts"), Zero: c.countOr("zero_expert_num", 256),
		TopK: c.either("moe_topk", "num_experts_per_tok"), ExpertInner: c.either("expert_ffn_hidden_size", "moe_intermediate_size"),
		Routing: c.shareRule(false),
	}
	both.Routing.Correction, both.Routing.Raw = true, true
	if c.fields["routed_scaling_factor"] == nil {
		both.Routing.Scale = 6
	}
	return latentDecoder(m, n, a, func(i int) arch.FFN {
		if i%2 == 0 {
			return both
		}
		return mlp
	})
}
