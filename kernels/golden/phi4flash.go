package golden

import (
	"context"
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/kernels"
)

// phi4flash runs a whole Phi-4-mini-flash decoder (paper §2; layer map of the released
// model): even layers up to the middle Mamba-1, odd ones before it windowed attention,
// the one after the middle full attention, then GMUs and cross-attention in turn.
func phi4flash(ctx context.Context, t *tensors) error {
	m := phi4flashModel(t)
	if t.err != nil {
		return nil
	}
	weights := map[string][]float32{}
	for _, x := range kernels.Tensors(m) {
		weights[x.Name] = phi4flashWeight(t, m, x)
	}
	tokens, err := t.tokens("input_ids")
	if err != nil || t.err != nil {
		return err
	}
	model, err := kernels.New(m, kernels.Options{Weights: weights, NormEps: t.number("layer_norm_eps", 1e-5)})
	if err != nil {
		return err
	}
	s, err := model.Start(len(tokens), len(tokens[0]))
	if err != nil {
		return err
	}
	tr, err := s.Forward(ctx, tokens)
	if err != nil {
		return err
	}
	for i, h := range tr.Hidden {
		t.compare(fmt.Sprintf("hidden.%d", i), h)
	}
	logits := make([]float32, 0, len(tr.Logits)*m.Vocab)
	for _, row := range tr.Logits {
		logits = append(logits, row...)
	}
	t.compare("logits", logits)
	return nil
}

func phi4flashModel(t *tensors) *arch.Model {
	dim := func(key string) int {
		if _, ok := t.f.Metadata[key]; !ok {
			t.fail("metadata %s is missing", key)
			return 1
		}
		v := t.number(key, 0)
		if v < 1 || v > 1<<20 || v != math.Trunc(v) {
			t.fail("metadata %s = %g is not a size", key, v)
			return 1
		}
		return int(v)
	}
	w, layers, heads := dim("hidden_size"), dim("num_hidden_layers"), dim("num_attention_heads")
	inner := int(t.number("mamba_expand", 2) * float64(w))
	rank := (w + 15) / 16
	if v, ok := t.f.Metadata["mamba_dt_rank"]; ok && v != "auto" {
		rank = dim("mamba_dt_rank")
	}
	_, head := t.f.Tensors["weights.lm_head.weight"]
	_, headBias := t.f.Tensors["weights.lm_head.bias"]
	m := &arch.Model{
		Name: "phi4flash", Width: w, Vocab: dim("vocab_size"), Norm: arch.LayerNorm, Tied: !head, HeadBias: headBias,
	}
	if t.err == nil && (layers > arch.MaxLayers || layers < 4 || layers%2 != 0 || w%heads != 0 || t.number("mb_per_layer", 2) != 2) {
		t.fail("a Phi-4-mini-flash has an even number of layers from 4 on, mb_per_layer 2 and heads that divide its width")
	}
	if t.err != nil {
		return m
	}
	half := layers / 2
	bias := func(i int, name string) bool {
		_, ok := t.f.Tensors[fmt.Sprintf("weights.layers.%d.%s.bias", i, name)]
		return ok
	}
	for i := range layers {
		var mx arch.Mixer
		attn := arch.Attention{
			Heads: heads, KVHeads: dim("num_key_value_heads"), HeadDim: w / heads, Differential: true,
			QKVBias: bias(i, "attn.Wqkv"), OutBias: bias(i, "attn.out_proj"),
		}
		switch {
		case i%2 == 0 && i <= half:
			mx = arch.Mamba1{
				DInner: inner, DState: int(t.number("mamba_d_state", 16)), DConv: int(t.number("mamba_d_conv", 4)), DtRank: rank,
				ConvBias: bias(i, "attn.conv1d"), ProjBias: bias(i, "attn.in_proj"),
			}
		case i%2 == 0:
			mx = arch.GMU{Memory: arch.To(half &^ 1), From: arch.ScanMemory, DMem: inner}
		case i > half+1:
			attn.KVSource = arch.To(half + 1)
			mx = attn
		default:
			if i < half {
				attn.Window = int(t.number("sliding_window", 0))
			}
			mx = attn
		}
		m.Layers = append(m.Layers, arch.Layer{
			Mixer: mx,
			FFN:   arch.MLP{Inner: dim("intermediate_size"), Gated: true, Act: arch.SiLU, Bias: bias(i, "mlp.fc1")},
		})
	}
	return m
}

// phi4flashWeight is the tensor of the checkpoint that is x of the model.
func phi4flashWeight(t *tensors, m *arch.Model, x kernels.Tensor) []float32 {
	var i int
	var name string
	switch x.Name {
	case "embed":
		return t.floats("weights.embed_tokens.weight", x.Shape...)
	case "lm_head":
		return t.floats("weights.lm_head.weight", x.Shape...)
	case "lm_head_bias":
		return t.floats("weights.lm_head.bias", x.Shape...)
	case "final_norm":
		return t.floats("weights.final_layernorm.weight", x.Shape...)
	case "final_norm_bias":
		return t.floats("weights.final_layernorm.bias", x.Shape...)
	}
	if _, err := fmt.Sscanf(x.Name, "layers.%d.%s", &i, &name); err != nil {
		t.fail("no tensor of the checkpoint is %s", x.Name)
		return nil
	}
	p := fmt.Sprintf("weights.layers.%d.", i)
	switch name {
	case "mixer.lambda":
		var all []float32
		for _, v := range []string{"q1", "k1", "q2", "k2"} {
			all = append(all, t.floats(p+"attn.inner_cross_attn.lambda_"+v, x.Shape[1])...)
		}
		return all
	case "mixer.conv":
		return t.floats(p+"attn.conv1d.weight", x.Shape[0], 1, x.Shape[1])
	}
	hf, ok := phi4flashNames(name)
	if !ok {
		t.fail("no tensor of the checkpoint is %s", x.Name)
		return nil
	}
	return t.floats(p+hf, x.Shape...)
}

func phi4flashNames(name string) (string, bool) {
	switch name {
	case "mixer_norm":
		return "input_layernorm.weight", true
	case "mixer_norm_bias":
		return "input_layernorm.bias", true
	case "ffn_norm":
		return "post_attention_layernorm.weight", true
	case "ffn_norm_bias":
		return "post_attention_layernorm.bias", true
	case "mixer.in":
		return "attn.in_proj.weight", true
	case "mixer.in_bias":
		return "attn.in_proj.bias", true
	case "mixer.conv_bias":
		return "attn.conv1d.bias", true
	case "mixer.x":
		return "attn.x_proj.weight", true
	case "mixer.dt":
		return "attn.dt_proj.weight", true
	case "mixer.dt_bias":
		return "attn.dt_proj.bias", true
	case "mixer.a_log":
		return "attn.A_log", true
	case "mixer.d":
		return "attn.D", true
	case "mixer.qkv":
		return "attn.Wqkv.weight", true
	case "mixer.qkv_bias":
		return "attn.Wqkv.bias", true
	case "mixer.diff_norm":
		return "attn.inner_cross_attn.subln.weight", true
	case "mixer.out":
		return "attn.out_proj.weight", true
	case "mixer.out_bias":
		return "attn.out_proj.bias", true
	case "ffn.up":
		return "mlp.fc1.weight", true
	case "ffn.up_bias":
		return "mlp.fc1.bias", true
	case "ffn.down":
		return "mlp.fc2.weight", true
	case "ffn.down_bias":
		return "mlp.fc2.bias", true
	}
	return "", false
}
