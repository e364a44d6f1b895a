package measure_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/hardware/measure"
)

func ExampleStreamBytes() {
	const MiB = 1 << 20
	fmt.Println(measure.StreamBytes(32*MiB, 1024*MiB)/MiB, "MiB are streamed past a cache of 32 MiB")
	fmt.Println(measure.StreamBytes(480*MiB, 1024*MiB)/MiB, "MiB past one of 480 MiB, where 1024 MiB may be taken")
	// Output:
	// 256 MiB are streamed past a cache of 32 MiB
	// 1024 MiB past one of 480 MiB, where 1024 MiB may be taken
}
