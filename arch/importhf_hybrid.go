package arch

// autoRank is Mamba's dt_rank where a config leaves it to "auto": ⌈width/16⌉.
func (c *config) autoRank(k string, width int) int {
	if v, ok := c.get(k); !ok || v == "auto" {
		return (width + 15) / 16
	}
	return c.num(k)
}

// importPhi4Flash builds SambaY as released (paper §2): the first half alternates Mamba-1
// and windowed attention, then the Mamba layer whose scan is the memory, the full
// attention that owns the cache, and GMUs and cross-attention in turn. Every attention is
// differential, with biases and without positions.
func importPhi4Flash(c *config) *Model {
	m := c.decoder(true)
	m.Norm, m.HeadBias = LayerNorm, c.flag("lm_head_bias", false)
	n := c.layers()
	if n%4 != 0 {
		c.fail("field num_hidden_layers: %d is not a multiple of 4, as this layout needs", n)
	}
	if p := c.intOr("mb_per_layer", 2); p != 2 {
		c.fail("field mb_per_layer: %d is not modelled, only 2 (every other layer)", p)
	}
	a := c.heads(m)
	a.RotaryDim, a.RotaryBase = 0, 0
	a.Differential, a.QKVBias, a.OutBias = true, true, true
	di := c.numOr("mamba_expand", 2) * m.Width
	mamba := &Mamba1{DInner: di, DState: c.numOr("mamba_d_state", 16), DConv: c.numOr("mamba_d_conv", 4),
		DtRank: c.autoRank("mamba_dt_rank", m.Width), ConvBias: c.flag("mamba_conv_bias", true), ProjBias: c.flag("mamba_proj_bias", false)}
	f := c.swiglu()
	windows := c.windowList(n)
	if c.err != nil {
		return m
	}
	memory, owner := n/2, n/2+1
	for i := range n {
		var mx Mixer
		switch layer := a; {
		case i <= memory && i%2 == 0:
			mx = mamba
		case i < memory:
			c.window(&layer, windows[i], true)
			mx = &layer
		case i == owner:
			mx = &layer
		case i%2 == 0:
			mx = &GMU{Memory: To(memory), From: ScanMemory, DMem: di}
		default:
			layer.KVSource = To(owner)
			mx = &layer
		}
		m.Layers = append(m.Layers, Layer{mx, f})
	}
	return m
}

// windowList reads sliding_window as one number or one entry a layer.
func (c *config) windowList(n int) []int {
	out := make([]int, n)
	if l, ok := c.fields["sliding_window"].([]any); ok {
		c.used["sliding_window"] = true
		if len(l) != n {
			c.fail("field sliding_window has %d entries for %d layers", len(l), n)
			return out
		}
		for i, v := range l {
			if v != nil {
				out[i] = c.toInt("sliding_window", v)
			}
		}
		return out
	}
	w := c.slidingWindow(512) // Phi4FlashConfig's default
	for i := range out {
		out[i] = w
	}
	return out
}

// importQwen35 reads Qwen3-Next and Qwen3.5: Gated DeltaNet layers with gated full
// attention every full_attention_interval layers; experts where there are any.
func importQwen35(c *config) *Model {
	m := c.decoder(false)
	n := c.layers()
	a := qwen3Attention(c, m)
	a.OutputGate = c.flag("attn_output_gate", true)
	if p := c.fields["partial_rotary_factor"]; p == nil && c.nestedFloat("rope_parameters", "partial_rotary_factor", -1) < 0 {
		a.RotaryDim = a.HeadDim / 4 // the classes' default factor 0.25
	}
	g := &GatedDeltaNet{KHeads: c.num("linear_num_key_heads"), VHeads: c.num("linear_num_value_heads"),
		KDim: c.num("linear_key_head_dim"), VDim: c.num("linear_value_head_dim"), DConv: c.numOr("linear_conv_kernel_dim", 4)}
	every := c.numOr("full_attention_interval", 4)
	types := c.texts("layer_types")
	if types != nil && len(types) != n {
		c.fail("field layer_types has %d entries for %d layers", len(types), n)
		return m
	}
	experts := c.intOr("num_experts", 0)
	var f FFN
	if experts == 0 || c.fields["intermediate_size"] != nil {
		f = c.swiglu()
	}
	for i := range n {
		full := (i+1)%every == 0
		if types != nil {
			switch full = types[i] == "full_attention"; {
			case full, types[i] == "linear_attention":
			default:
				c.fail("field layer_types: %q of layer %d is not modelled", types[i], i)
			}
		}
		layer := a
		m.Layers = append(m.Layers, Layer{g, f})
		if full {
			m.Layers[i].Mixer = &layer
		}
	}
	if experts > 0 {
		sparse(c, m, &MoE{Experts: experts, TopK: c.num("num_experts_per_tok"), Inner: c.num("moe_intermediate_size"),
			SharedInner: c.intOr("shared_expert_intermediate_size", 0), SharedGate: true, Gated: true, Act: c.activation("hidden_act", "silu")})
	} else {
		c.ints("mlp_only_layers")
	}
	return m
}

// importMamba reads mamba: the scan alone, no feed-forward network.
func importMamba(c *config) *Model {
	m := c.decoder(true)
	di := c.numOr("intermediate_size", c.numOr("expand", 2)*m.Width)
	mx := &Mamba1{DInner: di, DState: c.numOr("state_size", 16), DConv: c.numOr("conv_kernel", 4), DtRank: c.autoRank("time_step_rank", m.Width),
		ConvBias: c.flag("use_conv_bias", true), ProjBias: c.flag("use_bias", false)}
	c.activation("hidden_act", "silu")
	// The original checkpoints repeat these under their own names.
	for _, k := range []string{"d_model", "d_inner", "n_layer", "ssm_cfg"} {
		c.used[k] = true
	}
	for range c.layers() {
		m.Layers = append(m.Layers, Layer{Mixer: mx})
	}
	return m
}

func importMamba2(c *config) *Model {
	m := c.decoder(false)
	mx := &Mamba2{Heads: c.numOr("num_heads", 128), HeadDim: c.numOr("head_dim", 64), DState: c.numOr("state_size", 128),
		Groups: c.numOr("n_groups", 8), DConv: c.numOr("conv_kernel", 4), ConvBias: c.flag("use_conv_bias", true), ProjBias: c.flag("use_bias", false)}
	if di := c.numOr("expand", 2) * m.Width; di != mx.DInner() {
		c.fail("field num_heads: %d heads of %d are not expand·hidden_size = %d", mx.Heads, mx.HeadDim, di)
	}
	c.activation("hidden_act", "silu")
	c.autoRank("time_step_rank", m.Width) // unused by the class
	for range c.layers() {
		m.Layers = append(m.Layers, Layer{Mixer: mx})
	}
	return m
}

// importNemotronH reads the pattern: M Mamba-2, * attention, - MLP, E experts, one a layer.
func importNemotronH(c *config) *Model {
	m := c.decoder(false)
	n := c.layers()
	pattern := c.str("hybrid_override_pattern", "")
	if len(pattern) != n {
		c.fail("field hybrid_override_pattern has %d letters for %d layers", len(pattern), n)
		return m
	}
	a := c.heads(m)
	a.RotaryDim, a.RotaryBase = 0, 0 // Nemotron-H attention has no positions
	a.QKVBias = c.flag("attention_bias", false)
	a.OutBias = a.QKVBias
	if w := c.slidingWindow(0); w > 0 {
		c.window(&a, w, true)
	}
	mamba := &Mamba2{Heads: c.num("mamba_num_heads"), HeadDim: c.num("mamba_head_dim"), DState: c.num("ssm_state_size"), Groups: c.numOr("n_groups", 8),
		DConv: c.numOr("conv_kernel", 4), ConvBias: c.flag("use_conv_bias", true)}
	mamba.ProjBias = c.flag("mamba_proj_bias", false)
	if c.flag("use_bias", false) {
		mamba.ProjBias = true
	}
	c.activation("mamba_hidden_act", "silu")
	act := c.activation("mlp_hidden_act", "relu2")
	mlp := &MLP{Inner: c.numOr("intermediate_size", 1), Act: act, Bias: c.flag("mlp_bias", false)}
	c.used["expand"], c.used["time_step_rank"], c.used["head_dim"], c.used["attention_head_dim"] = true, true, true, true
	var experts *MoE
	if e := c.intOr("n_routed_experts", 0); e > 0 {
		// The router's score correction is one number an expert.
		experts = &MoE{Experts: e, TopK: c.num("num_experts_per_tok"), Inner: c.num("moe_intermediate_size"), Act: act,
			SharedInner: c.intOr("n_shared_experts", 0) * c.intOr("moe_shared_expert_intermediate_size", 0), RouterBias: true}
	}
	for i, k := range pattern {
		layer := a
		switch {
		case k == 'M':
			m.Layers = append(m.Layers, Layer{Mixer: mamba})
		case k == '*':
			m.Layers = append(m.Layers, Layer{Mixer: &layer})
		case k == '-':
			m.Layers = append(m.Layers, Layer{FFN: mlp})
		case k == 'E' && experts != nil:
			m.Layers = append(m.Layers, Layer{FFN: experts})
		default:
			c.fail("field hybrid_override_pattern: %q of layer %d is not modelled (know M, *, -, E)", k, i)
			return m
		}
	}
	return m
}

// importJamba: attention and experts each every so many layers, Mamba-1 with inner norms
// elsewhere, no positions.
func importJamba(c *config) *Model {
	m := c.decoder(false)
	n := c.layers()
	a := c.heads(m)
	a.RotaryDim, a.RotaryBase = 0, 0
	c.window(&a, c.slidingWindow(0), true)
	mamba := &Mamba1{DInner: c.numOr("mamba_expand", 2) * m.Width, DState: c.numOr("mamba_d_state", 16), DConv: c.numOr("mamba_d_conv", 4),
		DtRank: c.autoRank("mamba_dt_rank", m.Width), ConvBias: c.flag("mamba_conv_bias", true), ProjBias: c.flag("mamba_proj_bias", false),
		InnerNorms: c.flag("mamba_inner_layernorms", true)}
	mlp := c.swiglu()
	moe := &MoE{Experts: c.numOr("num_experts", 16), TopK: c.numOr("num_experts_per_tok", 2), Inner: mlp.Inner, Gated: true, Act: mlp.Act}
	period, offset := c.numOr("attn_layer_period", 8), c.intOr("attn_layer_offset", 4)
	ePeriod, eOffset := c.numOr("expert_layer_period", 2), c.intOr("expert_layer_offset", 1)
	for i := range n {
		layer := a
		l := Layer{mamba, mlp}
		if i%period == offset {
			l.Mixer = &layer
		}
		if i%ePeriod == eOffset && moe.Experts > 1 {
			l.FFN = moe
		}
		m.Layers = append(m.Layers, l)
	}
	return m
}

// headMamba2 reads Mamba-2 in the words of Bamba, Granite and Falcon-H1.
func headMamba2(c *config, m *Model) *Mamba2 {
	mx := &Mamba2{Heads: c.num("mamba_n_heads"), DState: c.num("mamba_d_state"), Groups: c.numOr("mamba_n_groups", 1), DConv: c.numOr("mamba_d_conv", 4),
		ConvBias: c.flag("mamba_conv_bias", true), ProjBias: c.flag("mamba_proj_bias", false)}
	di := c.numOr("mamba_expand", 2) * m.Width
	if d := c.intOr("mamba_d_ssm", 0); d > 0 {
		di = d
	}
	if v, ok := c.get("mamba_d_head"); ok && v != "auto" {
		mx.HeadDim = c.num("mamba_d_head")
	} else {
		mx.HeadDim = di / mx.Heads
	}
	if mx.DInner() != di {
		c.fail("field mamba_n_heads: %d heads of %d are not the inner width %d", mx.Heads, mx.HeadDim, di)
	}
	return mx
}

func importBamba(c *config) *Model {
	m := c.decoder(false)
	n := c.layers()
	a := c.heads(m)
	a.QKVBias = c.flag("attention_bias", false)
	a.OutBias = a.QKVBias
	if _, ok := c.fields["partial_rotary_factor"]; !ok {
		a.RotaryDim = a.HeadDim / 2 // BambaConfig's default factor 0.5
	}
	if r := c.intOr("attn_rotary_emb", 0); r > 0 {
		a.RotaryDim = r
	}
	mamba, f := headMamba2(c, m), c.swiglu()
	at := map[int]bool{}
	for _, i := range c.ints("attn_layer_indices") {
		at[i] = true
	}
	for i := range n {
		layer := a
		m.Layers = append(m.Layers, Layer{mamba, f})
		if at[i] {
			m.Layers[i].Mixer = &layer
		}
	}
	return m
}

// importGranite reads Granite 4: Mamba-2 and attention by layer_types; experts beside a
// shared MLP, or the shared MLP alone.
func importGranite(c *config) *Model {
	m := c.decoder(false)
	n := c.layers()
	a := c.heads(m)
	a.QKVBias = c.flag("attention_bias", false)
	a.OutBias = a.QKVBias
	if c.str("position_embedding_type", "nope") != "rope" {
		a.RotaryDim, a.RotaryBase = 0, 0
	}
	mamba := headMamba2(c, m)
	act := c.activation("hidden_act", "silu")
	shared := c.num("shared_intermediate_size")
	var f FFN = &MLP{Inner: shared, Gated: true, Act: act}
	if e := c.intOr("num_local_experts", 0); e > 0 {
		f = &MoE{Experts: e, TopK: c.num("num_experts_per_tok"), Inner: c.num("intermediate_size"), SharedInner: shared, Gated: true, Act: act}
	} else {
		c.used["intermediate_size"], c.used["num_experts_per_tok"] = true, true
	}
	types := c.texts("layer_types")
	if len(types) != n {
		c.fail("field layer_types has %d entries for %d layers", len(types), n)
		return m
	}
	for i, t := range types {
		layer := a
		switch t {
		case "mamba":
			m.Layers = append(m.Layers, Layer{mamba, f})
		case "attention":
			m.Layers = append(m.Layers, Layer{&layer, f})
		default:
			c.fail("field layer_types: %q of layer %d is not modelled", t, i)
			return m
		}
	}
	return m
}

// importFalconH1: attention and Mamba-2 side by side in every layer.
func importFalconH1(c *config) *Model {
	m := c.decoder(false)
	n := c.layers()
	a := c.heads(m)
	a.QKVBias = c.flag("attention_bias", false)
	a.OutBias = a.QKVBias
	mamba := headMamba2(c, m)
	mamba.NoNorm = !c.flag("mamba_rms_norm", false)
	if c.flag("projectors_bias", false) {
		c.fail("field projectors_bias is not modelled")
	}
	if !c.flag("mamba_use_mlp", true) {
		c.fail("field mamba_use_mlp: false is not modelled")
	}
	c.used["mlp_expansion_factor"] = true
	f := c.swiglu()
	for range n {
		layer := a
		m.Layers = append(m.Layers, Layer{&Parallel{Mixers: []Mixer{&layer, mamba}}, f})
	}
	return m
}
