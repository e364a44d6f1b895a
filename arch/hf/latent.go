package hf

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// mlaDefaults are the sizes of a configuration class with latent attention.
type mlaDefaults struct {
	hfDefaults
	qRank, kvRank, nope, rope, value int
}

// latentAttention reads the heads of multi-head latent attention. A q_lora_rank of null
// makes queries from the input.
func (c *config) latentAttention(m *arch.Model, d mlaDefaults) arch.MLA {
	a := arch.MLA{
		Heads:    c.size("num_attention_heads"),
		KVRank:   c.sizeOr("kv_lora_rank", d.kvRank),
		NopeDim:  c.sizeOr("qk_nope_head_dim", d.nope),
		RopeDim:  c.sizeOr("qk_rope_head_dim", d.rope),
		ValueDim: c.sizeOr("v_head_dim", d.value),
		Bias:     c.boolOr("attention_bias", false),
	}
	a.QRank = c.sizeOr("q_lora_rank", 0)
	if !c.present("q_lora_rank") {
		a.QRank = d.qRank
	}
	if kv := c.sizeOr("num_key_value_heads", a.Heads); kv != a.Heads {
		c.fail("%snum_key_value_heads %d is not num_attention_heads %d: latent attention has no groups", c.prefix, kv, a.Heads)
	}
	if q := c.sizeOr("qk_head_dim", a.QueryDim()); q != a.QueryDim() {
		c.fail("%sqk_head_dim %d is not qk_nope_head_dim %d and qk_rope_head_dim %d together", c.prefix, q, a.NopeDim, a.RopeDim)
	}
	c.sizeOr("head_dim", 1) // says nothing beside qk_rope_head_dim
	// The rotation is read as any attention's of heads of qk_rope_head_dim.
	r := arch.Attention{HeadDim: a.RopeDim}
	c.rotary(&r, d.ropeTheta, 1)
	a.RotaryBase = r.RotaryBase
	a.Numerics = arch.MLANumerics{Rope: r.Numerics.Rope, NormEps: 1e-6} // whatever rms_norm_eps is
	a.Numerics.Rope.Adjacent = true
	return a
}

// yarnScale is how DeepSeek's scores and rotations grow where Yarn stretches them: mscale
// and mscale_all_dim of rope_scaling.
//
//	m(f, s) = 0.1·s·ln f + 1
//	scores · m(factor, mscale_all_dim)²,  rotations · m(factor, mscale)/m(factor, mscale_all_dim)
func (c *config) yarnScale(a *arch.MLA, scores bool) {
	s := &a.Numerics.Rope
	if s.Kind != arch.RopeYarn {
		return
	}
	var p *config
	for _, name := range []string{"rope_scaling", "rope_parameters"} {
		if f, ok := c.fields[name].(map[string]any); ok {
			p = &config{st: c.st, fields: f, used: map[string]bool{}}
		}
	}
	grow := func(by float64) float64 {
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*by*math.Log(s.Factor) + 1
	}
	one, all := p.loose("mscale"), p.loose("mscale_all_dim")
	if s.Magnitude == 0 && one != 0 && all != 0 {
		s.Magnitude = grow(one) / grow(all)
	}
	if scores && all != 0 {
		a.Numerics.Scale = grow(all) * grow(all) / math.Sqrt(float64(a.QueryDim()))
	}
}

// deepSeekExperts reads the FFNs of DeepSeek's mixtures: the first first_k_dense_replace
// layers are dense, and of the others each moe_layer_freq-th is a mixture with n_shared_experts
// shared experts in one.
func (c *config) deepSeekExperts(n, dense, shared int, rule arch.Routing) func(int) arch.FFN {
	act := c.activation("hidden_act", arch.SiLU)
	first := c.countOr("first_k_dense_replace", dense)
	every := c.sizeOr("moe_layer_freq", 1)
	if every > 1 {
		c.note("%smoe_layer_freq %d: a mixture in every layer whose number it divides, as in DeepSeek's own code", c.prefix, every)
	}
	if !c.present("n_shared_experts") {
		c.absent("n_shared_experts", float64(shared))
	}
	moe := c.expertsOf("n_routed_experts", "moe_intermediate_size", c.countOr("n_shared_experts", 0), act)
	moe.Routing = rule
	moe.RouterBias = rule.Correction
	types := c.perLayer("mlp_layer_types", n, "dense", "sparse")
	mlp := arch.MLP{Gated: true, Act: act, Inner: c.countOr("intermediate_size", 0), Bias: c.boolOr("mlp_bias", false)}
	if mlp.Bias && moe.SharedInner > 0 {
		c.fail("%smlp_bias is not modelled for shared experts", c.prefix)
	}
	return func(i int) arch.FFN {
		sparse := i >= first && i%every == 0
		if types != nil {
			sparse = types[i] == "sparse"
		}
		if sparse {
			return moe
		}
		if mlp.Inner == 0 {
			c.missing("intermediate_size")
		}
		return mlp
	}
}

// expertsOf reads a mixture of gated experts, of which shared stand beside the router in
// one, that many times as wide.
func (c *config) expertsOf(count, inner string, shared int, act arch.Activation) arch.MoE {
	f := arch.MoE{Experts: c.either(count, "num_local_experts"), Inner: c.size(inner), Gated: true, Act: act}
	f.TopK = c.size("num_experts_per_tok")
	f.SharedInner = shared * f.Inner
	return f
}

// latentDecoder fills n layers of latent attention.
func latentDecoder(m *arch.Model, n int, a arch.MLA, ffn func(int) arch.FFN) *arch.Model {
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: a, FFN: ffn(i)}
	}
	return m
}

// importDeepSeekV2: DeepseekV2Config. Latent attention, mixtures chosen by softmax.
func importDeepSeekV2(c *config) *arch.Model {
	d := mlaDefaults{hfDefaults{maxContext: 2048, ropeTheta: 10000}, 1536, 512, 128, 64, 128}
	m, n := c.model(d.hfDefaults)
	a := c.latentAttention(m, d)
	// Transformers leaves the scores as they are, DeepSeek's own code does not.
	c.yarnScale(&a, true)
	if c.fields["num_experts_per_tok"] == nil { // the class then runs them all
		c.fields["num_experts_per_tok"] = float64(c.sizeOr("n_routed_experts", 64))
		c.note("%snum_experts_per_tok is missing: priced with every expert for every token", c.prefix)
	}
	rule := c.shareRule(false)
	rule.Raw = true // the class passes norm_topk_prob over
	switch method := c.stringOr("topk_method", "greedy"); method {
	case "greedy":
	case "group_limited_greedy":
		rule.GroupMax = true
		rule.Groups, rule.TopGroups = c.sizeOr("n_group", 1), c.sizeOr("topk_group", 1)
	default:
		c.fail("%stopk_method %s is not modelled", c.prefix, quote(method))
	}
	c.routing("softmax")
	return latentDecoder(m, n, a, c.deepSeekExperts(n, 0, 2, rule))
}

// routing passes over the fields that say how a router chooses, once the rule is known.
func (c *config) routing(scores string) {
	if s := c.stringOr("scoring_func", scores); s != scores {
		c.fail("%sscoring_func %s is not modelled for this type", c.prefix, quote(s))
	}
	c.sizeOr("n_group", 1)
	c.sizeOr("topk_group", 1)
}

// importDeepSeekV3: DeepseekV3Config (V3, R1, Kimi K2). As V2, chosen by sigmoids with a
// correction, in groups.
func importDeepSeekV3(c *config) *arch.Model {
	d := mlaDefaults{hfDefaults{maxContext: 4096, ropeTheta: 10000}, 1536, 512, 128, 64, 128}
	c.absent("n_group", 8)
	c.absent("topk_group", 4)
	c.absent("routed_scaling_factor", 2.5)
	return c.deepSeekV3(d)
}

func (c *config) deepSeekV3(d mlaDefaults) *arch.Model {
	m, n := c.model(d.hfDefaults)
	a := c.latentAttention(m, d)
	a.Numerics.Rope.Adjacent = c.boolOr("rope_interleave", true)
	c.yarnScale(&a, true)
	rule := c.sigmoidRule(true)
	if method := c.stringOr("topk_method", "noaux_tc"); method != "noaux_tc" {
		c.fail("%stopk_method %s is not modelled for this type", c.prefix, quote(method))
	}
	c.routing("sigmoid")
	return latentDecoder(m, n, a, c.deepSeekExperts(n, 3, 1, rule))
}

// importDeepSeekV32: DeepseekV32Config. As V3, an indexer picks index_topk positions.
func importDeepSeekV32(c *config) *arch.Model {
	c.absent("n_group", 8)
	c.absent("topk_group", 4)
	return c.sparse(mlaDefaults{hfDefaults{maxContext: 163840, ropeTheta: 10000}, 1536, 512, 128, 64, 128}, 64, false)
}

// importGLMDSA: GlmMoeDsaConfig (GLM-5). As DeepSeek-V3.2; the indexer's rotated pairs are
// neighbours.
func importGLMDSA(c *config) *arch.Model {
	if n, given := c.get("num_experts"); given { // the same under the name of Transformers
		if r, both := c.get("n_routed_experts"); both && r != n {
			c.fail("%sn_routed_experts %s and num_experts %s differ", c.prefix, show(r), show(n))
		}
		c.fields["n_routed_experts"] = n
	}
	taken := c.takenPicks(c.layers())
	m := c.sparse(mlaDefaults{hfDefaults{maxContext: 202752, ropeTheta: 10000}, 2048, 512, 192, 64, 256}, 32, true)
	owner := 0
	m.MapMixers(func(layer int, p arch.Mixer) arch.Mixer {
		if layer >= len(taken) || !taken[layer] {
			owner = layer
			return p
		}
		shared, _ := arch.TakingPicks(p, arch.To(owner))
		return shared
	})
	return m
}

// takenPicks says which layers see the positions that the layer before them sees, and have no
// indexer: those that indexer_types calls "shared", or index_topk_pattern "S", or all but every
// index_topk_freq-th from index_skip_topk_offset on.
func (c *config) takenPicks(n int) []bool {
	taken := make([]bool, n)
	every, offset := c.sizeOr("index_topk_freq", 1), c.countOr("index_skip_topk_offset", 2)
	pattern, _ := c.get("index_topk_pattern")
	if letters, ok := pattern.(string); ok {
		list := make([]any, len(letters))
		for i, r := range letters {
			switch list[i] = string(r); r {
			case 'F':
				list[i] = "full"
			case 'S':
				list[i] = "shared"
			}
		}
		pattern = list
	}
	name := "indexer_types"
	if !c.present(name) && pattern != nil {
		name, c.fields["index_topk_pattern"] = "index_topk_pattern", pattern
	}
	types := c.perLayer(name, n, "full", "shared")
	for i := range taken {
		taken[i] = max(i-offset+1, 0)%every != 0
		if types != nil {
			taken[i] = types[i] == "shared"
		}
	}
	if n > 0 && taken[0] {
		c.fail("%s%s: the first layer has no layer before it to share with", c.prefix, name)
	}
	return taken
}

func (c *config) sparse(d mlaDefaults, heads int, adjacent bool) *arch.Model {
	c.absent("routed_scaling_factor", 2.5)
	n := c.layers()
	c.perLayer("layer_types", n, "deepseek_sparse_attention")
	c.boolOr("indexer_rope_interleave", adjacent) // the class does as it does whatever this says
	k := c.positionsOr("index_topk", 2048)
	ih, id := c.sizeOr("index_n_heads", heads), c.sizeOr("index_head_dim", 128)
	m := c.deepSeekV3(d)
	m.MapMixers(func(_ int, p arch.Mixer) arch.Mixer {
		a := p.(arch.MLA)
		a.Numerics.Rope.Adjacent = true
		a.IndexTopK, a.IndexHeads, a.IndexDim, a.Numerics.IndexAdjacent = k, ih, id, adjacent
		return a
	})
	return m
}

// importGLM4MoELite: Glm4MoeLiteConfig (GLM-4.7-Flash). As DeepSeek-V3 with one dense layer.
func importGLM4MoELite(c *config) *arch.Model {
	c.absent("n_group", 1)
	c.absent("routed_scaling_factor", 1.8)
	c.absent("first_k_dense_replace", 1)
	return c.deepSeekV3(mlaDefaults{hfDefaults{maxContext: 202752, ropeTheta: 10000}, 768, 512, 192, 64, 256})
}

// importMistral4: Mistral4Config (Mistral Small 4). As DeepSeek-V3 with softmax routing without a
// correction, and queries scaled by their position.
func importMistral4(c *config) *arch.Model {
	for name, v := range map[string]float64{
		"vocab_size": 131072, "hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32, "intermediate_size": 12288,
		"moe_intermediate_size": 2048, "n_routed_experts": 128, "num_experts_per_tok": 4, "routed_scaling_factor": 1,
	} {
		c.absent(name, v)
	}
	if !c.present("rope_parameters") && !c.present("rope_scaling") {
		c.fields["rope_parameters"] = map[string]any{"rope_type": "yarn", "rope_theta": 10000.0, "factor": 128.0, "original_max_position_embeddings": 8192.0,
			"beta_fast": 32.0, "beta_slow": 1.0, "mscale_all_dim": 1.0, "mscale": 1.0, "llama_4_scaling_beta": 0.1}
	}
	d := mlaDefaults{hfDefaults{maxContext: 1048576, ropeTheta: 10000}, 1024, 256, 64, 64, 128}
	m, n := c.model(d.hfDefaults)
	a := c.latentAttention(m, d)
	a.Numerics.Rope.Adjacent = c.boolOr("rope_interleave", true)
	c.yarnScale(&a, true)
	if r, ok := c.fields["rope_parameters"].(map[string]any); ok {
		p := &config{st: c.st, fields: r, used: map[string]bool{}}
		a.Numerics.Temperature, a.Numerics.TemperatureFloor = p.loose("llama_4_scaling_beta"), p.loose("original_max_position_embeddings")
	}
	rule := c.shareRule(true)
	if g := int(c.loose("n_group")); g > 1 {
		rule.Groups, rule.TopGroups = g, int(c.loose("topk_group"))
	}
	c.routing("softmax")
	return latentDecoder(m, n, a, c.deepSeekExperts(n, 0, 1, rule))
}

// importYoutu: YoutuConfig. DeepSeek-V3's attention, a dense network in every layer.
func importYoutu(c *config) *arch.Model {
	d := mlaDefaults{hfDefaults{maxContext: 131072, ropeTheta: 10000, tied: true}, 1536, 512, 128, 64, 128}
	m, n := c.model(d.hfDefaults)
	a := c.latentAttention(m, d)
	a.Numerics.Rope.Adjacent = c.boolOr("rope_interleave", true)
	c.yarnScale(&a, true)
	f := c.swiglu("intermediate_size")
	if c.boolOr("mlp_bias", false) {
		c.fail("%smlp_bias is not modelled for this type", c.prefix)
	}
	return latentDecoder(m, n, a, same(f))
}

// importMiniCPM3: MiniCPM3Config. Latent attention in MiniCPM's frame: scales of the
// embedding (scale_emb), of what layers add (scale_depth/√layers) and of the logits
// (dim_model_base/hidden_size).
func importMiniCPM3(c *config) *arch.Model {
	d := mlaDefaults{hfDefaults{maxContext: 32768, ropeTheta: 10000, tied: true}, 768, 256, 64, 32, 0}
	m, n := c.model(d.hfDefaults)
	d.value = max(m.Width/max(c.sizeOr("num_attention_heads", 1), 1), 1)
	a := c.latentAttention(m, d)
	a.Numerics.Rope.Adjacent = false
	c.miniCPMScales(m, n, 12, 1.4, 256)
	f := c.swiglu("intermediate_size")
	f.Bias = c.boolOr("mlp_bias", false)
	return latentDecoder(m, n, a, same(f))
}

// miniCPMScales reads MiniCPM's scales, of which the defaults of the class are given: of the
// embedding, of what layers add (scale_depth/√layers) and of the logits (dim_model_base/hidden_size).
// A null leaves what it scales as it is.
func (c *config) miniCPMScales(m *arch.Model, n int, embed, depth float64, base int) {
	m.Numerics.EmbedScale = c.floatOr("scale_emb", embed)
	if v, given := c.fields["scale_depth"]; given {
		if depth = math.Sqrt(float64(n)); v != nil {
			depth = c.floatOr("scale_depth", depth)
		}
	}
	m.Numerics.ResidualScale = depth / math.Sqrt(float64(max(n, 1)))
	if v, given := c.fields["dim_model_base"]; given {
		if base = m.Width; v != nil {
			base = c.sizeOr("dim_model_base", base)
		}
	}
	m.Numerics.LogitScale = float64(base) / float64(m.Width)
}
