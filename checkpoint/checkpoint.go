// Package checkpoint says which tensors of a Hugging Face checkpoint hold each weight of
// a model, and puts them together.
//
// ridgeline names weights by what they do (kernels.Tensors: "layers.3.mixer.qkv");
// checkpoints name them by the modules of the modelling code
// ("model.layers.3.self_attn.q_proj.weight"), which differ from type to type and cut the
// same matrix differently: one projection or three, heads interleaved or in turn, experts
// stacked or one by one. A Scheme is the table of one type. It has two readers: the
// execution of a real checkpoint, which loads every tensor, and the pricing of a
// quantised one, which asks by what name a module is spared from conversion.
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

// Weight is where one weight of a model lies.
type Weight struct {
	// Tensors are the names of the checkpoint tensors it is made of, in order.
	Tensors []string
	// Rows are the rows (first dimension) that each of Tensors contributes, where a
	// weight is cut into several; nil where it is whole.
	Rows []int
	// join makes the weight of the tensors; nil lays them one behind the other.
	join joiner
	// or is where it lies in files of another age, nil where all name it alike.
	or *Weight
}

// in is where the weight lies in a file with these tensors.
func (w Weight) in(tensors map[string]Tensor) Weight {
	for at := &w; at != nil; at = at.or {
		if _, ok := tensors[at.Tensors[0]]; ok {
			return *at
		}
	}
	return w
}

// joiner makes a weight of the tensors it lies in. It may return one of them.
type joiner func(parts []Tensor) []float32

// Tensor is a tensor of a checkpoint in float32.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Weights says where each weight of m lies, by the weight's name, for a checkpoint of a
// Hugging Face model type. It is an error for a type that has no scheme.
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

// Buffer reports whether a tensor of a checkpoint of a type follows from the configuration
// and holds no weight.
func Buffer(modelType, tensor string) bool {
	for _, end := range schemes()[modelType].buffers {
		if strings.HasSuffix(tensor, end) {
			return true
		}
	}
	return false
}

// CopyOf names the tensor of a checkpoint of m that another tensor repeats, "" where it repeats
// none.
func CopyOf(modelType string, m *arch.Model, tensor string) string {
	if f := schemes()[modelType].copyOf; f != nil {
		return f(m, tensor)
	}
	return ""
}

// Types lists the model types whose tensor names are known, sorted.
func Types() []string { return slices.Sorted(maps.Keys(schemes())) }

// Load makes every weight of m from the tensors of a checkpoint. A tensor that is missing
// or that no weight takes is an error that names it; ignore lists name patterns of
// tensors that hold nothing to load.
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

// rows lays tensors one behind the other.
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

// place is where a weight belongs: the layer (−1 outside), the mixer or FFN it is part
// of, and its own name there.
type place struct {
	m     *arch.Model
	layer int
	mixer arch.Mixer // nil unless a weight of a mixer
	ffn   arch.FFN   // nil unless a weight of an FFN
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
