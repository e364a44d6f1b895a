package formats_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/formats"
)

func ExampleParse() {
	for _, s := range []string{"bf16", "fp8", "mxfp4"} {
		f, err := formats.Parse(s)
		if err != nil {
			panic(err)
		}
		fmt.Println(f, f.Bytes(4096, 4096), "bytes for 4096 × 4096")
	}
	// Output:
	// bf16 33554432 bytes for 4096 × 4096
	// fp8 16777220 bytes for 4096 × 4096
	// mxfp4 8912896 bytes for 4096 × 4096
}
