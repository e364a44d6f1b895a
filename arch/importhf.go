package arch

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"ridgeline/precision"
)

// importers read one model_type each. A type that shares a reader with another says so
// here and nowhere else.
var importers = map[string]func(*config) *Model{
	"llama": importLlama, "mistral": importMistral, "phi3": importPhi3,
	"qwen2": importQwen2, "qwen3": importQwen3, "qwen3_moe": importQwen3MoE,
	"mixtral": importMixtral, "gpt_oss": importGPTOSS,
	"phi4flash": importPhi4Flash,
	"qwen3_5":   importQwen35, "qwen3_5_text": importQwen35, "qwen3_next": importQwen35,
	"mamba": importMamba, "mamba2": importMamba2, "nemotron_h": importNemotronH,
	"jamba": importJamba, "bamba": importBamba, "granitemoehybrid": importGranite, "falcon_h1": importFalconH1,
}

// ModelTypes lists the Hugging Face model types ImportHF reads.
func ModelTypes() []string {
	var t []string
	for n := range importers {
		t = append(t, n)
	}
	sort.Strings(t)
	return t
}

// ImportHF reads a Hugging Face config.json. Every field is accounted for: used, listed
// as without effect on cost (harmless), set aside with a note on the model, or an error
// that names it. Errors are one line.
func ImportHF(name string, data []byte) (*Model, error) {
	fields, err := parseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &config{file: name, fields: fields, used: map[string]bool{"model_type": true}}
	typ, _ := fields["model_type"].(string)
	if typ == "" {
		return nil, fmt.Errorf("%s: field model_type is missing: is this a model's config.json?", name)
	}
	read, ok := importers[typ]
	if !ok {
		return nil, fmt.Errorf("%s: model_type %q is not supported (know %s)", name, typ, strings.Join(ModelTypes(), ", "))
	}
	c.typ = typ
	c.nested()
	m := read(c)
	if c.err == nil {
		c.common(m)
	}
	if c.err == nil {
		c.leftover()
	}
	if c.err != nil {
		return nil, fmt.Errorf("%s: %w", name, c.err)
	}
	m.Name = name
	m.Notes = append(m.Notes, c.notes...)
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// nested takes the language model's fields out of a multimodal config.
func (c *config) nested() {
	text, ok := c.fields["text_config"].(map[string]any)
	if !ok {
		return
	}
	for k, v := range c.fields {
		if _, there := text[k]; there || k == "text_config" {
			continue
		}
		switch {
		case strings.HasSuffix(k, "_token_id") || slices.Contains(harmless, k):
		case k == "vision_config" || k == "audio_config":
			c.note("%s is set aside: only the language model is priced", k)
		default:
			text[k] = v
		}
	}
	c.fields = text
}

// common reads what every config has in the same words.
func (c *config) common(m *Model) {
	if m.MaxContext == 0 {
		m.MaxContext = c.intOr("max_position_embeddings", 0)
	}
	for _, k := range []string{"torch_dtype", "dtype"} {
		if s := c.str(k, ""); s != "" {
			d, err := precision.Parse(s)
			if err != nil {
				c.fail("field %s: %v", k, err)
			}
			m.WeightDType = d
		}
	}
	for _, k := range []string{"mamba_ssm_cache_dtype", "mamba_ssm_dtype"} {
		if s := c.str(k, ""); s != "" {
			d, err := precision.Parse(s)
			if err != nil {
				c.fail("field %s: %v", k, err)
			}
			m.StateDType = d
		}
	}
	for _, k := range []string{"mtp_num_hidden_layers", "num_nextn_predict_layers"} {
		if n := c.intOr(k, 0); n > 0 {
			c.note("%s %d: the multi-token-prediction head is set aside, as in plain decoding", k, n)
		}
	}
	c.quantization(m)
}

// quantization knows the one scheme among the supported types: gpt-oss' MXFP4 experts.
func (c *config) quantization(m *Model) {
	q, ok := c.fields["quantization_config"].(map[string]any)
	if !ok {
		return
	}
	c.used["quantization_config"] = true
	if method, _ := q["quant_method"].(string); method != "mxfp4" {
		c.fail("field quantization_config: quant_method %q is not modelled: remove the field and say --weights", method)
		return
	}
	m.ExpertDType = precision.MXFP4
	if m.WeightDType == precision.Unset {
		m.WeightDType = precision.BF16
	}
}

// leftover applies the rule for fields nobody used: nothing set is nothing; text is
// noted; a number, a true or a structure is refused, since it may change cost.
func (c *config) leftover() {
	var names []string
	for k := range c.fields {
		if !c.used[k] && !slices.Contains(harmless, k) {
			names = append(names, k)
		}
	}
	sort.Strings(names)
	for _, k := range names {
		switch v := c.fields[k].(type) {
		case nil:
		case bool:
			if v {
				c.fail("field %s is not modelled and may change cost: remove it if it does not", k)
			}
		case string:
			if v != "" {
				c.note("field %s (%q) is not modelled", k, v)
			}
		case []any:
			if len(v) > 0 {
				c.fail("field %s is not modelled and may change cost: remove it if it does not", k)
			}
		case map[string]any:
			if len(v) > 0 {
				c.fail("field %s is not modelled and may change cost: remove it if it does not", k)
			}
		default:
			if fmt.Sprint(v) != "0" && fmt.Sprint(v) != "0.0" {
				c.fail("field %s (%v) is not modelled and may change cost: remove it if it does not", k, v)
			}
		}
	}
}

// harmless fields change neither bytes nor FLOPs of inference: training, tokens, scales
// that fold into arithmetic already counted, and names of code.
var harmless = []string{
	"architectures", "auto_map", "transformers_version", "_name_or_path", "_attn_implementation", "model_type", "tokenizer_class",
	"use_cache", "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "unk_token_id", "decoder_start_token_id",
	"image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id",
	"initializer_range", "initializer_factor", "attention_dropout", "hidden_dropout", "hidden_dropout_prob", "embd_pdrop", "resid_pdrop", "attn_pdrop",
	"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon",
	"rope_theta", "rope_scaling", "rope_parameters", "rope_type", "original_max_position_embeddings", "rope_interleaved", "initial_context_length",
	"pretraining_tp", "output_router_logits", "router_aux_loss_coef", "router_jitter_noise", "router_z_loss_coef", "moe_router_enable_expert_bias",
	"return_dict", "output_attentions", "output_hidden_states", "id2label", "label2id", "problem_type", "task_specific_params", "is_decoder",
	"chunk_size", "mamba_chunk_size", "use_mamba_kernels", "use_mambapy", "use_associative_scan", "residual_in_fp32", "rescale_prenorm_residual", "num_logits_to_keep",
	"time_step_floor", "time_step_init_scheme", "time_step_limit", "time_step_max", "time_step_min", "time_step_scale", "fused_add_norm", "rms_norm",
	"mamba_dt_min", "mamba_dt_max", "mamba_dt_init_floor", "mamba_dt_limit", "mamba_conv_dtype",
	"norm_topk_prob", "routed_scaling_factor", "n_group", "topk_group", "swiglu_limit", "moe_latent_size", "scoring_func", "z_loss_coefficient",
	"embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling", "lm_head_multiplier", "key_multiplier",
	"attention_in_multiplier", "attention_out_multiplier", "ssm_in_multiplier", "ssm_out_multiplier", "ssm_multipliers", "mlp_multipliers",
	"mamba_norm_before_gate", "norm_before_gate", "mtp_use_dedicated_embeddings", "use_mem_eff_path", "embd_layer", "resid_layer",
	"init_method", "normalization_function", "num_hidden_layers_for_init", "sliding_window_context", "language_model_only",
}
