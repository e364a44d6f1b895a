package costmodel

import (
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/precision"
)

// storage is how the checkpoint stores the weights of the mixer or FFN at hand: bytes a
// value of each weight, and of the weights that operations do not name. Rates are ratios,
// so that they hold for a rank's share and for a part of a merged matrix.
type storage struct {
	matrices, vectors map[string]rate
	matrix, vector    rate // their means
}

// rate is how many bytes a value takes, and the number format nearest to that.
type rate struct {
	perValue float64
	dtype    precision.DType
}

// storedIn is the checkpoint's table of formats for the layer, where that table is used.
func (b *builder) storedIn(l arch.Layer) *arch.StoredWeights {
	if !b.f.stored {
		return nil
	}
	return l.Stored
}

// storageOf works out the rates of a part of the model; the result is the zero value where the
// checkpoint says nothing about the part.
func (b *builder) storageOf(l arch.Layer, scope string, weights func(int) []arch.Weight) storage {
	table := b.storedIn(l)
	if table == nil {
		return storage{}
	}
	s := storage{matrices: map[string]rate{}, vectors: map[string]rate{}}
	var bytes, elements [2]float64 // of matrices and of the rest
	var dtypes [2]precision.DType
	for _, w := range weights(b.m.Width) {
		n := float64(w.Elements())
		r := rate{b.f.base.Bytes(), b.f.base} // left as it was
		x, ok := table.Of(scope + w.Name)
		if ok {
			r = rate{float64(x.Bytes) / n, x.Format.DType()}
		}
		i := 0
		if w.Role == arch.Vector {
			i = 1
			s.vectors[w.Name] = r
		} else {
			s.matrices[w.Name] = r
		}
		bytes[i] += n * r.perValue
		elements[i] += n
		dtypes[i] = r.dtype
	}
	if elements[0] > 0 {
		s.matrix = rate{bytes[0] / elements[0], dtypes[0]}
	}
	if elements[1] > 0 {
		s.vector = rate{bytes[1] / elements[1], dtypes[1]}
	}
	return s
}

// under returns the rates of the weights whose names begin with a prefix, keyed by the rest of the
// name.
func (s storage) under(prefix string) storage {
	cut := func(all map[string]rate) map[string]rate {
		out := map[string]rate{}
		for name, r := range all {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				out[rest] = r
			}
		}
		return out
	}
	if s.matrices == nil {
		return s
	}
	s.matrices, s.vectors = cut(s.matrices), cut(s.vectors)
	return s
}

// normStorage returns the rates of the norms in front of a layer's mixer and FFN.
func (b *builder) normStorage(l arch.Layer) storage {
	table := b.storedIn(l)
	s := storage{}
	for _, name := range arch.LayerNorms() {
		if x, ok := table.Of(name); ok && x.Format.Said() {
			if s.vectors == nil {
				s.vectors = map[string]rate{}
			}
			s.vectors[name] = rate{x.Format.PerValue(), x.Format.DType()}
		}
	}
	return s
}

// finalNorm returns the rate of the norm in front of the head.
func (b *builder) finalNorm(x arch.Stored) storage {
	if !b.f.stored || x == (arch.Stored{}) {
		return storage{}
	}
	n := float64(b.m.Norm.Vectors()) * float64(b.m.Width)
	return storage{vectors: map[string]rate{"final_norm": {float64(x.Bytes) / n, x.Format.DType()}}}
}

// head returns the rate of the language-model head.
func (b *builder) head(x arch.Stored) storage {
	if perValue, dtype := b.outside(x); b.f.stored && x != (arch.Stored{}) {
		return storage{matrices: map[string]rate{"lm_head": {perValue, dtype}}}
	}
	return storage{}
}

// outside is the rate of the embedding or the head, whose format stays the checkpoint's when a
// user asks for quantised weights.
func (b *builder) outside(x arch.Stored) (float64, precision.DType) {
	if b.f.stored && x != (arch.Stored{}) {
		return float64(x.Bytes) / (float64(b.m.Vocab) * float64(b.m.Width)), x.Format.DType()
	}
	return b.f.base.Bytes(), b.f.base
}

// merged gives the whole weight's name for operations that are named after a part of a weight.
var merged = map[string]string{"q": "qkv", "kv": "qkv"}

// around lists the weights that a layer has besides its mixer and its FFN, keyed by the operation
// that reads them, where the two names differ.
var around = map[string]string{
	"layer_input.gate": "input.gate", "layer_input.out": "input.out", "layer_input.post_norm": "input_post_norm", "layer_scale": "scale",
}

// named is the rate of the weight that an operation is named after: "mlp.up" reads "up".
func named(op string, rates map[string]rate) (rate, bool) {
	last := op[strings.LastIndexByte(op, '.')+1:]
	for _, name := range []string{last, merged[last], op, around[op]} {
		if r, ok := rates[name]; ok {
			return r, true
		}
	}
	return rate{}, false
}

// mapUse says which of the user's formats applies to a linear map.
type mapUse uint8

const (
	layerMap  mapUse = iota // the weights' format
	expertMap               // the experts' format
	keptMap                 // none that is quantised: quantisers leave heads and routers as they are
)

// matrix is the bytes of the map [in]→[out] that an operation reads, and the format of its values.
func (b *builder) matrix(op string, out, in int, use mapUse) (float64, precision.DType) {
	n := float64(out) * float64(in)
	if r, ok := named(op, b.storage.matrices); ok {
		return n * r.perValue, r.dtype
	}
	if r := b.storage.matrix; r.perValue > 0 {
		return n * r.perValue, r.dtype
	}
	f := b.f.weights
	if use == expertMap {
		f = b.f.experts
	}
	switch {
	case !f.Quantised():
		return n * f.DType().Bytes(), f.DType()
	case use == keptMap:
		return n * b.f.base.Bytes(), b.f.base
	}
	return float64(f.Bytes(out, in)), f.DType()
}

// vector is how many bytes a value takes in the small weights that an operation reads.
func (b *builder) vector(op string) (float64, precision.DType) {
	if r, ok := named(op, b.storage.vectors); ok {
		return r.perValue, r.dtype
	}
	if r := b.storage.vector; r.perValue > 0 {
		return r.perValue, r.dtype
	}
	return b.f.base.Bytes(), b.f.base
}
