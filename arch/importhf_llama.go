package arch

import "strings"

// decoder reads width, vocabulary and the like. tied is the Hugging Face class' default.
func (c *config) decoder(tied bool) *Model {
	return &Model{Width: c.num("hidden_size"), Vocab: c.num("vocab_size"), Tied: c.flag("tie_word_embeddings", tied)}
}

// heads reads the attention's shape. Without head_dim it is hidden_size/heads, without
// num_key_value_heads every head has its own (Hugging Face's rule).
func (c *config) heads(m *Model) Attention {
	h := c.num("num_attention_heads")
	a := Attention{Heads: h, KVHeads: c.numOr("num_key_value_heads", h), RotaryBase: c.ropeTheta()}
	hd := c.intOr("head_dim", 0)
	if hd == 0 {
		hd = c.intOr("attention_head_dim", 0)
	}
	if hd == 0 {
		if m.Width%h != 0 {
			c.fail("field num_attention_heads: %d does not divide hidden_size %d, and there is no head_dim", h, m.Width)
		}
		hd = m.Width / h
	}
	a.HeadDim = hd
	part := c.float("partial_rotary_factor", c.nestedFloat("rope_parameters", "partial_rotary_factor", 1))
	a.RotaryDim = int(part*float64(hd)) &^ 1
	if part < 0 || part > 1 {
		c.fail("field partial_rotary_factor: %g is not from 0 to 1", part)
	}
	return a
}

func (c *config) ropeTheta() float64 {
	return c.float("rope_theta", c.nestedFloat("rope_parameters", "rope_theta", 10000))
}

func (c *config) nestedFloat(k, sub string, def float64) float64 {
	o, ok := c.fields[k].(map[string]any)
	if !ok {
		return def
	}
	in := &config{fields: o, used: map[string]bool{}}
	v := in.float(sub, def)
	if in.err != nil {
		c.fail("field %s: %v", k, in.err)
	}
	return v
}

// window applies a sliding window of w positions to a: one that is off or never shorter
// than the longest context is none, but is remembered.
func (c *config) window(a *Attention, w int, on bool) {
	longest := c.intOr("max_position_embeddings", 0)
	if w == 0 {
		return
	}
	if !on || (longest > 0 && w >= longest) {
		a.DeclaredWindow = w
		return
	}
	a.Window = w
}

// slidingWindow reads the field; null is none, 0 is refused: it would hide every key.
func (c *config) slidingWindow(def int) int {
	v, ok := c.fields["sliding_window"]
	c.used["sliding_window"] = true
	if !ok {
		return def
	}
	if v == nil {
		return 0
	}
	w := c.toInt("sliding_window", v)
	if w == 0 {
		c.fail("field sliding_window: a window of 0 sees nothing: use null for none")
	}
	return w
}

// activation reads the FFN's non-linearity.
func (c *config) activation(k, def string) Activation {
	switch s := strings.ToLower(c.str(k, def)); s {
	case "silu", "swish":
		return SiLU
	case "relu":
		return ReLU
	case "relu2":
		return ReLU2
	case "gelu", "gelu_pytorch_tanh", "gelu_new":
		return GELU
	default:
		c.fail("field %s: activation %q is not modelled (know silu, relu, relu2, gelu)", k, s)
	}
	return SiLU
}

func (c *config) swiglu() *MLP {
	return &MLP{Inner: c.num("intermediate_size"), Gated: true, Act: c.activation("hidden_act", "silu"), Bias: c.flag("mlp_bias", false)}
}

// uniform fills a model with n equal layers.
func uniform(m *Model, n int, a Attention, f FFN) *Model {
	for range n {
		layer := a
		m.Layers = append(m.Layers, Layer{&layer, f})
	}
	return m
}

func importLlama(c *config) *Model {
	m := c.decoder(false)
	a := c.heads(m)
	a.QKVBias = c.flag("attention_bias", false)
	a.OutBias = a.QKVBias
	return uniform(m, c.layers(), a, c.swiglu())
}

// importMistral: MistralConfig's window defaults to 4096 where the field is absent.
func importMistral(c *config) *Model {
	m := c.decoder(false)
	a := c.heads(m)
	c.window(&a, c.slidingWindow(4096), true)
	return uniform(m, c.layers(), a, c.swiglu())
}

func importPhi3(c *config) *Model {
	m := c.decoder(false)
	a := c.heads(m)
	a.QKVBias = c.flag("attention_bias", false)
	a.OutBias = a.QKVBias
	c.window(&a, c.slidingWindow(0), true)
	return uniform(m, c.layers(), a, c.swiglu())
}

// qwenWindows applies Qwen's rule: with use_sliding_window, layers from
// max_window_layers on are windowed (or those layer_types names).
func qwenWindows(c *config, m *Model) *Model {
	on := c.flag("use_sliding_window", false)
	w := c.slidingWindow(0)
	from := c.intOr("max_window_layers", len(m.Layers))
	types := c.texts("layer_types")
	if types != nil && len(types) != len(m.Layers) {
		c.fail("field layer_types has %d entries for %d layers", len(types), len(m.Layers))
		return m
	}
	for i := range m.Layers {
		windowed := on && i >= from
		if types != nil {
			switch types[i] {
			case "sliding_attention":
				windowed = true
			case "full_attention":
				windowed = false
			default:
				c.fail("field layer_types: %q of layer %d is not modelled", types[i], i)
			}
		}
		c.window(m.Layers[i].Mixer.(*Attention), w, windowed)
	}
	return m
}

// importQwen2: query, key and value have biases, the output has none.
func importQwen2(c *config) *Model {
	m := c.decoder(false)
	a := c.heads(m)
	a.QKVBias = true
	return qwenWindows(c, uniform(m, c.layers(), a, c.swiglu()))
}

func qwen3Attention(c *config, m *Model) Attention {
	a := c.heads(m)
	a.QKVBias = c.flag("attention_bias", false)
	a.OutBias = a.QKVBias
	a.QKNorm = true
	return a
}

func importQwen3(c *config) *Model {
	m := c.decoder(false)
	return qwenWindows(c, uniform(m, c.layers(), qwen3Attention(c, m), c.swiglu()))
}

func importQwen3MoE(c *config) *Model {
	m := c.decoder(false)
	uniform(m, c.layers(), qwen3Attention(c, m), c.swiglu())
	sparse(c, m, &MoE{Experts: c.num("num_experts"), TopK: c.num("num_experts_per_tok"), Inner: c.num("moe_intermediate_size"),
		Gated: true, Act: c.activation("hidden_act", "silu")})
	return qwenWindows(c, m)
}

// sparse puts experts into the layers that Qwen's configs make sparse.
func sparse(c *config, m *Model, e *MoE) {
	step := c.numOr("decoder_sparse_step", 1)
	dense := map[int]bool{}
	for _, i := range c.ints("mlp_only_layers") {
		dense[i] = true
	}
	for i := range m.Layers {
		if !dense[i] && (i+1)%step == 0 {
			m.Layers[i].FFN = e
		}
	}
}

func importMixtral(c *config) *Model {
	m := c.decoder(false)
	a := c.heads(m)
	c.window(&a, c.slidingWindow(0), true)
	return uniform(m, c.layers(), a, &MoE{Experts: c.num("num_local_experts"), TopK: c.num("num_experts_per_tok"),
		Inner: c.num("intermediate_size"), Gated: true, Act: c.activation("hidden_act", "silu")})
}

// importGPTOSS: biases everywhere, a sink logit per head, windowed and full layers in
// turn (layer_types; absent, even layers are windowed).
func importGPTOSS(c *config) *Model {
	m := c.decoder(false)
	a := c.heads(m)
	a.QKVBias = c.flag("attention_bias", true)
	a.OutBias, a.Sinks = a.QKVBias, true
	k := c.numOr("num_experts_per_tok", 4)
	if same := c.numOr("experts_per_token", k); same != k {
		c.fail("field experts_per_token: %d, but num_experts_per_tok is %d", same, k)
	}
	uniform(m, c.layers(), a, &MoE{Experts: c.num("num_local_experts"), TopK: k, Inner: c.num("intermediate_size"),
		Gated: true, Act: c.activation("hidden_act", "silu"), Bias: true, RouterBias: true})
	if _, ok := c.get("layer_types"); !ok {
		types := make([]any, len(m.Layers))
		for i := range types {
			types[i] = [...]string{"sliding_attention", "full_attention"}[i%2]
		}
		c.fields["layer_types"] = types
	}
	return qwenWindows(c, m)
}
