package hf

import (
	"maps"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/precision"
)

// hfDefaults are the defaults of a Hugging Face configuration class.
type hfDefaults struct {
	maxContext int
	kvHeads    int // 0: as many as query heads
	headDim    int // 0: hidden_size / num_attention_heads
	ropeTheta  float64
	tied       bool
}

// model reads what every config has and returns a model without layers, and how many
// layers it is to have.
func (c *config) model(d hfDefaults) (*arch.Model, int) {
	m := &arch.Model{
		Width:      c.size("hidden_size"),
		Vocab:      c.size("vocab_size"),
		Tied:       c.boolOr("tie_word_embeddings", d.tied),
		MaxContext: c.positionsOr("max_position_embeddings", d.maxContext),
	}
	m.Numerics.NormEps = c.normEps()
	c.architectures()
	c.formats(m)
	return m, c.layers()
}

// architectures notes a class whose head is no LM head (classifiers, rewards).
func (c *config) architectures() {
	l := c.list("architectures")
	for _, v := range l {
		if s, _ := v.(string); strings.Contains(s, "ForCausalLM") || strings.Contains(s, "ForConditionalGeneration") {
			return
		}
	}
	if len(l) > 0 {
		c.note("%sarchitectures is %s: counted with a language-model head", c.prefix, show(l[0]))
	}
}

// formats reads how the checkpoint is stored.
func (c *config) formats(m *arch.Model) {
	m.WeightDType = c.dtype("dtype")
	old := c.dtype("torch_dtype") // the name before transformers 4.56
	if m.WeightDType != precision.Unset && old != precision.Unset && old != m.WeightDType {
		c.fail("%storch_dtype %s and dtype %s differ", c.prefix, old, m.WeightDType)
	}
	if m.WeightDType == precision.Unset {
		m.WeightDType = old
	}
	m.StateDType = c.dtype("mamba_ssm_cache_dtype")
	if d := c.dtype("mamba_ssm_dtype"); d != precision.Unset {
		m.StateDType = d
	}
	c.quantization()
}

// attention reads a layer's heads. An absent or null num_key_value_heads follows the
// class: null is always as many as query heads.
func (c *config) attention(m *arch.Model, d hfDefaults) arch.Attention {
	a := arch.Attention{Heads: c.size("num_attention_heads")}
	kv := a.Heads
	if d.kvHeads > 0 && !c.present("num_key_value_heads") {
		kv = d.kvHeads
	}
	a.KVHeads = c.sizeOr("num_key_value_heads", kv)
	n, given := c.whole("head_dim", 1, arch.MaxDimension)
	switch {
	case given:
		a.HeadDim = n
	case d.headDim > 0 && !c.present("head_dim"):
		a.HeadDim = d.headDim
	case m.Width%a.Heads != 0:
		c.fail("%shidden_size %d is not a multiple of num_attention_heads %d", c.prefix, m.Width, a.Heads)
		a.HeadDim = 1
	default:
		a.HeadDim = m.Width / a.Heads
	}
	return a
}

// rotary reads the rotary embedding: rope_theta and partial_rotary_factor, on their
// own or (since transformers 5) in rope_parameters.
func (c *config) rotary(a *arch.Attention, theta, partial float64) {
	if c.nestedRope() {
		c.fail("%srope_parameters differ by the kind of layer, and this type has one kind", c.prefix)
	}
	c.rotaryByType(theta, partial)(a, false)
}

// nestedRope reports whether rope_parameters are given for each kind of layer.
func (c *config) nestedRope() bool {
	p, _ := c.fields["rope_parameters"].(map[string]any)
	_, full := p["full_attention"].(map[string]any)
	_, sliding := p["sliding_attention"].(map[string]any)
	return full || sliding
}

// rotaryByType reads rotary embeddings that may differ between full and windowed layers
// (rope_parameters by the kind of layer), and returns what sets those of a layer.
func (c *config) rotaryByType(theta, partial float64) func(a *arch.Attention, windowed bool) {
	return func(a *arch.Attention, windowed bool) {
		kind := "full_attention"
		if windowed {
			kind = "sliding_attention"
		}
		c.rotaryOf(a, kind, theta, partial)
	}
}

func (c *config) rotaryOf(a *arch.Attention, kind string, theta, partial float64) {
	base := c.floatOr("rope_theta", theta)
	part := c.floatOr("partial_rotary_factor", partial)
	if p, ok := c.object("rope_parameters"); ok {
		prefix := c.prefix + "rope_parameters."
		if nested, ok := p[kind].(map[string]any); ok {
			p, prefix = nested, prefix+kind+"."
		}
		for _, name := range slices.Sorted(maps.Keys(p)) {
			_, nested := p[name].(map[string]any)
			if nested && name != "full_attention" && name != "sliding_attention" {
				c.fail("field %s%s is not modelled", prefix, fieldName(name))
			}
		}
		r := &config{st: c.st, prefix: prefix, fields: p, used: map[string]bool{}}
		base, part = r.floatOr("rope_theta", base), r.floatOr("partial_rotary_factor", part)
	}
	if part < 0 || part > 1 {
		c.fail("%spartial_rotary_factor must be from 0 to 1, is %g", c.prefix, part)
		return
	}
	if base <= 0 {
		c.fail("%srope_theta must be positive, is %g", c.prefix, base)
	}
	a.Numerics.Rope = c.ropeScaling(kind)
	a.RotaryBase, a.RotaryDim = base, int(float64(a.HeadDim)*part)
}

// setWindow sets a window a layer has been given: one no shorter than the longest context
// has no effect and is only declared.
func setWindow(m *arch.Model, a *arch.Attention, window int) {
	if m.MaxContext > 0 && window >= m.MaxContext {
		a.Window, a.DeclaredWindow = 0, window
		return
	}
	a.Window, a.DeclaredWindow = window, 0
}

// swiglu reads a gated MLP.
func (c *config) swiglu(inner string) arch.MLP {
	return arch.MLP{Inner: c.size(inner), Gated: true, Act: c.activation("hidden_act", arch.SiLU)}
}

// decoder fills n layers that are alike but for what each changes in its attention.
func decoder(m *arch.Model, n int, a arch.Attention, ffn func(i int) arch.FFN, each func(i int, a *arch.Attention)) *arch.Model {
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		at := a
		if each != nil {
			each(i, &at)
		}
		m.Layers[i] = arch.Layer{Mixer: at, FFN: ffn(i)}
	}
	return m
}

func same(f arch.FFN) func(int) arch.FFN { return func(int) arch.FFN { return f } }

// importLlama: LlamaConfig. attention_bias is on q, k, v and o; mlp_bias on all three.
func importLlama(c *config) *arch.Model {
	d := hfDefaults{maxContext: 2048, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = c.boolOr("attention_bias", false)
	a.OutBias = a.QKVBias
	c.rotary(&a, d.ropeTheta, 1)
	f := c.swiglu("intermediate_size")
	f.Bias = c.boolOr("mlp_bias", false)
	return decoder(m, n, a, same(f), nil)
}

// importMistral: MistralConfig. The class has a window of 4096 unless the config says
// null; no biases.
func importMistral(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096 * 32, kvHeads: 8, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	window := 0
	if !c.present("sliding_window") {
		window = 4096
	}
	setWindow(m, &a, c.positionsOr("sliding_window", window))
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importPhi3: Phi3Config (Phi-3, Phi-4, Phi-4-mini). One window on all layers; no
// biases in the class, whatever the field (true is then an unknown field).
func importPhi3(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.rotary(&a, d.ropeTheta, 1)
	setWindow(m, &a, c.positionsOr("sliding_window", 0))
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), nil)
}

// importQwen2: Qwen2Config. q, k and v have biases, o has none.
func importQwen2(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 32, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	a.QKVBias = true
	c.rotary(&a, d.ropeTheta, 1)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), c.qwenWindows(m, n))
}

// importQwen3: Qwen3Config. Queries and keys are normed; attention_bias is on all four.
func importQwen3(c *config) *arch.Model {
	d := hfDefaults{maxContext: 32768, kvHeads: 32, headDim: 128, ropeTheta: 10000}
	m, n := c.model(d)
	a := c.attention(m, d)
	c.qwen3Bias(&a, d)
	return decoder(m, n, a, same(c.swiglu("intermediate_size")), c.qwenWindows(m, n))
}

// qwen3Bias reads what Qwen3's dense and MoE attention share beyond the heads.
func (c *config) qwen3Bias(a *arch.Attention, d hfDefaults) {
	a.QKNorm = true
	a.QKVBias = c.boolOr("attention_bias", false)
	a.OutBias = a.QKVBias
	c.rotary(a, d.ropeTheta, 1)
}

// qwenWindows reads Qwen's windows: with use_sliding_window, layers from
// max_window_layers (class default 28) on are windowed, or those layer_types names. A
// window that is switched off is only declared.
func (c *config) qwenWindows(m *arch.Model, n int) func(int, *arch.Attention) {
	on := c.boolOr("use_sliding_window", false)
	size, given := c.whole("sliding_window", 1, maxPositions)
	if on && !given && !c.present("sliding_window") {
		size, given = 4096, true // class default
	}
	first := c.countOr("max_window_layers", 28)
	types := c.perLayer("layer_types", n, "full_attention", "sliding_attention")
	if slices.Contains(types, "sliding_attention") && !(on && given) {
		c.fail("%slayer_types has sliding_attention, but no sliding_window is in use", c.prefix)
	}
	return func(i int, a *arch.Attention) {
		switch windowed := types == nil && i >= first || types != nil && types[i] == "sliding_attention"; {
		case !given:
		case !on:
			a.DeclaredWindow = size
		case windowed:
			setWindow(m, a, size)
		}
	}
}
