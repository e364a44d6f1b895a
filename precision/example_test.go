package precision_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/precision"
)

func ExampleParse() {
	for _, s := range []string{"bf16", "fp8", "int4"} {
		d, err := precision.Parse(s)
		if err != nil {
			panic(err)
		}
		fmt.Println(d, d.Bytes(), "bytes a value")
	}
	// Output:
	// bf16 2 bytes a value
	// fp8 1 bytes a value
	// int4 0.515625 bytes a value
}
