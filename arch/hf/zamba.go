package hf

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// importZamba2: Zamba2Config. Mamba-2 layers; in hybrid ones a Transformer block that reads the
// embedding too feeds what the Mamba reads. There are num_mem_blocks of these, used in turn:
// their weights are stored once and read in every hybrid layer, with an adapter on the MLP of
// each use, and on its attention with use_shared_attention_adapter.
func importZamba2(c *config) *arch.Model {
	c.absent("num_hidden_layers", 54)
	m, n := c.model(hfDefaults{tied: true, maxContext: 4096})
	if c.boolOr("use_long_context", false) {
		m.MaxContext = 16384
	}
	inner := m.Width * c.sizeOr("mamba_expand", 2)
	x := arch.Mamba2{Heads: c.sizeOr("n_mamba_heads", 8), DState: c.sizeOr("mamba_d_state", 64), Groups: c.sizeOr("mamba_ngroups", 1),
		DConv: c.sizeOr("mamba_d_conv", 4), ConvBias: true, ProjBias: c.boolOr("add_bias_linear", false)}
	c.boolOr("use_conv_bias", true) // the class has one whatever this says
	if x.ProjBias {
		c.fail("%sadd_bias_linear is not modelled", c.prefix)
	}
	if inner%x.Heads != 0 {
		c.fail("%sn_mamba_heads %d does not divide the inner width %d", c.prefix, x.Heads, inner)
	}
	x.HeadDim = max(inner/x.Heads, 1)
	if d := c.sizeOr("mamba_headdim", x.HeadDim); d != x.HeadDim {
		c.note("%smamba_headdim %d is passed over, as Transformers does: %d heads of %d by n_mamba_heads (the model's own code makes %d of %d)",
			c.prefix, d, x.Heads, x.HeadDim, inner/d, d)
	}
	x.Numerics = arch.Mamba2Numerics{NormGroups: x.Groups, NormEps: 1e-5}
	s := c.zambaBlock(m)
	s.Adapter = c.sizeOr("adapter_rank", 128)
	// Files of the model's own code have these under other names.
	if r := c.sizeOr("lora_rank", s.Adapter); r != s.Adapter {
		c.fail("%slora_rank %d and adapter_rank %d differ", c.prefix, r, s.Adapter)
	}
	if d := c.sizeOr("state_size", x.DState); d != x.DState {
		c.fail("%sstate_size %d and mamba_d_state %d differ", c.prefix, d, x.DState)
	}
	if !c.boolOr("use_shared_block_lora", true) {
		c.fail("%suse_shared_block_lora false is not modelled: the class has adapters", c.prefix)
	}
	c.boolOr("use_shared_mlp_adapter", true) // the class has them whatever this says
	if c.boolOr("use_shared_attention_adapter", c.boolOr("use_shared_attention_lora", false)) {
		s.AttentionAdapter = s.Adapter
	}
	if c.boolOr("use_mem_rope", false) {
		a := s.Attention()
		c.rotary(&a, 10000, 1)
		s.RotaryDim, s.RotaryBase, s.Numerics.Rope = a.RotaryDim, a.RotaryBase, a.Numerics.Rope
		if c.boolOr("use_long_context", false) {
			s.RotaryBase *= math.Pow(8, float64(s.HeadDim)/float64(max(s.HeadDim-2, 1)))
		}
	} else {
		c.rotary(&arch.Attention{HeadDim: 1}, 10000, 1) // checked, and nothing is rotated
	}
	if !c.present("layers_block_type") && n != 54 {
		c.missing("layers_block_type")
	}
	byDefault := func(i int) bool { return i > 0 && i <= 42 && i%6 == 0 || i == 47 || i == 51 }
	return c.zambaLayers(m, n, s, x, c.sizeOr("num_mem_blocks", 1), byDefault)
}

// importZamba: ZambaConfig. As Zamba 2 with Mamba-1, whose channels are in n_mamba_heads parts,
// one block without adapters, and no rotation.
func importZamba(c *config) *arch.Model {
	m, n := c.model(hfDefaults{tied: true, maxContext: 4096})
	inner := m.Width * c.sizeOr("mamba_expand", 2)
	x := arch.Mamba1{DInner: inner, DState: c.sizeOr("mamba_d_state", 16), DConv: c.sizeOr("mamba_d_conv", 4),
		DtRank: c.autoOr("mamba_dt_rank", arch.DtRank(m.Width)), ConvBias: c.boolOr("mamba_conv_bias", true), ProjBias: c.boolOr("mamba_proj_bias", false),
		Heads: c.sizeOr("n_mamba_heads", 2)}
	if act := c.stringOr("hidden_mamba_act", "silu"); act != "silu" {
		c.fail("%shidden_mamba_act %s is not modelled", c.prefix, quote(act))
	}
	period, offset := c.sizeOr("attn_layer_period", 6), c.countOr("attn_layer_offset", 4)
	return c.zambaLayers(m, n, c.zambaBlock(m), x, 1, func(i int) bool {
		return i == 2 || i > 2 && (i-3)%period == offset
	})
}

// zambaBlock reads the block that layers share: attention on the stream and the embedding side
// by side, so twice as wide as the model.
func (c *config) zambaBlock(m *arch.Model) arch.SharedBlock {
	s := arch.SharedBlock{Heads: c.sizeOr("num_attention_heads", 32), Inner: c.sizeOr("intermediate_size", 4*m.Width), Act: c.activation("hidden_act", arch.GELU)}
	s.KVHeads = c.sizeOr("num_key_value_heads", s.Heads)
	if 2*m.Width%s.Heads != 0 {
		c.fail("%snum_attention_heads %d does not divide twice the hidden_size %d", c.prefix, s.Heads, m.Width)
	}
	s.HeadDim = max(2*m.Width/s.Heads, 1)
	for _, f := range []struct {
		name string
		is   int
	}{{"attention_hidden_size", 2 * m.Width}, {"attention_head_dim", s.HeadDim}, {"num_query_groups", s.Heads},
		{"ffn_hidden_size", s.Inner}} {
		if v := c.sizeOr(f.name, f.is); v != f.is {
			c.fail("%s%s %d is not the %d that follows from hidden_size, num_attention_heads and intermediate_size", c.prefix, f.name, v, f.is)
		}
	}
	if !c.boolOr("gated_linear_unit", true) {
		c.fail("%sgated_linear_unit false is not modelled: the class has a gated MLP", c.prefix)
	}
	c.sizeOr("kv_channels", 1) // says nothing beside attention_head_dim
	return s
}

// zambaLayers fills the layers: blocks of the shared kind are used in turn, in the layers that
// layers_block_type calls hybrid.
func (c *config) zambaLayers(m *arch.Model, n int, s arch.SharedBlock, mamba arch.Mixer, blocks int, byRule func(int) bool) *arch.Model {
	types := c.perLayer("layers_block_type", n, "mamba", "linear_attention", "hybrid")
	ids := c.indices("hybrid_layer_ids", n)
	m.Layers = make([]arch.Layer, n)
	var owners []int
	uses := 0
	for i := range m.Layers {
		m.Layers[i].Mixer = mamba
		hybrid := types == nil && byRule(i) || types != nil && types[i] == "hybrid"
		if c.present("hybrid_layer_ids") && ids[i] != hybrid {
			c.fail("%shybrid_layer_ids and layers_block_type differ in layer %d", c.prefix, i)
			return m
		}
		if !hybrid {
			continue
		}
		use := arch.Mixer(s)
		if uses < blocks {
			owners = append(owners, i)
		} else {
			use, _ = arch.UsingWeights(s, arch.To(owners[uses%blocks]))
		}
		uses++
		m.Layers[i] = arch.Layer{Mixer: arch.Parallel{Mixers: []arch.Mixer{use, mamba}}, Block: arch.SideInput}
	}
	return m
}
