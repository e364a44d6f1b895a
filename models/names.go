package models

import (
	"os"
	"strings"
)

// repositories are the names under which the presets' checkpoints are published on
// Hugging Face, by preset. Only checkpoints of the same shapes and formats are here: one
// quantised by somebody else is another model.
var repositories = map[string][]string{
	"phi4-mini":               {"microsoft/Phi-4-mini-instruct"},
	"phi4-mini-flash":         {"microsoft/Phi-4-mini-flash-reasoning"},
	"llama-3.1-8b":            {"meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3.1-8B", "meta-llama/Meta-Llama-3.1-8B-Instruct"},
	"llama-3.1-70b":           {"meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Meta-Llama-3.1-70B", "meta-llama/Meta-Llama-3.1-70B-Instruct"},
	"qwen3-0.6b":              {"Qwen/Qwen3-0.6B"},
	"qwen3-8b":                {"Qwen/Qwen3-8B"},
	"qwen3-32b":               {"Qwen/Qwen3-32B"},
	"qwen3.5-27b":             {"Qwen/Qwen3.5-27B"},
	"mixtral-8x7b":            {"mistralai/Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-Instruct-v0.1"},
	"gpt-oss-20b":             {"openai/gpt-oss-20b"},
	"nemotron-h-56b":          {"nvidia/Nemotron-H-56B-Base-8K"},
	"nemotron-3-nano-30b-a3b": {"nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"},
}

// Repository is the name under which a model's checkpoint is published on Hugging Face, where
// the model is a preset that has one; else the name it was given.
func Repository(name string) string {
	for _, p := range presets() {
		if all := repositories[p.Name]; strings.EqualFold(p.Name, name) && len(all) > 0 {
			return all[0]
		}
	}
	return name
}

// find looks up a preset by its own name or by that of its checkpoint on Hugging Face,
// with or without the organisation, in either case. A file or folder of the checkpoint's
// name comes first: it is the user's own copy.
func find(what string) (preset, bool) {
	all := presets()
	for _, p := range all {
		if strings.EqualFold(p.Name, what) {
			return p, true
		}
	}
	for _, p := range all {
		for _, r := range repositories[p.Name] {
			_, name, _ := strings.Cut(r, "/")
			if !strings.EqualFold(r, what) && !strings.EqualFold(name, what) {
				continue
			}
			if _, err := os.Stat(what); err == nil {
				return preset{}, false
			}
			return p, true
		}
	}
	return preset{}, false
}
