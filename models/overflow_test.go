package models

import (
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"
)

// Sizes that are each allowed may not multiply to more parameters than 64 bits can count
// and price.
func TestSizesThatOverflow(t *testing.T) {
	const attention = `width: 16777216
vocab: 16777216
layout: (a)*4096
mixers:
  a: {kind: attention, heads: 16777216, kv_heads: 16777216, head_dim: 16777216}
ffn: {kind: swiglu, inner: 16777216}
`
	const mamba2 = `width: 16777216
vocab: 1000
layout: (a)*4
mixers:
  a: {kind: mamba2, heads: 16777216, head_dim: 600000, d_state: 16, groups: 1, d_conv: 4}
ffn: none
`
	for _, text := range []string{attention, mamba2} {
		_, err := modelfile.Parse("f.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), "parameters, more than 1e+15") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := family.ParseSpec("sambay-2(d=4096,d_state=1k)"); err == nil || !strings.Contains(err.Error(), "parameters, more than 1e+15") {
		t.Errorf("a family of 1.7e16 parameters: error %v", err)
	}
}
