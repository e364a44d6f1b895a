package gguf_test

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/gguf"
)

func ExampleRead() {
	_, err := gguf.Read(strings.NewReader("not a model"))
	fmt.Println(err)
	// Output: not a GGUF file: it starts with "not "
}
