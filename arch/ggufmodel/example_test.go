package ggufmodel_test

import (
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/arch/ggufmodel"
)

func ExampleArchitectures() {
	fmt.Println(slices.Contains(ggufmodel.Architectures(), "llama"))
	// Output: true
}
