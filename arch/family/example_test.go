package family_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch/family"
)

func ExampleParseSpec() {
	m, err := family.ParseSpec("sambay(d=16,gmu_ratio=0.5,window=256)")
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Width, m.Summary())
	// Output: 1984 (mamba1 swa)*4 mamba1 full (gmu cross)*3
}
