package explore_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/explore"
)

func ExampleOpenDesign() {
	m, err := explore.OpenDesign("sambay(d=16,gmu_ratio=0.25)")
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Summary())
	// Output: (mamba1 swa)*4 mamba1 full (gmu cross*2)*2
}
