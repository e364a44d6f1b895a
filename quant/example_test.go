package quant_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/quant"
)

func ExampleRead() {
	r, err := quant.Read("quantization_config", map[string]any{"quant_method": "awq", "bits": 4.0, "group_size": 128.0, "zero_point": true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Method)
	// Output: awq
}
