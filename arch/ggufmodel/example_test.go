package ggufmodel_test

import (
	"fmt"
	"slices"

	"ridgeline/arch/ggufmodel"
)

func ExampleArchitectures() {
	fmt.Println(slices.Contains(ggufmodel.Architectures(), "llama"))
	// Output: true
}
