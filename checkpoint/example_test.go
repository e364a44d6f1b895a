package checkpoint_test

import (
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/checkpoint"
)

func ExampleTypes() {
	fmt.Println(slices.Contains(checkpoint.Types(), "llama"), slices.Contains(checkpoint.Verified(), "llama"))
	// Output: true true
}
