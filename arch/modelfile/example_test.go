package modelfile_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch/modelfile"
)

func ExampleParse() {
	m, err := modelfile.Parse("small.yaml", []byte(`
name: small
width: 512
vocab: 32000
mixers:
  full: {kind: attention, heads: 8, kv_heads: 2, head_dim: 64}
ffn: {kind: mlp, inner: 2048}
layout: full*4
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Name, m.Params().Total)
	// Output: small 27398656
}
