package kernels

import (
	"github.com/OWNER/ridgeline/arch"
)

// memory is what a layer gave to later layers in the current call.
type memory struct {
	buf []float32
	mat mat
}

// source returns the memory of a kind that this layer gives to later ones, or nil. readAll says
// that a layer which computes all rows reads it.
func (c *call) source(kind arch.MemoryKind) (m *memory, readAll bool) {
	key := memoryKey{c.layer, kind}
	m = c.s.memories[key]
	if m == nil || !c.handsOn(kind) {
		return nil, false
	}
	return m, !c.skip || c.s.model.memories[key] < c.s.model.skipFrom
}

// handsOn reports whether the current mixer makes the layer's memory. Of parallel mixers, the
// first that can make it does; the memories output and branch belong to the whole layer.
func (c *call) handsOn(kind arch.MemoryKind) bool {
	if kind == arch.OutputMemory || kind == arch.MLPMemory {
		return true
	}
	for i, p := range arch.Parts(c.s.model.arch.Layers[c.layer].Mixer) {
		if p.HandsOn(kind) > 0 {
			return i == c.mixer
		}
	}
	return false
}

// remember makes room for a memory of a kind: for all rows (step 1), or for every step-th row
// where only the last row of each sequence is needed. step is 0 where no GMU reads such a memory.
func (c *call) remember(kind arch.MemoryKind, rows, cols int) (to mat, step int) {
	m, readAll := c.source(kind)
	if m == nil {
		return mat{}, 0
	}
	step = 1
	if !readAll {
		step = rows / c.s.batch
	}
	return m.sized(rows/step, cols), step
}

func (m *memory) sized(rows, cols int) mat {
	if len(m.buf) < rows*cols {
		m.buf = make([]float32, rows*cols)
	}
	m.mat = newMat(m.buf, rows, cols)
	return m.mat
}

// keep returns a matrix for a tensor. Where a GMU reads the tensor, the matrix is part of the
// memory.
func (c *call) keep(kind arch.MemoryKind, rows, cols int) mat {
	return c.keepWide(kind, rows, cols, cols)
}

// keepWide does the same as keep for a matrix of which only the last some columns are the memory.
func (c *call) keepWide(kind arch.MemoryKind, rows, cols, some int) mat {
	m, _ := c.source(kind)
	if m == nil {
		return c.mat(rows, cols)
	}
	all := m.sized(rows, cols)
	m.mat = all.part(cols-some, some)
	return all
}

// memory returns the memory of a layer for the rows that the current layer computes.
func (c *call) memory(from arch.Ref, kind arch.MemoryKind, rows int) mat {
	s, _ := from.Layer()
	m := c.s.memories[memoryKey{s, kind}].mat
	if m.rows > rows {
		return m.last(m.rows / rows)
	}
	return m
}
