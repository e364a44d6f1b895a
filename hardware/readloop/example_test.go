package readloop_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/hardware/readloop"
)

func ExampleBytes() {
	x := make([]float32, 1<<20) // 4 MiB are read
	x[7] = 1
	fmt.Println(readloop.Bytes(x, 1) != readloop.Bytes(make([]float32, 1<<20), 1))
	// Output: true
}
