package hf

import "github.com/OWNER/ridgeline/arch"

// importMiniMaxM3: MiniMaxM3VLTextConfig. Layers of sparse_attention_freq (or layer_types) attend to
// the blocks that an indexer picks for each kv head, the others to all positions; layers of
// moe_layer_freq (or mlp_layer_types) are mixtures with a shared expert, the others dense networks
// of dense_intermediate_size. The gate is clamped as gpt-oss'.
func importMiniMaxM3(c *config) *arch.Model {
	for name, v := range map[string]float64{
		"vocab_size": 200064, "hidden_size": 6144, "num_hidden_layers": 60, "num_attention_heads": 64, "intermediate_size": 3072,
		"num_local_experts": 128, "num_experts_per_tok": 4, "routed_scaling_factor": 2, "rms_norm_eps": 1e-6,
	} {
		c.absent(name, v)
	}
	d := hfDefaults{maxContext: 524288, kvHeads: 4, headDim: 128, ropeTheta: 5e6}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	if r, given := c.whole("rotary_dim", 1, a.HeadDim); given && c.present("partial_rotary_factor") && r != a.RotaryDim {
		c.fail("%srotary_dim %d is not partial_rotary_factor of head_dim, %d", c.prefix, r, a.RotaryDim)
	} else if given && a.RotaryDim == a.HeadDim && !c.ropeHas("partial_rotary_factor") {
		a.RotaryDim = r
	}
	a.QKNorm = true
	c.only(map[string]any{"use_qk_norm": true, "qk_norm_type": "per_head", "use_gemma_norm": true, "use_routing_bias": true,
		"attention_output_gate": false, "swiglu_alpha": 1.702, "swiglu_limit": 7.0, "n_shared_experts": 1.0})
	if act := c.stringOr("hidden_act", "silu"); act != "silu" && act != "swigluoai" {
		c.fail("%shidden_act %s is not modelled for this type", c.prefix, quote(act))
	}
	c.routing("sigmoid")
	moe := arch.MoE{
		Experts: c.either("num_local_experts", "num_experts"), TopK: c.size("num_experts_per_tok"), Inner: c.either("intermediate_size", "moe_intermediate_size"),
		SharedInner: c.sizeOr("shared_intermediate_size", 3072), Gated: true, Act: arch.ClampedSwiGLU, RouterBias: true, Routing: c.sigmoidRule(true),
	}
	mlp := arch.MLP{Inner: c.sizeOr("dense_intermediate_size", 12288), Gated: true, Act: arch.ClampedSwiGLU}
	sparse, picks := c.sparseBlocks(n, a)
	experts := c.ones("moe_layer_freq", n)
	if types := c.perLayer("mlp_layer_types", n, "dense", "sparse"); types != nil {
		experts = make([]bool, n)
		for i, t := range types {
			experts[i] = t == "sparse"
		}
	}
	if dense := c.countOr("first_k_dense_replace", 0); experts != nil && c.present("first_k_dense_replace") {
		for i, e := range experts {
			if e != (i >= dense) {
				c.fail("%sfirst_k_dense_replace %d and moe_layer_freq differ in layer %d", c.prefix, dense, i)
				break
			}
		}
	}
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		m.Layers[i] = arch.Layer{Mixer: a, FFN: moe}
		if picks != nil && picks[i] {
			m.Layers[i].Mixer = sparse
		}
		if experts != nil && !experts[i] {
			m.Layers[i].FFN = mlp
		}
	}
	return m
}

// ropeHas reports whether rope_parameters give a field.
func (c *config) ropeHas(name string) bool {
	p, _ := c.fields["rope_parameters"].(map[string]any)
	return p[name] != nil
}

// only refuses fields that are not what the class does, whatever they say.
func (c *config) only(fields map[string]any) {
	for name, does := range fields {
		if v, given := c.get(name); given && v != does {
			c.fail("%s%s %s is not modelled for this type, which has %s", c.prefix, name, show(v), show(does))
		}
	}
}

// ones reads a list with 0 or 1 for each layer, nil if it is absent.
func (c *config) ones(name string, n int) []bool {
	l := c.list(name)
	if l == nil {
		return nil
	}
	if len(l) != n {
		c.fail("%s%s has %d entries for %d layers", c.prefix, name, len(l), n)
		return nil
	}
	out := make([]bool, n)
	for i, v := range l {
		if v != 0.0 && v != 1.0 {
			c.fail("%s%s[%d] is %s, not 0 or 1", c.prefix, name, i, show(v))
		}
		out[i] = v == 1.0
	}
	return out
}

// sparseBlocks reads how blocks are picked, and in which layers (nil: in none), from
// sparse_attention_config of the checkpoints or the fields that Transformers makes of it.
func (c *config) sparseBlocks(n int, a arch.Attention) (arch.BlockSparse, []bool) {
	b := arch.BlockSparse{Heads: a.Heads, KVHeads: a.KVHeads, HeadDim: a.HeadDim, QKNorm: true, RotaryDim: a.RotaryDim, RotaryBase: a.RotaryBase,
		Numerics: arch.BlockSparseNumerics{Rope: a.Numerics.Rope}}
	heads := c.sizeOr("index_n_heads", 4)
	b.IndexDim, b.Block = c.sizeOr("index_head_dim", 128), c.sizeOr("index_block_size", 128)
	b.TopBlocks, b.LocalBlocks = c.sizeOr("index_topk_blocks", 16), c.sizeOr("index_local_blocks", 1)
	var picks []bool
	if s, ok := c.sub("sparse_attention_config"); ok {
		heads, b.IndexDim, b.Block = s.sizeOr("sparse_num_index_heads", heads), s.sizeOr("sparse_index_dim", b.IndexDim), s.sizeOr("sparse_block_size", b.Block)
		b.TopBlocks, b.LocalBlocks = s.sizeOr("sparse_topk_blocks", b.TopBlocks), s.sizeOr("sparse_local_block", b.LocalBlocks)
		s.only(map[string]any{"use_sparse_attention": true, "sparse_score_type": "max", "sparse_init_block": 0.0})
		picks = s.ones("sparse_attention_freq", n)
		for i, off := range s.ones("sparse_disable_index_value", n) {
			if picks != nil && picks[i] && !off {
				c.fail("%ssparse_disable_index_value[%d] is 0: an indexer with values is not modelled", s.prefix, i)
				break
			}
		}
	}
	if types := c.perLayer("layer_types", n, "full_attention", "minimax_m3_sparse"); types != nil {
		picks = make([]bool, n)
		for i, t := range types {
			picks[i] = t == "minimax_m3_sparse"
		}
	}
	if picks != nil && heads != a.KVHeads {
		c.fail("%san indexer of %d heads beside num_key_value_heads %d is not modelled: each kv head has one", c.prefix, heads, a.KVHeads)
	}
	return b, picks
}
