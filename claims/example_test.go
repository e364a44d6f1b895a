package claims_test

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/claims"
)

func ExampleRun() {
	r, err := claims.Run(context.Background(), claims.Options{Only: []string{"half-replaced"}})
	if err != nil {
		panic(err)
	}
	c := r.Claims[0]
	fmt.Println(c.ID, c.Verdict)
	// Output: half-replaced holds
}
