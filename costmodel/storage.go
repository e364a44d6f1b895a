package costmodel

import (
	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/precision"
)

// Named lists weights by the names that arch gives them within their mixer, network or layer. Up to
// four are listed; "" stands for none.
type Named [4]string

// add puts weights on the list; one that is on it stays where it is.
func (n *Named) add(names ...string) {
next:
	for _, name := range names {
		for i := range n {
			if n[i] == name {
				continue next
			}
			if n[i] == "" {
				n[i] = name
				continue next
			}
		}
		panic("costmodel: an operation reads more weights than Named lists")
	}
}

// biasOf is the name of a map's bias.
func biasOf(matrix string) string { return matrix + "_bias" }

// normNames lists the vectors of a norm of the model's kind.
func (b *builder) normNames(of string) []string {
	switch {
	case b.m.Norm.Bias():
		return []string{of, biasOf(of)}
	case b.m.Norm.Vectors() > 0:
		return []string{of}
	}
	return nil
}

// storage is how the checkpoint stores the weights of the mixer, network or layer at hand, by their
// names; nil where the checkpoint says nothing about them.
type storage map[string]stored

// stored is a weight in a checkpoint: how much of it there is, and the number format nearest to how
// its values are stored. Bytes a value are a ratio, so that they hold for a rank's share and for a
// part of a merged matrix.
type stored struct {
	bytes, elements float64
	dtype           precision.DType
}

// storedIn is the checkpoint's table of formats for the layer, where that table is used.
func (b *builder) storedIn(l arch.Layer) *arch.StoredWeights {
	if !b.f.stored {
		return nil
	}
	return l.Stored
}

// storageOf looks up the weights of a part of the model in the checkpoint's table.
func (b *builder) storageOf(l arch.Layer, scope string, weights func(int) []arch.Weight) storage {
	table := b.storedIn(l)
	if table == nil {
		return nil
	}
	s := storage{}
	for _, w := range weights(b.m.Width) {
		n := float64(w.Elements())
		s[w.Name] = stored{n * b.f.base.Bytes(), n, b.f.base} // left as it was
		if x, ok := table.Of(scope + w.Name); ok {
			s[w.Name] = stored{float64(x.Bytes), n, x.Format.DType()}
		}
	}
	return s
}

// normStorage looks up the norms in front of and behind a layer's mixer and FFN.
func (b *builder) normStorage(l arch.Layer) storage {
	table := b.storedIn(l)
	if table == nil {
		return nil
	}
	s := storage{}
	for _, name := range arch.LayerNorms() {
		one := stored{b.f.base.Bytes(), 1, b.f.base}
		if x, ok := table.Of(name); ok && x.Format.Said() {
			one = stored{x.Format.PerValue(), 1, x.Format.DType()}
		}
		s[name], s[biasOf(name)] = one, one
	}
	return s
}

// finalNorm is how the norm in front of the head is stored.
func (b *builder) finalNorm(x arch.Stored) storage {
	if !b.f.stored || x == (arch.Stored{}) {
		return nil
	}
	one := stored{float64(x.Bytes), float64(b.m.Norm.Vectors()) * float64(b.m.Width), x.Format.DType()}
	return storage{finalNormName: one, biasOf(finalNormName): one}
}

// head is how the language-model head is stored.
func (b *builder) head(x arch.Stored) storage {
	if !b.f.stored || x == (arch.Stored{}) {
		return nil
	}
	perValue, dtype := b.outside(x)
	return storage{headName: {perValue, 1, dtype}, biasOf(headName): {b.f.base.Bytes(), 1, b.f.base}}
}

// Weights that no list of arch names: a model has one of each.
const (
	finalNormName = "final_norm"
	headName      = "lm_head"
)

// outside is the rate of the embedding or the head, whose format stays the checkpoint's when a
// user asks for quantised weights.
func (b *builder) outside(x arch.Stored) (float64, precision.DType) {
	if b.f.stored && x != (arch.Stored{}) {
		return float64(x.Bytes) / (float64(b.m.Vocab) * float64(b.m.Width)), x.Format.DType()
	}
	return b.f.base.Bytes(), b.f.base
}

// stored adds up weights that an operation reads; the sum is zero where the checkpoint says nothing. A
// name that the part at hand does not list is an error, so that a misspelt one cannot pass for
// another format.
func (b *builder) stored(names ...string) (sum stored) {
	if b.storage == nil {
		return stored{}
	}
	for i, name := range names {
		s, ok := b.storage[name]
		if !ok {
			b.fail("layer %d: %q is read and is none of the weights listed", b.layer, name)
		}
		if i == 0 {
			sum.dtype = s.dtype
		}
		sum.bytes += s.bytes
		sum.elements += s.elements
	}
	return sum
}

// mapUse says which of the user's formats applies to a linear map.
type mapUse uint8

const (
	layerMap  mapUse = iota // the weights' format
	expertMap               // the experts' format
	keptMap                 // none that is quantised: quantisers leave heads and routers as they are
)

// reads has an operation read the map [in]→[out] of a name, once for each unit of the basis.
func (b *builder) reads(o *Op, of string, out, in, basis int, use mapUse) {
	o.Reads.add(of)
	o.Bytes[Weights][basis], o.Weight = b.matrix(of, out, in, use)
}

// matrix is the bytes of the map [in]→[out] that an operation reads, which is the weight of a name
// or a part of it, and the format of its values.
func (b *builder) matrix(of string, out, in int, use mapUse) (float64, precision.DType) {
	n := float64(out) * float64(in)
	if s := b.stored(of); s.elements > 0 {
		return n * (s.bytes / s.elements), s.dtype
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

// vector is how many bytes a value takes in small weights that an operation reads, the mean where
// they differ.
func (b *builder) vector(of ...string) (float64, precision.DType) {
	if s := b.stored(of...); s.elements > 0 {
		return s.bytes / s.elements, s.dtype
	}
	return b.f.base.Bytes(), b.f.base
}
