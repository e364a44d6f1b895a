package hf

import "strings"

// harmlessFields are fields of config.json that change no cost: training, sampling,
// token numbers, epsilons, initialisation, software versions. They are listed here
// and nowhere else; "common" stands in any config, the others for one model type.
//
// rope_scaling is here because a rotation costs the same whatever its frequencies, and
// rope_theta for the types whose class builds no positional encoding.
func harmlessFields(modelType string) map[string]bool {
	lists := map[string]string{
		"common": `
			_name_or_path architectures auto_map model_type transformers_version name_or_path
			_attn_implementation _attn_implementation_autoset attn_implementation
			_flash_attn_2_enabled unsloth_fixed unsloth_version model_max_length
			bos_token_id eos_token_id pad_token_id sep_token_id decoder_start_token_id
			unk_token_id tokenizer_class prefix add_bos_token
			use_cache initializer_range initializer_factor attention_dropout hidden_dropout
			hidden_dropout_prob embd_pdrop resid_pdrop dropout embedding_dropout ffn_dropout
			attention_probs_dropout_prob classifier_dropout pretraining_tp
			rms_norm_eps layer_norm_eps layer_norm_epsilon norm_eps norm_epsilon
			rope_scaling rope_type original_max_position_embeddings
			gradient_checkpointing output_attentions output_hidden_states return_dict
			use_return_dict torchscript use_bfloat16 chunk_size_feed_forward
			num_logits_to_keep calc_logits_for_entire_prompt keys_to_ignore_at_inference
			id2label label2id num_labels problem_type finetuning_task task_specific_params
			is_decoder remove_invalid_values output_scores return_dict_in_generate
			max_length min_length do_sample early_stopping num_beams num_beam_groups
			diversity_penalty temperature top_k top_p typical_p repetition_penalty
			length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids
			num_return_sequences exponential_decay_length_penalty suppress_tokens
			begin_suppress_tokens forced_bos_token_id forced_eos_token_id tf_legacy_loss
			pruned_heads tie_encoder_decoder
			output_router_logits router_aux_loss_coef router_jitter_noise router_z_loss_coef
			norm_topk_prob routed_scaling_factor scoring_func
			_from_model_config is_llama_config transformers.js_config use_bidirectional_attention
			cache_implementation summary_type summary_use_proj summary_activation
			summary_proj_to_labels summary_first_dropout attn_pdrop scale_attn_weights
			scale_attn_by_inverse_layer_idx reorder_and_upcast_attn attention_softmax_in_fp32
			scale_attention_softmax_in_fp32 use_associative_scan use_mamba_kernels
			residual_dropout layerdrop use_mrope max_sequence_length
			aux_loss_alpha aux_loss_coef seq_aux ep_size topk_method`,
		"phi3":       `interpolate_factor full_attn_mod`,
		"phi4flash":  `full_attn_mod interpolate_factor rope_theta partial_rotary_factor`,
		"llama":      `rope_interleaved`,
		"minimax":    `block_size`,
		"minimax_m1": `block_size`,
		"lfm2": `block_dim block_norm_eps num_heads block_mlp_init_scale block_out_init_scale
			block_use_xavier_init conv_use_xavier_init use_pos_enc`,
		"qwen2":            `attention_bias`, // the class has biases whatever it says
		"qwen3_moe":        `use_qk_norm`,
		"qwen3_5_text":     `mtp_use_dedicated_embeddings`,
		"qwen3_5_moe_text": `mtp_use_dedicated_embeddings router_aux_loss_coef`,
		"olmoe":            `clip_qkv`,
		"kimi_linear":      `use_grouped_topk moe_router_activation_func activation_situ_beta activation_situ_linear_beta topk_method`,
		"xlstm": `norm_reduction_force_float32 chunkwise_kernel sequence_kernel step_kernel mode chunk_size return_last_states
			autocast_kernel_dtype eps inference_state_dtype weight_mode max_inference_chunksize force_bos_token_insert`,
		"rwkv":             `rescale_every`,
		"rwkv5":            `rescale_every num_attention_heads`,
		"recurrent_gemma":  `w_init_variance_scale final_w_init_variance_scale`,
		"olmo_hybrid":      `linear_a_log_min linear_a_log_max linear_dt_min linear_dt_max linear_dt_init_floor`,
		"granitemoe":       `embedding_multiplier logits_scaling residual_multiplier attention_multiplier logits_scale`,
		"granitemoeshared": `embedding_multiplier logits_scaling residual_multiplier attention_multiplier`,
		"minicpm3":         `rope_interleave`,
		"youtu":            `embedding_initializer_range`,
		"hunyuan_v1_moe":   `eod_token_id`,
		"mpt":              `emb_pdrop learned_pos_emb init_device init_config embedding_fraction verbose`,
		"bloom":            `n_positions slow_but_exact masked_softmax_fusion offset_alibi skip_bias_add skip_bias_add_qkv bias_dropout_fusion`,
		"diffllama":        `lambda_std_dev`,
		"ernie4_5_moe": `
			moe_norm_min moe_capacity moe_layer_end_index moe_gate moe_use_aux_free moe_group fuse_rope`,
		"phimoe": `input_jitter_noise`,
		"afmoe":  `load_balance_coeff`,
		// The classes of these have them in no formula: the fraction rotated is
		// partial_rotary_factor, and use_bias decides biases.
		"stablelm":    `rope_pct rotary_scaling_factor`,
		"starcoder2":  `attention_bias`,
		"minimax_m2":  `layernorm_full_attention_beta layernorm_linear_attention_beta layernorm_mlp_beta mlp_intermediate_size`,
		"glm_moe_dsa": `index_share_for_mtp_iteration`,
		"granite":     `embedding_multiplier logits_scaling residual_multiplier attention_multiplier`,
		"gemma2":      `query_pre_attn_scalar`,
		"vaultgemma":  `query_pre_attn_scalar`,
		// The clip bounds coefficients while training; trained ones are below it.
		"gemma3n_text": `query_pre_attn_scalar altup_coef_clip altup_lr_multiplier`,
		"gemma3_text":  `query_pre_attn_scalar`,
		"cohere":       `logit_scale`,
		"cohere2":      `logit_scale`,
		"ministral3":   `llama_4_scaling_beta`,
		"opt":          `_remove_final_layer_norm init_std`,
		"gpt_neox":     `num_key_value_heads`,
		"gpt2":         `n_ctx predict_special_tokens output_past`, // the context again
		"gpt_bigcode":  `n_ctx runner_max_sequence_length`,
		"phi-msft":     `flash_attn flash_rotary fused_dense img_processor`,
		"minicpm":      `scale_emb dim_model_base scale_depth`,
		"baichuan":     `z_loss_weight`,
		"hunyuan_v1_dense": `
			add_classification_head class_num dense_list im_end_id im_newline_id im_start_id mask_init_id eod_token_id
			norm_type org_vocab_size pad_id pool_type text_end_id text_start_id use_rotary_pos_emb enable_lm_head_fp32`,
		"qwen": `
			attn_dropout_prob emb_dropout_prob use_dynamic_ntk use_logn_attn use_flash_attn`,
		"chatglm": `
			apply_query_key_layer_scaling apply_residual_connection_post_layernorm attention_softmax_in_fp32
			bias_dropout_fusion fp32_residual_connection original_rope layernorm_epsilon`,
		"nemotron_h": `mtp_layers_block_type mtp_hybrid_override_pattern rope_parameters
			chunk_size expand mamba_hidden_act rescale_prenorm_residual residual_in_fp32
			time_step_floor time_step_limit time_step_max time_step_min time_step_rank
			use_mamba_kernels rope_theta partial_rotary_factor n_group topk_group
			mamba_dt_init mamba_dt_limit mamba_dt_max mamba_dt_min mamba_dt_scale moe_shared_expert_overlap`,
		"falcon_mamba": `mixer_rms_eps num_attention_heads num_key_value_heads max_position_embeddings
			d_model n_layer fused_add_norm pad_vocab_size_multiple rescale_prenorm_residual
			residual_in_fp32 rms_norm time_step_floor time_step_init_scheme time_step_max
			time_step_min time_step_scale use_mambapy use_associative_scan use_mamba_kernels`,
		"mamba": `num_attention_heads num_key_value_heads max_position_embeddings
			d_model n_layer fused_add_norm pad_vocab_size_multiple rescale_prenorm_residual
			residual_in_fp32 rms_norm time_step_floor time_step_init_scheme time_step_max
			time_step_min time_step_scale use_mambapy use_associative_scan use_mamba_kernels`,
		"mamba2": `num_attention_heads num_key_value_heads max_position_embeddings
			chunk_size norm_before_gate rescale_prenorm_residual residual_in_fp32 rms_norm
			time_step_floor time_step_init_scheme time_step_limit time_step_max
			time_step_min time_step_scale time_step_rank fused_add_norm
			pad_vocab_size_multiple`,
		"zamba2": `use_long_context chunk_size time_step_floor time_step_limit time_step_max time_step_min use_mamba_kernels use_mem_eff_path`,
		"zamba":  `time_step_floor time_step_max time_step_min use_mamba_kernels`,
		"jamba":  `use_mamba_kernels mamba_inner_layernorms`,
		"bamba": `mamba_dt_rank
			mamba_chunk_size time_step_floor time_step_limit time_step_max time_step_min
			mamba_norm_before_gate z_loss_coefficient use_mamba_kernels`,
		"granitemoehybrid": `
			mamba_chunk_size embedding_multiplier logits_scaling residual_multiplier
			attention_multiplier time_step_limit time_step_max time_step_min init_method
			normalization_function`,
		"falcon_h1": `
			mamba_chunk_size mamba_norm_before_gate mamba_use_mlp mlp_expansion_factor
			embedding_multiplier lm_head_multiplier mlp_multipliers key_multiplier
			attention_in_multiplier attention_out_multiplier ssm_multipliers
			ssm_in_multiplier ssm_out_multiplier expansion_factor time_step_floor time_step_limit
			time_step_max time_step_min`,
		"gpt_oss": `initial_context_length swiglu_limit`,
	}
	set := map[string]bool{}
	for _, key := range []string{"common", modelType} {
		for _, f := range strings.Fields(lists[key]) {
			set[f] = true
		}
	}
	return set
}

// notedField says what was set aside for a field that may matter but does not change
// the decoder itself, "" for any other field.
func notedField(name string) string {
	switch name {
	case "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules":
		return "the multi-token prediction head is left out"
	case "vision_config":
		return "the vision encoder is left out: text only"
	case "dual_chunk_attention_config":
		return "attention in two kinds of chunks is left out: every position is attended to"
	case "audio_config":
		return "the audio encoder is left out: text only"
	}
	return ""
}
