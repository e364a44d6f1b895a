package calibrate_test

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

func ExampleRead() {
	class, err := kerneltime.ParseClass("gemm")
	if err != nil {
		panic(err)
	}
	_, err = calibrate.Read(strings.NewReader("m,n,k\n1,2,3\n"), "gemm_a100.csv", class)
	fmt.Println(err)
	// Output: gemm_a100.csv:2: dtype: no such column in the header
}
