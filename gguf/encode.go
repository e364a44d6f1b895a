package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Encode is the header that Read reads, without any tensor's data: what tests and
// examples make files of. Metadata are of the types of File.Metadata; numbers are written
// in 64 bits, an array in the type of its first value.
func (f *File) Encode() []byte {
	e := encoder{order: binary.LittleEndian}
	if f.BigEndian {
		e.order = binary.BigEndian
	}
	e.buf.WriteString("GGUF")
	e.u32(uint32(f.Version))
	e.u64(uint64(len(f.Tensors)))
	e.u64(uint64(len(f.Metadata)))
	for _, key := range slices.Sorted(maps.Keys(f.Metadata)) {
		e.text(key)
		e.u32(kindOf(f.Metadata[key]))
		e.value(f.Metadata[key])
	}
	for _, t := range f.Tensors {
		e.text(t.Name)
		e.u32(uint32(len(t.Shape)))
		for _, d := range t.Shape {
			e.u64(uint64(d))
		}
		e.u32(uint32(t.Type))
		e.u64(t.Offset)
	}
	return e.buf.Bytes()
}

type encoder struct {
	buf   bytes.Buffer
	order binary.AppendByteOrder
}

func (e *encoder) u32(v uint32) { e.buf.Write(e.order.AppendUint32(nil, v)) }
func (e *encoder) u64(v uint64) { e.buf.Write(e.order.AppendUint64(nil, v)) }

func (e *encoder) text(s string) {
	e.u64(uint64(len(s)))
	e.buf.WriteString(s)
}

func kindOf(v any) uint32 {
	switch v.(type) {
	case uint64:
		return typeU64
	case int64:
		return typeI64
	case float64:
		return typeF64
	case bool:
		return typeBool
	case string:
		return typeText
	case Array:
		return typeArray
	}
	panic(fmt.Sprintf("gguf: no metadata type for %T", v))
}

func (e *encoder) value(v any) {
	switch v := v.(type) {
	case uint64:
		e.u64(v)
	case int64:
		e.u64(uint64(v))
	case float64:
		e.u64(math.Float64bits(v))
	case bool:
		b := byte(0)
		if v {
			b = 1
		}
		e.buf.WriteByte(b)
	case string:
		e.text(v)
	case Array:
		kind := uint32(typeU64)
		if len(v.Values) > 0 {
			kind = kindOf(v.Values[0])
		}
		e.u32(kind)
		e.u64(uint64(len(v.Values)))
		for _, x := range v.Values {
			e.value(x)
		}
	}
}
