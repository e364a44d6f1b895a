package hf

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// TypeOf is the model_type of a config.json, "" where it has none.
func TypeOf(data []byte) string {
	fields, err := parseConfig(data)
	if err != nil {
		return ""
	}
	s, _ := fields["model_type"].(string)
	return s
}

// loose reads a number that changes what a model computes and nothing of what it costs:
// one that is not a number is passed over.
func (c *config) loose(names ...string) float64 {
	for _, name := range names {
		if v, ok := c.fields[name].(float64); ok {
			return v
		}
	}
	return 0
}

// normEps reads the ε of the norms under any of its names.
func (c *config) normEps() float64 {
	return c.loose("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps")
}

// ropeScaling reads how the rotary frequencies are stretched: rope_parameters (since
// transformers 5) or rope_scaling. Ways that are not known are executed as none.
func (c *config) ropeScaling(kind string) arch.RopeScaling {
	for _, name := range []string{"rope_parameters", "rope_scaling"} {
		p, ok := c.fields[name].(map[string]any)
		if !ok {
			continue
		}
		if nested, ok := p[kind].(map[string]any); ok {
			p = nested
		}
		r := &config{st: c.st, fields: p, used: map[string]bool{}}
		way, _ := p["rope_type"].(string)
		if way == "" {
			way, _ = p["type"].(string)
		}
		s := arch.RopeScaling{Factor: r.loose("factor"), Original: r.loose("original_max_position_embeddings")}
		if s.Original == 0 {
			s.Original = c.loose("original_max_position_embeddings", "max_position_embeddings")
		}
		switch way {
		case "linear":
			s.Kind = arch.RopeLinear
		case "yarn":
			s.Kind = arch.RopeYarn
			s.Fast, s.Slow, s.Magnitude = r.looseOr("beta_fast", 32), r.looseOr("beta_slow", 1), r.loose("attention_factor")
			if one, all := r.loose("mscale"), r.loose("mscale_all_dim"); s.Magnitude == 0 && one != 0 && all != 0 && s.Factor > 1 {
				s.Magnitude = (0.1*one*math.Log(s.Factor) + 1) / (0.1*all*math.Log(s.Factor) + 1)
			}
			s.Truncate = true
			if v, ok := p["truncate"].(bool); ok {
				s.Truncate = v
			}
		case "llama3":
			s.Kind = arch.RopeLlama3
			s.Fast, s.Slow = r.looseOr("high_freq_factor", 4), r.looseOr("low_freq_factor", 1)
		}
		if s.Kind == arch.RopePlain || s.Factor == 0 {
			return arch.RopeScaling{}
		}
		return s
	}
	return arch.RopeScaling{}
}

func (c *config) looseOr(name string, def float64) float64 {
	if v := c.loose(name); v != 0 {
		return v
	}
	return def
}

// shareRule reads how a router makes shares: whether those of the top k are renormalised
// (norm_topk_prob, with the class default given) and their factor (routed_scaling_factor).
func (c *config) shareRule(renormalised bool) arch.Routing {
	if v, ok := c.fields["norm_topk_prob"].(bool); ok {
		renormalised = v
	}
	r := arch.Routing{Raw: !renormalised}
	if f := c.loose("routed_scaling_factor"); f != 1 {
		r.Scale = f
	}
	return r
}

// sigmoidRule is the rule of DeepSeek-V3: sigmoids, a correction that moves the choice
// alone, and groups of experts.
func (c *config) sigmoidRule(renormalised bool) arch.Routing {
	r := c.shareRule(renormalised)
	r.Sigmoid, r.Correction = true, true
	if g := int(c.loose("n_group")); g > 1 {
		r.Groups, r.TopGroups = g, int(c.loose("topk_group"))
	}
	return r
}
