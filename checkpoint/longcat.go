package checkpoint

import (
	"fmt"
	"math"
)

// longcat keeps two of our layers in one of its own: two of each attention, dense network and
// norm, by number, and one mixture, which the first of the two has.
func longcat() scheme {
	s := deepSeek()
	half := func(module string, e entry) entry {
		return entry{join: e.join, named: func(p place) []string {
			var out []string
			for _, t := range e.tensors {
				out = append(out, fmt.Sprintf("/model.layers.%d.%s.%d.%s", p.layer/2, module, p.layer%2, t))
			}
			return out
		}}
	}
	whole := func(e entry) entry {
		return entry{join: e.join, named: func(p place) []string {
			var out []string
			for _, t := range e.tensors {
				out = append(out, fmt.Sprintf("/model.layers.%d.mlp.%s", p.layer/2, t))
			}
			return out
		}}
	}
	change := map[string]entry{"mixer_norm": half("input_layernorm", one("weight")), "ffn_norm": half("post_attention_layernorm", one("weight"))}
	for _, name := range []string{"q_down", "q_down_bias", "q_up", "kv_down", "kv_down_bias", "kv_up", "out", "out_bias"} {
		change["mla."+name] = half("self_attn", s.names["mla."+name])
	}
	change["mla.q_norm"] = half("self_attn", joined(latentScale, s.names["mla.q_norm"].tensors...))
	change["mla.kv_norm"] = half("self_attn", joined(latentScale, s.names["mla.kv_norm"].tensors...))
	for _, kind := range []string{"swiglu.", "shortcut_moe."} {
		for _, name := range []string{"up", "down"} {
			change[kind+name] = half("mlps", s.names["swiglu."+name])
		}
	}
	change["shortcut_moe.experts.router"] = whole(one("router.classifier.weight"))
	change["shortcut_moe.experts.router_bias"] = whole(one("router.e_score_correction_bias"))
	for name, e := range map[string]struct {
		stacked string
		modules []string
	}{"up": {"experts.gate_up_proj", []string{"gate_proj", "up_proj"}}, "down": {"experts.down_proj", []string{"down_proj"}}} {
		apart := entry{named: func(p place) []string {
			var out []string
			for i := range p.ffn.Routed() {
				for _, m := range e.modules {
					out = append(out, fmt.Sprintf("/model.layers.%d.mlp.experts.%d.%s.weight", p.layer/2, i, m))
				}
			}
			return out
		}}
		change["shortcut_moe.experts."+name] = whole(joined(computing, e.stacked)).orIn(apart)
	}
	return s.with(change)
}

// computing are the experts of a stack that compute: the class of Transformers stacks matrices
// for those that pass their input on too, and never reads them.
func computing(p place) joiner {
	experts := p.ffn.Routed()
	return func(parts []Tensor) []float32 {
		t := parts[0]
		return t.Data[:len(t.Data)/t.Shape[0]*experts]
	}
}

// latentScale multiplies the factor of queries and of latents, √(width/rank), into the weight of
// the norm before it, which has as many elements as the rank.
func latentScale(p place) joiner {
	return func(parts []Tensor) []float32 {
		return times(math.Sqrt(float64(p.m.Width) / float64(len(parts[0].Data))))(parts)
	}
}
