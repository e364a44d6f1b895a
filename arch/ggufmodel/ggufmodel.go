// Package ggufmodel makes the model that the header of a GGUF file describes: sizes from
// its metadata, what each layer consists of from the tensors that are there, and how
// each weight is stored, to the byte.
//
// A model is taken only if every tensor has its place in it and every weight as many
// values as its tensors: a file that is read wrongly is refused, not mispriced. Names of
// tensors and metadata are llama.cpp's (gguf-py/gguf/constants.py).
package ggufmodel

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/gguf"
	"github.com/OWNER/ridgeline/internal/spell"
	"github.com/OWNER/ridgeline/precision"
)

// kind is what the metadata of an architecture leave out.
type kind struct {
	act arch.Activation
	// fullEvery is the distance of layers without a window where the file has one:
	// 0 none is full, 2 every second, 6 every sixth.
	fullEvery int
	noRope    bool // no rotary embedding
	parallel  bool // FFN beside the mixer, behind norms of their own
}

// kinds are the architectures that are read, by llama.cpp's names.
func kinds() map[string]kind {
	gelu, tanh := kind{act: arch.GELU}, kind{act: arch.GELUTanh}
	k := map[string]kind{
		"gpt-oss": {act: arch.ClampedSwiGLU, fullEvery: 2}, "cohere2": {fullEvery: 4}, "exaone4": {fullEvery: 4}, "olmo2": {fullEvery: 4},
		"gemma": tanh, "gemma2": {act: arch.GELUTanh, fullEvery: 2}, "gemma3": {act: arch.GELUTanh, fullEvery: 6},
		"nemotron_h": {act: arch.ReLU2, noRope: true}, "nemotron_h_moe": {act: arch.ReLU2, noRope: true}, "arcee": {act: arch.ReLU2},
		"jamba": {noRope: true}, "granitehybrid": {noRope: true}, "kimi-linear": {noRope: true}, "gptneox": {act: arch.GELU, parallel: true},
		"gpt2": {act: arch.GELUTanh, noRope: true}, "starcoder": {act: arch.GELUTanh, noRope: true}, "starcoder2": tanh,
		"falcon": gelu, "phi2": tanh, "gptj": tanh,
	}
	for _, silu := range []string{"llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "qwen3next", "qwen35", "qwen35moe", "phi3", "mamba", "mamba2",
		"falcon-h1", "granite", "granitemoe", "olmo", "olmoe", "smollm3", "seed_oss", "ernie4_5", "ernie4_5-moe", "internlm2", "minicpm",
		"command-r", "glm4", "glm4moe", "hunyuan-dense", "stablelm", "minimax-m2", "deepseek", "deepseek2", "lfm2", "lfm2moe", "bailingmoe", "exaone", "orion", "baichuan", "dots1"} {
		k[silu] = kind{}
	}
	return k
}

// Architectures lists what is read, sorted.
func Architectures() []string { return slices.Sorted(maps.Keys(kinds())) }

// Import makes the model.
func Import(name string, f *gguf.File) (*arch.Model, error) {
	r := &reader{file: f, tensors: make(map[string]*gguf.Tensor, len(f.Tensors)), used: make(map[string]bool, len(f.Tensors))}
	for i := range f.Tensors {
		r.tensors[f.Tensors[i].Name] = &f.Tensors[i]
	}
	r.arch, _ = f.Metadata["general.architecture"].(string)
	k, ok := kinds()[r.arch]
	switch {
	case r.arch == "":
		return nil, fmt.Errorf("key general.architecture is missing")
	case !ok:
		hint := ""
		if s := spell.Nearest(r.arch, Architectures()); s != "" {
			hint = fmt.Sprintf(" (the nearest is %s)", s)
		}
		return nil, fmt.Errorf("architecture %q is none of the %d that are read from GGUF%s", clip(r.arch), len(kinds()), hint)
	}
	r.kind = k
	m := r.model()
	if r.err == nil {
		r.leftOver()
	}
	if r.err != nil {
		return nil, fmt.Errorf("%s: %w", r.arch, r.err)
	}
	m.Name, m.Notes = name, r.notes
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", r.arch, err)
	}
	return m, nil
}

// model reads what is outside the layers, then the layers.
func (r *reader) model() *arch.Model {
	m := &arch.Model{
		Width:      r.size("embedding_length"),
		MaxContext: r.whole("context_length", 0),
		LogitCap:   r.number("final_logit_softcapping", 0),
		// llama.cpp computes in 16 bits and keeps the cache so, and states in 32.
		WeightDType: precision.FP16, StateDType: precision.FP32, ConvDType: precision.FP32,
	}
	embedding := r.tensor("token_embd.weight")
	if embedding == nil {
		r.fail("tensor token_embd.weight is missing")
		return m
	}
	if len(embedding.Shape) != 2 || embedding.Shape[0] != int64(m.Width) {
		r.fail("tensor token_embd.weight is %v, not [%d, vocabulary]", embedding.Shape, m.Width)
		return m
	}
	if embedding.Shape[1] > arch.MaxDimension {
		r.fail("a vocabulary of %d is more than %d", embedding.Shape[1], arch.MaxDimension)
		return m
	}
	m.Vocab = int(embedding.Shape[1])
	m.EmbeddingStored = stored(embedding)
	m.Tied = true
	if head := r.tensor("output.weight"); head != nil {
		m.Tied = false
		m.HeadStored = stored(head)
		if head.Elements() != embedding.Elements() {
			r.fail("tensor output.weight has %d values, token_embd.weight %d", head.Elements(), embedding.Elements())
		}
	}
	m.HeadBias = r.vector("output.bias", m.Vocab)
	if p := r.tensor("position_embd.weight"); p != nil && len(p.Shape) == 2 && p.Shape[1] <= arch.MaxDimension {
		m.Positions = int(p.Shape[1])
	}
	m.Norm = r.normKind()
	final := "output_norm"
	if r.tensors["output_norm.weight"] == nil && r.tensors["token_embd_norm.weight"] != nil {
		final = "token_embd_norm" // LFM2's name for it
	} else if r.tensors["token_embd_norm.weight"] != nil {
		m.EmbedNorm = true
		r.norm("token_embd_norm", m)
	}
	m.FinalNormStored = r.norm(final, m)
	n := r.whole("block_count", 0) - r.whole("nextn_predict_layers", 0)
	if n < 1 || n > arch.MaxLayers {
		r.fail("%s.block_count is not from 1 to %d", r.arch, arch.MaxLayers)
		return m
	}
	m.MTP = r.whole("nextn_predict_layers", 0)
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		r.layer(m, i)
		if r.err != nil {
			return m
		}
	}
	r.shareTables(m)
	return m
}

// normKind tells the norms by the name of their epsilon and by whether they have a bias.
func (r *reader) normKind() arch.NormKind {
	if _, rms := r.get("attention.layer_norm_rms_epsilon"); rms {
		return arch.RMSNorm
	}
	if _, layer := r.get("attention.layer_norm_epsilon"); !layer {
		r.fail("neither %s.attention.layer_norm_rms_epsilon nor %s.attention.layer_norm_epsilon is there", r.arch, r.arch)
	}
	switch {
	case r.tensors["output_norm.bias"] != nil:
		return arch.LayerNorm
	case r.tensors["output_norm.weight"] != nil:
		return arch.LayerNormWeight
	}
	return arch.LayerNormBare
}

// shareTables makes layers that are stored alike point to one table.
func (r *reader) shareTables(m *arch.Model) {
	var tables []*arch.StoredWeights
next:
	for i := range m.Layers {
		for _, t := range tables {
			if t.Equal(m.Layers[i].Stored) {
				m.Layers[i].Stored = t
				continue next
			}
		}
		tables = append(tables, m.Layers[i].Stored)
	}
}

// leftOver refuses a file with tensors that nothing of the model lies in, but for
// constants and the layers of multi-token prediction.
func (r *reader) leftOver() {
	n := r.whole("block_count", 0) - r.whole("nextn_predict_layers", 0)
	predict := false
	for _, name := range slices.Sorted(maps.Keys(r.tensors)) {
		var i int
		switch _, err := fmt.Sscanf(name, "blk.%d.", &i); {
		case r.used[name], strings.Contains(name, "rope_factors_"), strings.Contains(name, "rope_freqs"):
		case err == nil && i >= n:
			predict = true
		default:
			r.fail("tensor %s is not modelled", clip(name))
			return
		}
	}
	if predict {
		r.notes = append(r.notes, "the layers of multi-token prediction are left out")
	}
}

// stored is how a tensor is stored.
func stored(ts ...*gguf.Tensor) arch.Stored {
	var s arch.Stored
	var most int64
	for _, t := range ts {
		n := t.Bytes()
		s.Bytes += n
		if n > most {
			most, s.Format = n, formats.InGGUF(t.Type)
		}
	}
	return s
}
