package golden

import (
	"context"
	"encoding/binary"
	"io/fs"
	"math"
	"strings"
	"testing"
	"testing/fstest"
)

// A golden file whose header was changed in any way is refused on one line, or its kernel
// runs and the outcome is a number: never a crash, whatever shapes and attributes it names.
func FuzzContents(f *testing.F) {
	for _, name := range []string{"gmu_0", "ngmu_0", "sigmoid_gmu_0", "attention_0", "mamba1_scan_0", "mamba2_ssd_0", "gated_delta_rule_0"} {
		b, err := fs.ReadFile(Embedded(), name+".safetensors")
		if err != nil {
			f.Fatal(err)
		}
		n := binary.LittleEndian.Uint64(b)
		f.Add(string(b[8:8+n]), len(b)-8-int(n))
	}
	f.Fuzz(func(t *testing.T, header string, size int) {
		if size < 0 || size > 1<<20 || len(header) > 1<<14 {
			return
		}
		b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
		b = append(append(b, header...), make([]byte, size)...)
		rs, err := Run(context.Background(), fstest.MapFS{"x.safetensors": {Data: b}}, nil)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "x.safetensors") {
				t.Fatalf("%q", err)
			}
			return
		}
		for _, r := range rs {
			if math.IsNaN(r.MaxRelErr) || math.IsInf(r.MaxRelErr, 0) {
				t.Fatalf("%+v", r)
			}
		}
	})
}
