package units_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/units"
)

func ExampleSI() {
	fmt.Println(units.SI(7.72e9, "B"), units.SI(0.00316, "s"), units.Int(151936), units.Ratio(1.294))
	n, err := units.ParseCount("32k")
	fmt.Println(n, err)
	n, err = units.ParseCount("128Ki")
	fmt.Println(n, err)
	// Output:
	// 7.72 GB 3.16 ms 151,936 1.29×
	// 32000 <nil>
	// 131072 <nil>
}
