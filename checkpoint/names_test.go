package checkpoint_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/checkpoint"
	"github.com/OWNER/ridgeline/kernels"
)

// Every weight of every public configuration whose type has a table has a place in the
// checkpoint, and no two weights of a layer lie in one tensor.
func TestTablesNameEveryWeight(t *testing.T) {
	data, err := os.ReadFile("../arch/hf/testdata/real.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name   string
		Config json.RawMessage
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(data), "Infinity", "1e300")), &all); err != nil {
		t.Fatal(err)
	}
	seen, known := map[string]bool{}, checkpoint.Types()
	for _, c := range all {
		typ := hf.TypeOf(c.Config)
		if !slices.Contains(known, typ) {
			continue
		}
		m, err := hf.Import(c.Name, c.Config)
		if err != nil {
			continue
		}
		seen[typ] = true
		var names []string
		for _, x := range kernels.Tensors(m) {
			names = append(names, x.Name)
		}
		where, err := checkpoint.Weights(typ, m, names)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		taken := map[string]string{}
		for _, name := range names {
			if len(where[name].Tensors) == 0 {
				t.Errorf("%s: %s lies in no tensor", c.Name, name)
			}
			for _, tensor := range where[name].Tensors {
				if other, ok := taken[tensor]; ok {
					t.Errorf("%s: %s and %s both lie in %s", c.Name, other, name, tensor)
				}
				taken[tensor] = name
			}
		}
	}
	for _, typ := range []string{"kimi_linear", "minimax_m1", "olmo_hybrid", "recurrent_gemma", "rwkv", "xlstm", "zamba", "zamba2"} {
		if !seen[typ] {
			t.Errorf("no configuration of %s", typ)
		}
	}
}
