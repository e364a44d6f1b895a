package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/OWNER/ridgeline/formats"
)

// decoder reads a header. The first error sticks, with the byte it was found at.
type decoder struct {
	in    *bufio.Reader
	at    int64
	order binary.ByteOrder
	err   error
	buf   [8]byte
}

func newDecoder(r io.Reader) *decoder {
	return &decoder{in: bufio.NewReaderSize(io.LimitReader(r, maxHeader), 1<<16), order: binary.LittleEndian}
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("byte %d: %s", d.at, fmt.Sprintf(format, args...))
	}
}

// take reads n ≤ 8 bytes.
func (d *decoder) take(n int) []byte {
	b := d.buf[:n]
	if d.err != nil {
		clear(b)
		return b
	}
	if _, err := io.ReadFull(d.in, b); err != nil {
		d.ended(err)
		clear(b)
		return b
	}
	d.at += int64(n)
	return b
}

func (d *decoder) ended(err error) {
	switch {
	case d.at >= maxHeader-16:
		d.fail("the header is longer than %d MiB", maxHeader>>20)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		d.fail("the file ends within its header")
	default:
		d.fail("%v", err)
	}
}

func (d *decoder) u32() uint32 { return d.order.Uint32(d.take(4)) }
func (d *decoder) u64() uint64 { return d.order.Uint64(d.take(8)) }

// length reads a count and refuses one past its limit.
func (d *decoder) length(what string, most uint64) int {
	n := d.u64()
	if n > most {
		d.fail("%s %d is more than %d", what, n, most)
		return 0
	}
	return int(n)
}

// name reads a text of bounded length.
func (d *decoder) name(what string) string {
	n := d.length("length of "+what, maxName)
	b := make([]byte, n)
	if d.err != nil {
		return ""
	}
	if _, err := io.ReadFull(d.in, b); err != nil {
		d.ended(err)
		return ""
	}
	d.at += int64(n)
	return string(b)
}

// text reads a value; of a long one the start is kept.
func (d *decoder) text(keep bool) string {
	n := d.length("length of a text", maxHeader)
	kept := 0
	if keep {
		kept = min(n, keepText)
	}
	b := make([]byte, kept)
	if d.err != nil {
		return ""
	}
	if _, err := io.ReadFull(d.in, b); err != nil {
		d.ended(err)
		return ""
	}
	if _, err := d.in.Discard(n - kept); err != nil {
		d.ended(err)
		return ""
	}
	d.at += int64(n)
	return string(b)
}

func (d *decoder) file() *File {
	f := &File{Metadata: map[string]any{}}
	if magic := string(d.take(4)); d.err == nil && magic != "GGUF" {
		d.err = fmt.Errorf("not a GGUF file: it starts with %s", quoted(magic))
		return f
	}
	v := d.u32()
	if v&0xffff == 0 && v != 0 { // written by a machine of the other byte order
		d.order, f.BigEndian = binary.BigEndian, true
		v = v>>24 | v>>8&0xff00
	}
	if d.err == nil && v != 2 && v != 3 {
		d.fail("version %d is not one of 2 and 3", v)
	}
	f.Version = int(v)
	tensors := d.length("the number of tensors", maxTensors)
	metadata := d.length("the number of metadata", maxMetadata)
	for range metadata {
		key := d.name("a key")
		if d.err != nil {
			return f
		}
		if _, twice := f.Metadata[key]; twice {
			d.fail("key %s appears twice", quoted(key))
			return f
		}
		f.Metadata[key] = d.value(d.u32(), true, 0)
		if d.err != nil {
			d.err = fmt.Errorf("%w (key %s)", d.err, quoted(key))
			return f
		}
	}
	for range tensors {
		t := d.tensor()
		if d.err != nil {
			return f
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f
}

func (d *decoder) tensor() Tensor {
	t := Tensor{Name: d.name("a tensor's name")}
	n := d.u32()
	if d.err == nil && n > maxDims {
		d.fail("tensor %s has %d dimensions, more than %d", quoted(t.Name), n, maxDims)
	}
	elements := int64(1)
	for range n {
		size := d.u64()
		if d.err != nil {
			return t
		}
		const most = math.MaxInt64 / 64 // so that bytes fit too
		if size == 0 || size > most || elements > int64(most/size) {
			d.fail("tensor %s has a dimension of %d", quoted(t.Name), size)
			return t
		}
		elements *= int64(size)
		t.Shape = append(t.Shape, int64(size))
	}
	t.Type = formats.GGUF(d.u32())
	t.Offset = d.u64()
	if d.err == nil && !t.Type.Known() {
		d.fail("tensor %s is of %s, whose layout is not known", quoted(t.Name), t.Type)
	}
	if d.err == nil && len(t.Shape) > 0 && t.Shape[0]%int64(t.Type.BlockValues()) != 0 {
		d.fail("tensor %s has rows of %d, no whole blocks of %s", quoted(t.Name), t.Shape[0], t.Type)
	}
	return t
}

// The types of metadata values.
const (
	typeU8 = iota
	typeI8
	typeU16
	typeI16
	typeU32
	typeI32
	typeF32
	typeBool
	typeText
	typeArray
	typeU64
	typeI64
	typeF64
)

// value reads one value; keep is false for those of long arrays.
func (d *decoder) value(kind uint32, keep bool, depth int) any {
	switch kind {
	case typeU8:
		return uint64(d.take(1)[0])
	case typeI8:
		return int64(int8(d.take(1)[0]))
	case typeU16:
		return uint64(d.order.Uint16(d.take(2)))
	case typeI16:
		return int64(int16(d.order.Uint16(d.take(2))))
	case typeU32:
		return uint64(d.u32())
	case typeI32:
		return int64(int32(d.u32()))
	case typeF32:
		return float64(math.Float32frombits(d.u32()))
	case typeBool:
		return d.take(1)[0] != 0
	case typeText:
		return d.text(keep)
	case typeU64:
		return d.u64()
	case typeI64:
		return int64(d.u64())
	case typeF64:
		return math.Float64frombits(d.u64())
	case typeArray:
		return d.array(keep, depth)
	}
	d.fail("a value of unknown type %d", kind)
	return nil
}

func (d *decoder) array(keep bool, depth int) Array {
	kind := d.u32()
	n := d.length("the length of an array", maxHeader)
	if depth >= 4 {
		d.fail("arrays nest more than 4 deep")
	}
	keep = keep && n <= keepValues
	a := Array{Len: n}
	for range n {
		if d.err != nil {
			return a
		}
		v := d.value(kind, keep, depth+1)
		if keep {
			a.Values = append(a.Values, v)
		}
	}
	return a
}

// quoted is a name as errors show it.
func quoted(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:59]) + "…"
	}
	return strconv.Quote(s)
}
