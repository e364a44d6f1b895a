// Package gguf reads the header of a GGUF file: what the metadata say and the name,
// type and shape of every tensor. The tensors' data are never read, so that the header of
// a 400 GB file takes milliseconds.
//
// Versions 2 and 3 in either byte order (ggml/docs/gguf.md). Shapes are in ggml's order,
// the dimension that lies together in memory first: a linear map is [in, out].
package gguf

import (
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/internal/input"
)

// Limits on a header. Real ones have up to 60 metadata and 2,000 tensors; a vocabulary
// of 260,000 words takes 15 MB.
const (
	maxHeader   = 512 << 20
	maxMetadata = 1 << 16
	maxTensors  = 1 << 20
	maxName     = 1 << 16
	maxDims     = 4
	maxShards   = 1 << 10
	keepValues  = 1 << 13 // longer arrays are counted, not kept
	keepText    = 1 << 16 // longer texts are cut
)

// File is the header of a GGUF file, or of all the shards of one.
type File struct {
	Version   int
	BigEndian bool
	Metadata  map[string]any // uint64, int64, float64, bool, string or Array
	Tensors   []Tensor
}

// Array is a list among the metadata. Values are kept where they are numbers, flags or
// short texts and no more than 8,192.
type Array struct {
	Len    int
	Values []any
}

// Tensor is what the header says of a tensor.
type Tensor struct {
	Name   string
	Type   formats.GGUF
	Shape  []int64 // ggml's order: [in, out, experts]
	Offset uint64
}

// Elements is the number of values.
func (t *Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes is what the tensor takes in the file.
func (t *Tensor) Bytes() int64 {
	if len(t.Shape) == 0 {
		return formats.InGGUF(t.Type).Bytes(1, 1)
	}
	rows := t.Elements() / t.Shape[0]
	return formats.InGGUF(t.Type).Bytes(int(rows), int(t.Shape[0]))
}

// shard is how llama.cpp names the parts of a split file.
var shard = regexp.MustCompile(`^(.*-)(\d{5})-of-(\d{5})(\.gguf)$`)

// Open reads the header of a file; of one shard of a split file, those of all shards.
func Open(path string) (*File, error) {
	f, err := openOne(path)
	if err != nil {
		return nil, err
	}
	count, split := f.Metadata["split.count"].(uint64)
	if !split || count <= 1 {
		return f, nil
	}
	name := shard.FindStringSubmatch(path)
	if name == nil {
		return nil, fmt.Errorf("%s: one of %d shards, but not named …-00001-of-%05d.gguf", path, count, count)
	}
	if total, _ := strconv.ParseUint(name[3], 10, 64); total != count || count > maxShards {
		return nil, fmt.Errorf("%s: split.count is %d", path, count)
	}
	var whole *File
	for i := uint64(1); i <= count; i++ {
		p := fmt.Sprintf("%s%05d-of-%s%s", name[1], i, name[3], name[4])
		s, err := openOne(p)
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = s
			continue
		}
		whole.Tensors = append(whole.Tensors, s.Tensors...)
	}
	if err := whole.unique(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n, ok := whole.Metadata["split.tensors.count"]; ok && fmt.Sprint(n) != strconv.Itoa(len(whole.Tensors)) {
		return nil, fmt.Errorf("%s: the shards hold %d tensors, split.tensors.count is %v", path, len(whole.Tensors), n)
	}
	return whole, nil
}

func openOne(path string) (*File, error) {
	in, err := input.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	f, err := Read(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Read reads a header from the start of r.
func Read(r io.Reader) (*File, error) {
	d := newDecoder(r)
	f := d.file()
	if d.err != nil {
		return nil, d.err
	}
	if err := f.unique(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) unique() error {
	seen := make(map[string]bool, len(f.Tensors))
	for i := range f.Tensors {
		if seen[f.Tensors[i].Name] {
			return fmt.Errorf("tensor %s appears twice", quoted(f.Tensors[i].Name))
		}
		seen[f.Tensors[i].Name] = true
	}
	return nil
}
