package golden

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestEmbedded(t *testing.T) {
	results, err := Run(context.Background(), Embedded(), nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Run(context.Background(), os.DirFS("testdata/whole"), nil)
	if err != nil {
		t.Fatal(err)
	}
	results = append(results, whole...)
	if len(results) != 17 {
		t.Errorf("%d files, want 17", len(results))
	}
	for _, r := range results {
		t.Logf("%-32s %-18s %.2e %s", r.File, r.Op, r.MaxRelErr, r.Worst)
		if !r.OK || r.Skipped {
			t.Errorf("%s: ok %v, skipped %v, error %g at %s", r.File, r.OK, r.Skipped, r.MaxRelErr, r.Worst)
		}
	}
}

// A reference that is off by more than the tolerance must fail, output by output.
func TestAWrongReferenceFails(t *testing.T) {
	for _, name := range []string{"attention_2", "mamba1_scan_0", "mamba2_ssd_0", "gated_delta_rule_0", "gmu_0", "ngmu_1", "sigmoid_gmu_0", "whole/phi4flash_8l"} {
		b, err := os.ReadFile("testdata/" + name + ".safetensors")
		if err != nil {
			t.Fatal(err)
		}
		n := binary.LittleEndian.Uint64(b)
		var header map[string]struct {
			DType   string    `json:"dtype"`
			Offsets [2]uint64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(b[8:8+n], &header); err != nil {
			t.Fatal(err)
		}
		tried := 0
		for tensor, h := range header {
			if h.DType != "F64" { // the outputs
				continue
			}
			bad := append([]byte(nil), b...)
			out := bad[8+n:][h.Offsets[0]:h.Offsets[1]]
			for i := 0; i < len(out); i += 8 {
				v := math.Float64frombits(binary.LittleEndian.Uint64(out[i:]))
				binary.LittleEndian.PutUint64(out[i:], math.Float64bits(v*1.001))
			}
			rs, err := Run(context.Background(), fstest.MapFS{"x.safetensors": {Data: bad}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if rs[0].OK || rs[0].Worst != tensor {
				t.Errorf("%s: %s off by 0.1 %% is %+v", name, tensor, rs[0])
			}
			tried++
		}
		if tried == 0 {
			t.Errorf("%s has no outputs", name)
		}
	}
}

func file1(header, data string) fs.FS {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return fstest.MapFS{"x.safetensors": {Data: append(append(b, header...), data...)}}
}

func TestUnknownOpIsSkipped(t *testing.T) {
	rs, err := Run(context.Background(), file1(`{"__metadata__":{"op":"telepathy"}}`, ""), nil)
	if err != nil || len(rs) != 1 || !rs[0].Skipped || rs[0].OK {
		t.Errorf("%+v, %v", rs, err)
	}
}

// A file without any reference output proves nothing.
func TestNothingComparedIsNotOK(t *testing.T) {
	rs, err := Run(context.Background(), file1(`{"__metadata__":{"op":"gmu"},
		"x":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,4]},"memory":{"dtype":"F32","shape":[1,1,1],"data_offsets":[4,8]},
		"w_in":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},"w_out":{"dtype":"F32","shape":[1,1],"data_offsets":[12,16]}}`, strings.Repeat("\x00\x00\x80?", 4)), nil)
	if err != nil || rs[0].OK {
		t.Errorf("%+v, %v", rs, err)
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	for name, f := range map[string]fs.FS{
		"no files":       fstest.MapFS{},
		"broken":         fstest.MapFS{"x.safetensors": {Data: []byte("nonsense")}},
		"missing tensor": file1(`{"__metadata__":{"op":"attention"}}`, ""),
		"wrong shape":    file1(`{"__metadata__":{"op":"gmu"},"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, strings.Repeat("\x00", 16)),
		"empty":          file1(`{"__metadata__":{"op":"attention"},"q":{"dtype":"F32","shape":[0,1,1,1],"data_offsets":[0,0]},"k":{"dtype":"F32","shape":[0,1,1,1],"data_offsets":[0,0]}}`, ""),
		"no metadata":    file1(`{"__metadata__":{"op":"phi4flash"}}`, ""),
		"layers":         file1(`{"__metadata__":{"op":"phi4flash","hidden_size":"8","num_hidden_layers":"3","num_attention_heads":"2","num_key_value_heads":"2","vocab_size":"5","intermediate_size":"8"}}`, ""),
		"not causal":     file1(`{"__metadata__":{"op":"attention","causal":"0"},"q":{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[0,4]},"k":{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[4,8]}}`, "abcdefgh"),
	} {
		_, err := Run(context.Background(), f, nil)
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Log(err)
		}
	}
}

func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	rs, err := Run(ctx, Embedded(), func(Result) { cancel() })
	if !errors.Is(err, context.Canceled) || len(rs) != 1 {
		t.Errorf("%d results, %v", len(rs), err)
	}
}
