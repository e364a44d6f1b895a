package checkpoint

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/arch"
)

// zamba2 stores weights that layers share, and the adapters of all layers that use them, with the
// first of those layers; some files hold copies of them with every other layer too.
func zamba2() scheme {
	s := zambaFrame("mamba2.", "shared_transformer.")
	return s.with(map[string]entry{
		"shared_block.up":      one("shared_transformer.feed_forward.gate_up_proj.weight"),
		"shared_block.up_low":  {named: adapter("feed_forward.gate_up_proj_adapter_list.%d.0.weight")},
		"shared_block.up_high": {named: adapter("feed_forward.gate_up_proj_adapter_list.%d.1.weight")},
		"shared_block.qkv_low": {named: adapter("self_attn.linear_q_adapter_list.%d.0.weight", "self_attn.linear_k_adapter_list.%d.0.weight",
			"self_attn.linear_v_adapter_list.%d.0.weight")},
		"shared_block.qkv_high": {named: adapter("self_attn.linear_q_adapter_list.%d.1.weight", "self_attn.linear_k_adapter_list.%d.1.weight",
			"self_attn.linear_v_adapter_list.%d.1.weight")},
	})
}

// zamba stores gate and x of a Mamba layer alternately, channel by channel.
func zamba() scheme {
	s := zambaFrame("mamba1.", "shared_transf.")
	for _, under := range []string{"mamba.", "mamba_decoder.mamba."} {
		key := "mamba1."
		if under != "mamba." {
			key = "hybrid." + key
		}
		s = s.with(map[string]entry{
			key + "in": joined(plain(inTurn), under+"in_proj.weight"), key + "in_bias": joined(plain(inTurn), under+"in_proj.bias"),
			key + "x": one(under + "x_proj_weight"), key + "dt": one(under + "dt_proj_weight"), key + "dt_bias": one(under + "dt_proj_bias"),
		})
	}
	return s
}

// inTurn sorts the rows of two maps that alternate into those of the first and then those of the
// second.
func inTurn(parts []Tensor) []float32 {
	t := parts[0]
	cols, half := len(t.Data)/t.Shape[0], t.Shape[0]/2
	d := make([]float32, 0, len(t.Data))
	for which := range 2 {
		for r := range half {
			at := (2*r + which) * cols
			d = append(d, t.Data[at:at+cols]...)
		}
	}
	return d
}

// zambaFrame has the names that zamba and zamba2 share: a shared block with a name of its own,
// and Mamba in a module that is one level deeper in hybrid layers.
func zambaFrame(mamba, shared string) scheme {
	base := llama()
	change := map[string]entry{
		"final_norm":            one("/model.final_layernorm.weight"),
		"hybrid.mixer_norm":     one("mamba_decoder.input_layernorm.weight"),
		"shared_block.norm":     one(shared + "input_layernorm.weight"),
		"shared_block.qkv":      one(shared+"self_attn.q_proj.weight", shared+"self_attn.k_proj.weight", shared+"self_attn.v_proj.weight"),
		"shared_block.attn_out": one(shared + "self_attn.o_proj.weight"),
		"shared_block.ffn_norm": one(shared + "pre_ff_layernorm.weight"),
		"shared_block.up":       one(shared+"feed_forward.gate_proj.weight", shared+"feed_forward.up_proj.weight"),
		"shared_block.down":     one(shared + "feed_forward.down_proj.weight"),
		"shared_block.out":      one("linear.weight"),
	}
	for key, e := range base.names {
		if strings.HasPrefix(key, mamba) {
			change[key], change["hybrid."+key] = one("mamba."+e.tensors[0]), one("mamba_decoder.mamba."+e.tensors[0])
		}
	}
	s := base.with(change).inside(map[string]string{"mamba1": "", "mamba2": "", "shared_block": ""})
	s.at = func(p place) string {
		if p.layer < 0 || p.m.Layers[p.layer].Block != arch.SideInput || p.kind == "shared_block" {
			return ""
		}
		return "hybrid." + p.key()
	}
	s.copyOf = func(m *arch.Model, tensor string) string {
		var layer int
		rest, ok := strings.CutPrefix(tensor, "model.layers.")
		number, rest, cut := strings.Cut(rest, ".")
		if _, err := fmt.Sscanf(number, "%d", &layer); !ok || !cut || err != nil || !strings.HasPrefix(rest, shared) ||
			layer < 0 || layer >= len(m.Layers) || m.Layers[layer].Mixer == nil {
			return ""
		}
		if owner, ok := m.Layers[layer].Mixer.Reads().Weights.Layer(); ok {
			return fmt.Sprintf("model.layers.%d.%s", owner, rest)
		}
		return ""
	}
	return s
}

// adapter names the tensors of the adapter with which a layer uses a shared block. They are
// stored with the layer that stores the block, under the number of the use among all layers that
// use a block.
func adapter(names ...string) func(place) []string {
	return func(p place) []string {
		use := 0
		for i := range p.layer {
			if p.m.Layers[i].Block == arch.SideInput {
				use++
			}
		}
		owner := p.layer
		if l, ok := p.mixer.Reads().Weights.Layer(); ok {
			owner = l
		}
		var out []string
		for _, n := range names {
			out = append(out, fmt.Sprintf("/model.layers.%d.shared_transformer.", owner)+fmt.Sprintf(n, use))
		}
		return out
	}
}
