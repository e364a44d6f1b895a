package kerneltime_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
)

func ExampleFor() {
	hw, err := hardware.Open("a100-80gb")
	if err != nil {
		panic(err)
	}
	p, err := kerneltime.For(hw)
	if err != nil {
		panic(err)
	}
	fmt.Println("matrix products:", p.Basis(kerneltime.ClassGEMM))
	fmt.Println("decode attention:", p.Basis(kerneltime.ClassDecode))
	// Output:
	// matrix products: fitted on this GPU
	// decode attention: fitted on this GPU
}
