package hf

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// mutant is a configuration whose fields are changed one at a time.
type mutant struct {
	name   string
	fields map[string]any
}

// mutants are one configuration of each type, and those in a folder beside the project where there
// is one.
func mutants(t *testing.T) []mutant {
	var all []mutant
	seen := map[string]bool{}
	add := func(name string, config []byte, each bool) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(config), "Infinity", "1e300")), &fields); err != nil {
			return
		}
		typ, _ := fields["model_type"].(string)
		if _, err := Import(name, config); err != nil || seen[typ] && !each {
			return
		}
		seen[typ] = true
		for _, q := range []string{"quantization_config", "compression_config", "quantization"} { // not of the model
			delete(fields, q)
		}
		all = append(all, mutant{name, fields})
	}
	for _, c := range realCases(t) {
		add(c.Name, c.Config, false)
	}
	files, _ := filepath.Glob("../../../shared/cases/configs/*.json")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err == nil && len(data) < 100<<10 {
			add(filepath.Base(f), data, true)
		}
	}
	return all
}

// what says all that an import makes of a configuration: an error, or the model with its numerics and
// notes.
func what(t *testing.T, fields map[string]any) (text string, m *arch.Model) {
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Import("m", data); err != nil {
		return err.Error(), nil
	}
	return fmt.Sprintf("%+v", *m), m
}

// inside lists the objects of a configuration whose fields are the decoder's.
func inside(fields map[string]any) map[string]map[string]any {
	all := map[string]map[string]any{"": fields}
	typ, _ := fields["model_type"].(string)
	w, ok := wrappers()[typ]
	if _, around := fields["text_config"].(map[string]any); around && !ok {
		w, ok = wrapper{inside: []string{"text_config"}}, true
	}
	if !ok {
		return all
	}
	at := fields
	for _, name := range w.inside {
		next, ok := at[name].(map[string]any)
		if !ok {
			return all
		}
		at = next
	}
	return map[string]map[string]any{strings.Join(w.inside, ".") + ".": at}
}

// changed are values to put in the place of one: of each the model, or the refusal, must be another.
func changed(v any) []any {
	switch v := v.(type) {
	case bool:
		return []any{!v}
	case float64:
		if v != float64(int(v)) {
			return []any{v * 1.5, v / 2}
		}
		return []any{v * 2, v + 1, v + 2, v / 2}
	}
	return nil
}

// A field of a configuration that is changed changes the model, or is refused by name, or costs
// nothing. What costs nothing is listed: in harmlessFields, or here with its reason. A field that no
// reader knows is refused, wherever it stands beside the decoder's.
func TestNoFieldIsPassedOver(t *testing.T) {
	const listed, absent = "a list says it layer by layer", "the model has no such part"
	// Read, and without effect where another field decides or nothing is there that has the size.
	free := map[string]string{
		"_sliding_window_pattern": listed, "sliding_window_pattern": listed, "full_attention_interval": listed, "global_attn_every_n_layers": listed,
		"index_topk_freq": listed, "no_rope_layer_interval": listed, "attn_layer_offset": listed, "attn_layer_period": listed, "max_window_layers": listed, "use_sliding_window": listed,
		"attention_bias": "a class without one, or no attention", "partial_rotary_factor": "rope_parameters say it",
		"cla_share_factor": absent, "conv_bias": absent, "intermediate_size": absent, "intermediate_size_mlp": absent, "num_key_value_heads": absent,
		"moe_intermediate_size": absent, "num_experts_per_tok": absent, "use_double_wide_mlp": absent, "vocab_size_per_layer_input": absent,
		"attention_chunk_size": "sliding_window counts",
		"rope_interleave":      "pairs are neighbours whatever this says", "indexer_rope_interleave": "and in the indexer",
		"head_dim":                "latent attention has the sizes of its parts",
		"expand":                  "intermediate_size counts where it is given",
		"mamba_expand":            "mamba_d_ssm counts where it is given",
		"kv_channels":             "attention_head_dim counts",
		"max_position_embeddings": "seq_length counts",
		"num_mtp_modules":         "num_nextn_predict_layers counts the blocks",
		"use_conv_bias":           "Zamba 2 has one whatever this says",
		"image_token_id":          "of the encoder", "video_token_id": "of the encoder", "vision_token_id": "of the encoder",
		"vision_start_token_id": "of the encoder", "vision_end_token_id": "of the encoder",
	}
	grows := strings.Fields(`hidden_size intermediate_size num_hidden_layers vocab_size num_experts num_local_experts n_routed_experts
		moe_intermediate_size kv_lora_rank n_embd n_layer d_model n_layers`)
	silent := map[string][]string{}
	for _, c := range mutants(t) {
		before, m := what(t, c.fields)
		if m == nil {
			continue // it was quantised in a way that its other fields say too
		}
		for prefix, object := range inside(c.fields) {
			typ, _ := object["model_type"].(string)
			harmless := harmlessFields(typ)
			maps.Copy(harmless, harmlessFields(""))
			if w, ok := wrappers()[c.fields["model_type"].(string)]; ok {
				maps.Copy(harmless, harmlessFields(w.text))
			}
			if alias, ok := textTypes()[typ]; ok {
				maps.Copy(harmless, harmlessFields(alias))
			}
			object["frobnication_width"] = 7.0
			if after, m := what(t, c.fields); m != nil || !strings.Contains(after, "frobnication_width") {
				t.Errorf("%s: a field nobody knows, %sfrobnication_width, is not refused", c.name, prefix)
			}
			delete(object, "frobnication_width")
			for _, name := range slices.Sorted(maps.Keys(object)) {
				was := object[name]
				others := changed(was)
				if harmless[name] || len(others) == 0 {
					continue
				}
				counts := false
				for _, v := range others {
					object[name] = v
					after, now := what(t, c.fields)
					counts = counts || after != before
					n, isNumber := v.(float64)
					if old, _ := was.(float64); isNumber && now != nil && n > old && slices.Contains(grows, name) && now.Params().Total < m.Params().Total {
						t.Errorf("%s: %s%s %v instead of %v makes %d parameters of %d", c.name, prefix, name, v, was, now.Params().Total, m.Params().Total)
					}
				}
				object[name] = was
				if !counts && free[name] == "" {
					silent[name] = append(silent[name], c.name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(silent)) {
		t.Errorf("%s changes nothing, is not refused and not listed as harmless: %s", name, strings.Join(silent[name], ", "))
	}
}
