package hf

import (
	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/precision"
)

// wrapper is a model type whose configuration holds a decoder among other models: an
// encoder of pictures or sound, a speaker. The decoder is read, the rest named in a note.
type wrapper struct {
	inside []string // path of the decoder's object
	text   string   // model_type of the decoder where its object names none
	rest   string   // what is left out
}

const (
	vision = "vision_config: the vision encoder is left out: text only"
	omni   = "the encoders of pictures and sound and the speaker are left out: text only"
)

func wrappers() map[string]wrapper {
	text := []string{"text_config"}
	return map[string]wrapper{
		"qwen3_5":        {text, "qwen3_5_text", vision},
		"qwen3_5_moe":    {text, "qwen3_5_moe_text", vision},
		"qwen3_vl":       {text, "qwen3", vision},
		"qwen3_vl_moe":   {text, "qwen3_moe", vision},
		"qwen2_5_vl":     {text, "qwen2", vision},
		"qwen2_vl":       {text, "qwen2", vision},
		"qwen3_omni_moe": {[]string{"thinker_config", "text_config"}, "qwen3_moe", omni},
		"mistral3":       {text, "mistral", vision},
		"llava":          {text, "llama", vision},
		"gemma3":         {text, "gemma3_text", vision},
		"gemma3n":        {text, "gemma3n_text", "the encoders of pictures and sound are left out: text only"},
		"gemma4":         {text, "gemma4_text", "the encoders of pictures and sound are left out: text only"},
		"llama4":         {text, "llama4_text", vision},
		"kimi_k25":       {text, "kimi_k2", vision},
		"minimax_m3_vl":  {text, "minimax_m3", vision},
		"phi3_v":         {nil, "phi3", "img_processor: the vision encoder is left out: text only"},
	}
}

// textTypes are the names that decoders inside others have, and the types they are.
func textTypes() map[string]string {
	return map[string]string{
		"qwen3_vl_text": "qwen3", "qwen3_vl_moe_text": "qwen3_moe", "qwen3_omni_moe_text": "qwen3_moe",
		"minimax_m3_vl_text": "minimax_m3", "qwen2_5_vl_text": "qwen2", "qwen2_vl_text": "qwen2",
	}
}

// importWrapped reads the decoder inside. Older files keep its fields on the outside.
func (c *config) importWrapped(w wrapper) *arch.Model {
	inner := c
	for _, name := range w.inside {
		sub, ok := inner.sub(name)
		if !ok {
			if inner.present("hidden_size") { // the older, flat form
				break
			}
			inner.missing(name)
			return &arch.Model{}
		}
		inner = sub
	}
	typ := inner.stringOr("model_type", w.text)
	if inner == c {
		typ = w.text
	}
	if alias, ok := textTypes()[typ]; ok {
		typ = alias
	}
	build := importers()[typ]
	if build == nil {
		c.fail("%s%w", inner.prefix, unread(typ))
		return &arch.Model{}
	}
	outer := c.typ
	inner.typ = typ
	if outer == "llava" && typ == "llama" {
		inner.llamaDefaults()
	}
	m := build(inner)
	c.note("%s", w.rest)
	if inner == c {
		for _, name := range []string{"vision_config", "img_processor", "embd_layer", "vision_token_id", "image_token_id", "video_token_id",
			"vision_start_token_id", "vision_end_token_id"} {
			c.used[name] = true
		}
		return m
	}
	c.around(inner, m)
	return m
}

// around takes from the outer objects what they say of the whole model: whether the
// embedding is tied, and how the checkpoint is stored. Their other fields are of the
// models left out.
func (c *config) around(inner *config, m *arch.Model) {
	if _, outer := c.get("tie_word_embeddings"); outer {
		tied := c.boolOr("tie_word_embeddings", false)
		if _, given := inner.get("tie_word_embeddings"); given && tied != m.Tied {
			c.note("tie_word_embeddings is %v, but %v in %s: the first counts, as in the modelling code", tied, m.Tied, inner.prefix[:len(inner.prefix)-1])
		}
		m.Tied = tied
	}
	for _, name := range []string{"dtype", "torch_dtype"} {
		if d := c.dtype(name); m.WeightDType == precision.Unset {
			m.WeightDType = d
		}
	}
	c.quantization()
	for _, o := range c.st.configs {
		if o != inner {
			for name := range o.fields {
				o.used[name] = true
			}
		}
	}
}

// llamaDefaults are the sizes of LlamaConfig, which LLaVA's files leave out.
func (c *config) llamaDefaults() {
	c.absent("hidden_size", 4096)
	c.absent("intermediate_size", 11008)
	c.absent("num_hidden_layers", 32)
	c.absent("num_attention_heads", 32)
	c.absent("vocab_size", 32000)
}
