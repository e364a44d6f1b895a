package checkpoint

import "fmt"

// rwkv has time mix and channel mix in one layer, which are two in the model.
func rwkv() scheme {
	of := func(names ...string) entry {
		return entry{named: func(p place) []string {
			var out []string
			for _, n := range names {
				out = append(out, fmt.Sprintf("/rwkv.blocks.%d.", p.layer/2)+n)
			}
			return out
		}}
	}
	names := map[string]entry{
		"embed": one("/rwkv.embeddings.weight"), "lm_head": one("/head.weight"),
		"embed_norm": one("/rwkv.blocks.0.pre_ln.weight"), "embed_norm_bias": one("/rwkv.blocks.0.pre_ln.bias"),
		"final_norm": one("/rwkv.ln_out.weight"), "final_norm_bias": one("/rwkv.ln_out.bias"),
		"rwkv4.mix":   of("attention.time_mix_key", "attention.time_mix_value", "attention.time_mix_receptance"),
		"rwkv4.kvr":   of("attention.key.weight", "attention.value.weight", "attention.receptance.weight"),
		"rwkv4.decay": of("attention.time_decay"), "rwkv4.first": of("attention.time_first"), "rwkv4.out": of("attention.output.weight"),
		"rwkv5.mix":   of("attention.time_mix_key", "attention.time_mix_value", "attention.time_mix_receptance", "attention.time_mix_gate"),
		"rwkv5.kvrg":  of("attention.key.weight", "attention.value.weight", "attention.receptance.weight", "attention.gate.weight"),
		"rwkv5.decay": of("attention.time_decay"), "rwkv5.first": of("attention.time_faaaa"), "rwkv5.out": of("attention.output.weight"),
		"rwkv5.norm": of("attention.ln_x.weight"), "rwkv5.norm_bias": of("attention.ln_x.bias"),
		"rwkv_channel_mix.mix": of("feed_forward.time_mix_key", "feed_forward.time_mix_receptance"),
		"rwkv_channel_mix.key": of("feed_forward.key.weight"), "rwkv_channel_mix.receptance": of("feed_forward.receptance.weight"),
		"rwkv_channel_mix.value": of("feed_forward.value.weight"),
	}
	for i, ln := range []string{"ln1", "ln2"} {
		for _, end := range []string{"weight", "bias"} {
			names[fmt.Sprintf("norm%d.%s", i, end)] = of(ln + "." + end)
		}
	}
	return scheme{names: names, at: func(p place) string {
		switch {
		case p.layer >= 0 && p.name == "mixer_norm":
			return fmt.Sprintf("norm%d.weight", p.layer%2)
		case p.layer >= 0 && p.name == "mixer_norm_bias":
			return fmt.Sprintf("norm%d.bias", p.layer%2)
		}
		return ""
	}}
}
