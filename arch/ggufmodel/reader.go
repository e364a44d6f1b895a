package ggufmodel

import (
	"fmt"
	"math"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/gguf"
)

// reader reads metadata and hands out tensors. The first error sticks; after it, reads
// return safe values.
type reader struct {
	file    *gguf.File
	arch    string
	kind    kind
	tensors map[string]*gguf.Tensor
	used    map[string]bool
	notes   []string
	err     error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// get is the value of a key of the architecture.
func (r *reader) get(key string) (any, bool) {
	v, ok := r.file.Metadata[r.arch+"."+key]
	return v, ok
}

// integer makes an int of a number of any type.
func integer(v any) (int, bool) {
	switch v := v.(type) {
	case uint64:
		return int(v), v <= math.MaxInt32
	case int64:
		return int(v), v >= 0 && v <= math.MaxInt32
	}
	return 0, false
}

// whole reads an integer; of a list, the first.
func (r *reader) whole(key string, def int) int { return r.at(key, 0, def) }

// at reads an integer that each layer may have for itself.
func (r *reader) at(key string, layer, def int) int {
	v, ok := r.get(key)
	if !ok {
		return def
	}
	if a, list := v.(gguf.Array); list {
		if layer >= len(a.Values) {
			r.fail("%s.%s has %d values, layer %d needs one", r.arch, key, len(a.Values), layer)
			return def
		}
		v = a.Values[layer]
	}
	n, ok := integer(v)
	if !ok {
		r.fail("%s.%s must be an integer from 0, is %v", r.arch, key, clip(fmt.Sprint(v)))
		return def
	}
	return n
}

// size reads a required positive integer.
func (r *reader) size(key string) int { return r.sizeAt(key, 0) }

func (r *reader) sizeAt(key string, layer int) int {
	if _, ok := r.get(key); !ok {
		r.fail("key %s.%s is missing", r.arch, key)
		return 1
	}
	n := r.at(key, layer, 1)
	if n < 1 || n > arch.MaxDimension {
		r.fail("%s.%s must be from 1 to %d, is %d", r.arch, key, arch.MaxDimension, n)
		return 1
	}
	return n
}

func (r *reader) number(key string, def float64) float64 {
	v, ok := r.get(key)
	if !ok {
		return def
	}
	f, ok := v.(float64)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		r.fail("%s.%s must be a number from 0, is %v", r.arch, key, clip(fmt.Sprint(v)))
		return def
	}
	return f
}

// flagAt reads whether a list of flags has a layer's set.
func (r *reader) flagAt(key string, layer int) (set, ok bool) {
	v, _ := r.get(key)
	a, list := v.(gguf.Array)
	if !list || layer >= len(a.Values) {
		return false, false
	}
	set, ok = a.Values[layer].(bool)
	if n, number := integer(a.Values[layer]); number {
		return n != 0, true
	}
	return set, ok
}

// tensor hands out a tensor, nil where there is none.
func (r *reader) tensor(name string) *gguf.Tensor {
	t := r.tensors[name]
	if t != nil {
		r.used[name] = true
	}
	return t
}

// vector reports whether a vector of n values is there.
func (r *reader) vector(name string, n int) bool {
	t := r.tensor(name)
	if t != nil && t.Elements() != int64(n) {
		r.fail("tensor %s has %d values, not %d", name, t.Elements(), n)
	}
	return t != nil
}

// norm takes the tensors of a norm as wide as the model.
func (r *reader) norm(name string, m *arch.Model) arch.Stored {
	var ts []*gguf.Tensor
	for _, part := range []string{".weight", ".bias"} {
		if t := r.tensor(name + part); t != nil {
			ts = append(ts, t)
		}
	}
	total := int64(0)
	for _, t := range ts {
		total += t.Elements()
	}
	if want := int64(m.Norm.Vectors()) * int64(m.Width); total != want {
		r.fail("norm %s has %d values, a %s of the model has %d", name, total, m.Norm, want)
	}
	return stored(ts...)
}

func clip(s string) string {
	if q := strconv.Quote(s); len(q) != len(s)+2 {
		s = q
	}
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}
