package hardware_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

func ExampleOpen() {
	hw, err := hardware.Open("a100-80gb")
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.0f GB/s, %.0f TFLOP/s in bf16\n", hw.MemoryBandwidth.Value/1e9, hw.Peak[precision.BF16].Value/1e12)
	fmt.Println(hw.MemoryBandwidth.Source)
	// Output:
	// 2039 GB/s, 312 TFLOP/s in bf16
	// datasheet
}
