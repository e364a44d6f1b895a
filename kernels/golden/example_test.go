package golden_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/OWNER/ridgeline/kernels/golden"
)

func ExampleRun() {
	file, err := fs.ReadFile(golden.Embedded(), "gmu_0.safetensors")
	if err != nil {
		panic(err)
	}
	results, err := golden.Run(context.Background(), fstest.MapFS{"gmu_0.safetensors": {Data: file}}, nil)
	if err != nil {
		panic(err)
	}
	for _, r := range results {
		fmt.Println(r.File, r.OK)
	}
	// Output: gmu_0.safetensors true
}
