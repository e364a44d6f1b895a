package execution_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/execution"
)

func ExampleParseKVRead() {
	k, err := execution.ParseKVRead("packed_unless_windowed")
	if err != nil {
		panic(err)
	}
	fmt.Println("a layer with a window reads per query head:", k.PerQueryHead(true))
	fmt.Println("a layer without one:", k.PerQueryHead(false))
	// Output:
	// a layer with a window reads per query head: true
	// a layer without one: false
}
