package safetensors

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func build(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestOpen(t *testing.T) {
	data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5))
	data = binary.LittleEndian.AppendUint32(data, math.Float32bits(-2))
	data = binary.LittleEndian.AppendUint64(data, math.Float64bits(math.Pi))
	minus := int64(-3)
	data = binary.LittleEndian.AppendUint64(data, uint64(minus))
	f, err := Open(build(`{"__metadata__":{"op":"x"},
		"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},
		"b":{"dtype":"F64","shape":[],"data_offsets":[8,16]},
		"c":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},
		"e":{"dtype":"F32","shape":[3,0],"data_offsets":[8,8]}}   `, data))
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Tensors["a"].Float32s()
	if err != nil || len(a) != 2 || a[0] != 1.5 || a[1] != -2 {
		t.Errorf("a = %v, %v", a, err)
	}
	b, err := f.Tensors["b"].Float64s()
	if err != nil || len(b) != 1 || b[0] != math.Pi {
		t.Errorf("b = %v, %v", b, err)
	}
	c, err := f.Tensors["c"].Ints()
	if err != nil || len(c) != 1 || c[0] != -3 {
		t.Errorf("c = %v, %v", c, err)
	}
	if n := f.Tensors["e"].Len(); n != 0 || f.Metadata["op"] != "x" {
		t.Errorf("e has %d elements, op %q", n, f.Metadata["op"])
	}
	if _, err := f.Tensors["c"].Float32s(); err == nil {
		t.Error("I64 read as floats")
	}
	if _, err := f.Tensors["a"].Ints(); err == nil {
		t.Error("F32 read as integers")
	}
}

func TestBadFiles(t *testing.T) {
	huge := make([]byte, 8)
	binary.LittleEndian.PutUint64(huge, 1<<40)
	for name, tc := range map[string]struct {
		file []byte
		want string
	}{
		"empty":           {nil, "0 bytes are too few"},
		"huge header":     {huge, "longer than 100000000"},
		"past the file":   {append(binary.LittleEndian.AppendUint64(nil, 50), "{}"...), "does not fit in a file of 10"},
		"no JSON":         {build("[]", nil), "not a JSON object"},
		"broken JSON":     {build(`{"a":`, nil), "not a JSON object"},
		"rest":            {build(`{}{}`, nil), "2 bytes after"},
		"metadata":        {build(`{"__metadata__":3}`, nil), "not a map of strings"},
		"truncated":       {build(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 7)), "outside the 7 bytes"},
		"negative":        {build(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}`, make([]byte, 8)), "outside"},
		"backwards":       {build(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, make([]byte, 8)), "outside"},
		"dtype":           {build(`{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 8)), `unknown dtype "F99"`},
		"shape":           {build(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, make([]byte, 8)), "needs 12 bytes"},
		"negative shape":  {build(`{"a":{"dtype":"F32","shape":[-2,-1],"data_offsets":[0,8]}}`, make([]byte, 8)), "negative dimension"},
		"overflow":        {build(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}`, make([]byte, 8)), "too large"},
		"fraction":        {build(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}}`, make([]byte, 8)), "a shape of whole numbers"},
		"missing":         {build(`{"a":{"dtype":"F32","shape":[1]}}`, make([]byte, 8)), "needs dtype, shape and data_offsets"},
		"overlap":         {build(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, make([]byte, 12)), "overlap"},
		"same":            {build(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 8)), "overlap"},
		"inside":          {build(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, make([]byte, 12)), "overlap"},
		"name twice":      {build(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, make([]byte, 8)), "twice"},
		"deep nesting":    {build(strings.Repeat("[", 100000), nil), "not a JSON object"},
		"overflow to fit": {build(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, nil), "too large"},
	} {
		_, err := Open(tc.file)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, tc.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	files, err := filepath.Glob("../golden/testdata/gmu_0.safetensors")
	if err != nil || len(files) != 1 {
		f.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(build(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}`, make([]byte, 16)))
	f.Add(build(`{}`, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than a line: %q", err)
			}
			return
		}
		total := 0
		for name, x := range file.Tensors {
			n := 1
			for _, d := range x.Shape {
				n *= d
			}
			if n != x.Len() || name != x.Name {
				t.Errorf("%s: shape %v, %d elements", name, x.Shape, x.Len())
			}
			total += len(x.data)
			switch x.DType {
			case "F32", "F64":
				if v, err := x.Float32s(); err != nil || len(v) != n {
					t.Error(err)
				}
			case "I32", "I64":
				if v, err := x.Ints(); err != nil || len(v) != n {
					t.Error(err)
				}
			}
		}
		if total > len(b) {
			t.Errorf("%d bytes of tensors in a file of %d", total, len(b))
		}
	})
}
