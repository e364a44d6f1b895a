package golden

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/checkpoint"
	"github.com/OWNER/ridgeline/kernels"
)

// errNotRead is of a checkpoint whose type has no table of tensor names.
var errNotRead = errors.New("is not executed: where its weights lie is not known")

// NotExecuted lists the Hugging Face types that are read and priced, but of which no
// checkpoint was run and compared. Types that hold another's decoder are left out.
func NotExecuted() []string {
	var out []string
	known := checkpoint.Verified()
	for _, t := range hf.DecoderTypes() {
		if !slices.Contains(known, t) {
			out = append(out, t)
		}
	}
	return out
}

// huggingFace runs a whole model from a checkpoint of a Hugging Face type: every tensor by
// its name there, the configuration in the metadata, and
//
//	__input_ids [1, T]         what is run
//	__logits    [1, T, vocab]  what the modelling code made of it in one pass
//	cache_shapes (metadata)    the shape of each layer's cache after T tokens
//
// The model is built from the configuration, takes every tensor (one missing or left over
// is an error), and runs twice: in one pass, and as a prefill of the first part followed by
// single steps. Both must give the logits, and what is stored must have the shapes.
func huggingFace(ctx context.Context, t *tensors) error {
	config := []byte(t.f.Metadata["config"])
	t.model = hf.TypeOf(config)
	if !slices.Contains(checkpoint.Types(), t.model) {
		return fmt.Errorf("model_type %q %w", t.model, errNotRead)
	}
	m, err := hf.Import("checkpoint", config)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	model, err := loadCheckpoint(t, m)
	if err != nil || t.err != nil {
		return err
	}
	if err := cacheShapes(t, m); err != nil {
		return err
	}
	tokens, err := t.tokens("__input_ids")
	if err != nil || t.err != nil {
		return err
	}
	n := len(tokens[0])
	s, err := model.Start(1, n)
	if err != nil {
		return err
	}
	tr, err := s.Forward(ctx, tokens)
	if err != nil {
		return err
	}
	t.compare("__logits", slices.Concat(tr.Logits...))
	return steps(ctx, t, model, tokens[0], tr.Logits)
}

// loadCheckpoint makes the model of the tensors of the file.
func loadCheckpoint(t *tensors, m *arch.Model) (*kernels.Model, error) {
	var names []string
	for _, x := range kernels.Tensors(m) {
		names = append(names, x.Name)
	}
	where, err := checkpoint.Weights(t.model, m, names)
	if err != nil {
		return nil, err
	}
	given := map[string]checkpoint.Tensor{}
	for name, x := range t.f.Tensors {
		if strings.HasPrefix(name, "__") || checkpoint.Buffer(t.model, name) {
			continue
		}
		v, err := x.Float32s()
		if err != nil {
			return nil, err
		}
		if of := checkpoint.CopyOf(t.model, m, name); of != "" {
			if original, err := t.f.Tensors[of].Float32s(); err != nil || !slices.Equal(v, original) {
				return nil, fmt.Errorf("tensor %s is not the %s that it should repeat", name, of)
			}
			continue
		}
		given[name] = checkpoint.Tensor{Shape: x.Shape, Data: v}
	}
	weights, err := checkpoint.Load(where, given)
	if err != nil {
		return nil, err
	}
	return kernels.New(m, kernels.Options{Weights: weights})
}

// steps runs the first half as a prefill and the rest one by one, and compares the logits
// of each with those of one pass.
func steps(ctx context.Context, t *tensors, model *kernels.Model, tokens []int, want [][]float32) error {
	s, err := model.Start(1, len(tokens))
	if err != nil {
		return err
	}
	half := len(tokens) / 2
	out, err := s.Prefill(ctx, [][]int{tokens[:half]})
	if err != nil {
		return err
	}
	got := slices.Clone(out[0])
	for _, token := range tokens[half:] {
		if out, err = s.Step(ctx, []int{token}); err != nil {
			return err
		}
		got = append(got, out[0]...)
	}
	ref := make([]float64, 0, len(got))
	for _, row := range want[half-1:] {
		for _, v := range row {
			ref = append(ref, float64(v))
		}
	}
	t.record("prefill and steps", relativeError(got, ref))
	return nil
}

// cacheShapes holds the caches that the modelling code kept against what the model stores:
// the same layers, and as many elements for each position. A window keeps one position
// less there, for the next one is on its way.
func cacheShapes(t *tensors, m *arch.Model) error {
	text := t.f.Metadata["cache_shapes"]
	if text == "" {
		return nil
	}
	var shapes map[string][]int
	if err := json.Unmarshal([]byte(text), &shapes); err != nil {
		return fmt.Errorf("metadata cache_shapes is not a JSON object of shapes")
	}
	stored := map[int]int{}
	positions := map[int]int{}
	for name, shape := range shapes {
		number, what, _ := strings.Cut(name, ".")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(m.Layers) || what != "keys" && what != "values" || len(shape) != 4 {
			return fmt.Errorf("metadata cache_shapes: %q %v is no cache of the model", name, shape)
		}
		stored[i] += shape[1] * shape[3]
		positions[i] = shape[2]
	}
	n := t.shape("__input_ids", 2)[1]
	for i, l := range m.Layers {
		owner := arch.CacheOwner(l.Mixer)
		if owner == nil {
			if stored[i] > 0 {
				t.fail("layer %d keeps a cache of %d elements a position, the model none", i, stored[i])
			}
			continue
		}
		kept := owner.Stores()
		elements, want := kept.CacheElements, n
		if e, ok := owner.(interface{ ExpandedCacheElements() int }); ok {
			elements = e.ExpandedCacheElements()
		}
		if kept.Window > 0 {
			want = min(n, max(kept.Window-1, 1))
		}
		if stored[i] != elements || positions[i] != want {
			t.fail("layer %d keeps %d elements of %d positions, the model %d of %d", i, stored[i], positions[i], elements, want)
		}
	}
	return nil
}
