// Package safetensors reads the safetensors format: eight bytes of little-endian
// header length, a JSON header, then the data. Only what a file says of itself is
// believed, and only after checking: lengths against the file, shapes against offsets,
// offsets against each other.
//
// Source: github.com/huggingface/safetensors, README "Format".
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"sort"
)

// MaxHeader is the longest header read, as the reference implementation has it.
const MaxHeader = 100_000_000

// Tensor is one tensor of a file. The numbers stay in the file's bytes until asked for.
type Tensor struct {
	Name  string
	DType string // "F32", "F64", "I64", ...
	Shape []int
	data  []byte
}

// File is an open file.
type File struct {
	Metadata map[string]string
	Tensors  map[string]*Tensor
}

// sizes of the number formats in bytes.
func size(dtype string) int {
	switch dtype {
	case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2":
		return 1
	case "U16", "I16", "F16", "BF16":
		return 2
	case "U32", "I32", "F32":
		return 4
	case "U64", "I64", "F64":
		return 8
	}
	return 0
}

type entry struct {
	DType   *string   `json:"dtype"`
	Shape   *[]int64  `json:"shape"`
	Offsets *[2]int64 `json:"data_offsets"`
}

// Open reads a whole file's bytes.
func Open(b []byte) (*File, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("safetensors: %d bytes are too few for a header length", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n > MaxHeader {
		return nil, fmt.Errorf("safetensors: header of %d bytes is longer than %d", n, MaxHeader)
	}
	if n > uint64(len(b)-8) {
		return nil, fmt.Errorf("safetensors: header of %d bytes does not fit in a file of %d", n, len(b))
	}
	raw, err := header(b[8 : 8+n])
	if err != nil {
		return nil, err
	}
	f := &File{Tensors: map[string]*Tensor{}}
	data := b[8+n:]
	type extent struct {
		from, to int64
		name     string
	}
	var used []extent
	for name, j := range raw {
		if name == "__metadata__" {
			if err := json.Unmarshal(j, &f.Metadata); err != nil {
				return nil, fmt.Errorf("safetensors: __metadata__ is not a map of strings")
			}
			continue
		}
		t, from, to, err := tensor(name, j, data)
		if err != nil {
			return nil, err
		}
		f.Tensors[name] = t
		used = append(used, extent{from, to, name})
	}
	sort.Slice(used, func(i, j int) bool {
		if used[i].from != used[j].from {
			return used[i].from < used[j].from
		}
		return used[i].to < used[j].to
	})
	for i := 1; i < len(used); i++ {
		if used[i].from < used[i-1].to {
			return nil, fmt.Errorf("safetensors: tensors %q and %q overlap", used[i-1].name, used[i].name)
		}
	}
	return f, nil
}

// header parses the outer object and refuses a name given twice.
func header(b []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	bad := func() error {
		return fmt.Errorf("safetensors: the header is not a JSON object: it is broken at byte %d", 8+d.InputOffset())
	}
	open, err := d.Token()
	if err != nil {
		return nil, bad()
	}
	if open != json.Delim('{') {
		return nil, bad()
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, bad()
		}
		name, _ := key.(string)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("safetensors: tensor %q appears twice", name)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, bad()
		}
		out[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, bad()
	}
	if rest := bytes.TrimSpace(b[d.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("safetensors: %d bytes after the header's JSON", len(rest))
	}
	return out, nil
}

func tensor(name string, j json.RawMessage, data []byte) (t *Tensor, from, to int64, err error) {
	fail := func(format string, args ...any) (*Tensor, int64, int64, error) {
		return nil, 0, 0, fmt.Errorf("safetensors: tensor %q: %s", name, fmt.Sprintf(format, args...))
	}
	var e entry
	if err := json.Unmarshal(j, &e); err != nil {
		return fail("its entry needs a dtype, a shape of whole numbers and two data_offsets")
	}
	if e.DType == nil || e.Shape == nil || e.Offsets == nil {
		return fail("needs dtype, shape and data_offsets")
	}
	width := size(*e.DType)
	if width == 0 {
		return fail("unknown dtype %q", *e.DType)
	}
	n := int64(1)
	shape := make([]int, 0, min(len(*e.Shape), 16))
	for _, d := range *e.Shape {
		if d < 0 {
			return fail("shape %v has a negative dimension", *e.Shape)
		}
		if d > 0 && n > math.MaxInt64/8/d {
			return fail("shape is too large")
		}
		n *= d
		shape = append(shape, int(d))
	}
	from, to = e.Offsets[0], e.Offsets[1]
	if from < 0 || to < from || to > int64(len(data)) {
		return fail("data_offsets [%d,%d] lie outside the %d bytes of data", from, to, len(data))
	}
	if to-from != n*int64(width) {
		return fail("%s %v needs %d bytes, data_offsets span %d", *e.DType, *e.Shape, n*int64(width), to-from)
	}
	return &Tensor{Name: name, DType: *e.DType, Shape: shape, data: data[from:to]}, from, to, nil
}

// Len is the number of elements.
func (t *Tensor) Len() int { return len(t.data) / size(t.DType) }

// Float64s returns the numbers of an F32 or F64 tensor.
func (t *Tensor) Float64s() ([]float64, error) {
	out := make([]float64, t.Len())
	switch t.DType {
	case "F32":
		for i := range out {
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(t.data[4*i:])))
		}
	case "F64":
		for i := range out {
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.data[8*i:]))
		}
	default:
		return nil, fmt.Errorf("safetensors: tensor %q is %s, not F32 or F64", t.Name, t.DType)
	}
	return out, nil
}

// Float32s returns the numbers of an F32 or F64 tensor, rounded to float32.
func (t *Tensor) Float32s() ([]float32, error) {
	wide, err := t.Float64s()
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(wide))
	for i, v := range wide {
		out[i] = float32(v)
	}
	return out, nil
}

// Ints returns the numbers of an I64 or I32 tensor.
func (t *Tensor) Ints() ([]int, error) {
	out := make([]int, t.Len())
	switch t.DType {
	case "I32":
		for i := range out {
			out[i] = int(int32(binary.LittleEndian.Uint32(t.data[4*i:])))
		}
	case "I64":
		for i := range out {
			out[i] = int(int64(binary.LittleEndian.Uint64(t.data[8*i:])))
		}
	default:
		return nil, fmt.Errorf("safetensors: tensor %q is %s, not I64 or I32", t.Name, t.DType)
	}
	return out, nil
}
