package scaling_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/scaling"
)

func ExampleNewTraining() {
	m, err := models.Open("sambay(d=16)")
	if err != nil {
		panic(err)
	}
	t, err := scaling.NewTraining(m, 4096)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.3g FLOPs a token, forward and backward; %.3g tokens are optimal\n", t.Total(), scaling.Optimal(m))
	// Output: 6.62e+09 FLOPs a token, forward and backward; 2.13e+10 tokens are optimal
}
