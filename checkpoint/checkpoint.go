// Package checkpoint says which tensors of a Hugging Face checkpoint hold each weight of a model,
// and puts them together.
//
// ridgeline names weights by what they do (kernels.Tensors: "layers.3.mixer.qkv"). Checkpoints
// name them by the modules of the modelling code ("model.layers.3.self_attn.q_proj.weight").
// Those names differ from type to type, and types also cut the same matrix differently: one
// projection or three, heads interleaved or one after the other, experts in one tensor or each in
// its own. A scheme is the table of one type. There are two uses for it: executing a real
// checkpoint, for which every tensor is loaded, and pricing a quantised one, for which the names
// say which modules were left unconverted.
//
// Source: the modelling code of Transformers 5 (github.com/huggingface/transformers).
package checkpoint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
)

// Weight says where one weight of a model is stored.
type Weight struct {
	// Tensors are the names of the checkpoint's tensors that the weight is made of, in order.
	Tensors []string
	// Rows says which rows (first dimension) of each of Tensors belong to the weight, where a
	// tensor holds several weights; nil where each holds one.
	Rows []int
	// join makes the weight from the tensors; with nil, their rows follow one another.
	join joiner
	// or says where the weight is stored in older or newer files, nil where all files name it
	// alike.
	or *Weight
}

// in returns where the weight is stored in a file that has these tensors.
func (w Weight) in(tensors map[string]Tensor) Weight {
	for at := &w; at != nil; at = at.or {
		if _, ok := tensors[at.Tensors[0]]; ok {
			return *at
		}
	}
	return w
}

// joiner makes a weight from the tensors that hold it. It may return the data of one of them.
type joiner func(parts []Tensor) []float32

// Tensor is a tensor of a checkpoint, converted to float32.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Weights says where each weight of m is stored in a checkpoint of a Hugging Face model type, by
// the weight's name. A type without a scheme is an error.
func Weights(modelType string, m *arch.Model, names []string) (map[string]Weight, error) {
	s, ok := schemes()[modelType]
	if !ok {
		return nil, fmt.Errorf("the tensor names of model_type %q are not known: ridgeline knows those of %s",
			modelType, strings.Join(Types(), ", "))
	}
	out := make(map[string]Weight, len(names))
	for _, name := range names {
		w, err := s.weight(m, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", modelType, err)
		}
		out[name] = w
	}
	return out, nil
}

// Buffer reports whether a tensor of a checkpoint of a type can be computed from the
// configuration and holds no weight.
func Buffer(modelType, tensor string) bool {
	for _, end := range schemes()[modelType].buffers {
		if strings.HasSuffix(tensor, end) {
			return true
		}
	}
	return false
}

// CopyOf returns the name of the tensor of a checkpoint of m of which another tensor is a copy,
// "" where it is a copy of none.
func CopyOf(modelType string, m *arch.Model, tensor string) string {
	if f := schemes()[modelType].copyOf; f != nil {
		return f(m, tensor)
	}
	return ""
}

// Types lists the model types whose tensor names are known, sorted.
func Types() []string { return slices.Sorted(maps.Keys(schemes())) }

// Load makes every weight of m from the tensors of a checkpoint. A tensor that is missing, or
// that belongs to no weight, is an error with the tensor's name.
func Load(where map[string]Weight, tensors map[string]Tensor) (map[string][]float32, error) {
	used := make(map[string]bool, len(tensors))
	out := make(map[string][]float32, len(where))
	for _, name := range slices.Sorted(maps.Keys(where)) {
		w := where[name].in(tensors)
		parts := make([]Tensor, len(w.Tensors))
		for i, t := range w.Tensors {
			x, ok := tensors[t]
			if !ok {
				return nil, fmt.Errorf("tensor %s is missing: it holds %s", t, name)
			}
			parts[i], used[t] = x, true
		}
		out[name] = w.of(parts)
	}
	for _, t := range slices.Sorted(maps.Keys(tensors)) {
		if !used[t] {
			return nil, fmt.Errorf("tensor %s is left over: no weight of the model lies in it", t)
		}
	}
	return out, nil
}

func (w Weight) of(parts []Tensor) []float32 {
	if w.join != nil {
		return w.join(parts)
	}
	return rows(parts)
}

// rows puts the rows of tensors one after the other.
func rows(parts []Tensor) []float32 {
	if len(parts) == 1 {
		return parts[0].Data
	}
	n := 0
	for _, p := range parts {
		n += len(p.Data)
	}
	out := make([]float32, 0, n)
	for _, p := range parts {
		out = append(out, p.Data...)
	}
	return out
}

// place is where a weight belongs: the layer (−1 for outside the layers), the mixer or FFN that
// it is part of, and its own name there.
type place struct {
	m     *arch.Model
	layer int
	mixer arch.Mixer // nil unless the weight belongs to a mixer
	ffn   arch.FFN   // nil unless the weight belongs to an FFN
	kind  string     // kind of the mixer or FFN, "" for norms and what is outside the layers
	name  string     // "qkv", "mixer_norm", "embed"
}

func find(m *arch.Model, name string) (place, error) {
	p := place{m: m, layer: -1, name: name}
	rest, ok := strings.CutPrefix(name, "layers.")
	if !ok {
		return p, nil
	}
	number, rest, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(m.Layers) {
		return p, fmt.Errorf("%q names no layer of the model", name)
	}
	p.layer, p.name = i, rest
	if w, ok := strings.CutPrefix(rest, "ffn."); ok {
		p.ffn, p.kind, p.name = m.Layers[i].FFN, m.Layers[i].FFN.Kind(), w
		return p, nil
	}
	w, ok := strings.CutPrefix(rest, "mixer.")
	if !ok {
		return p, nil
	}
	parts := arch.Parts(m.Layers[i].Mixer)
	j := 0
	if len(parts) > 1 {
		var which string
		if which, w, ok = strings.Cut(w, "."); !ok {
			return p, fmt.Errorf("%q names no part of the layer", name)
		}
		if j, err = strconv.Atoi(which); err != nil || j < 0 || j >= len(parts) {
			return p, fmt.Errorf("%q names no part of the layer", name)
		}
	}
	p.mixer, p.kind, p.name = parts[j], parts[j].Kind(), w
	return p, nil
}
