package crosscheck_test

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/kernels/crosscheck"
)

func ExampleCounts() {
	r, err := crosscheck.Counts(context.Background(), 3, 1, nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Cases, "random models executed,", r.Mismatches, "counted otherwise than predicted")
	// Output: 3 random models executed, 0 counted otherwise than predicted
}
