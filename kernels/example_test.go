package kernels_test

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/kernels"
	"github.com/OWNER/ridgeline/models"
)

func ExampleNew() {
	m, err := models.Open("sambay(d=16)")
	if err != nil {
		panic(err)
	}
	if m, err = arch.Tiny(m); err != nil {
		panic(err)
	}
	k, err := kernels.New(m, kernels.Options{Seed: 1})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	s, err := k.Start(1, 16) // one sequence of at most 16 positions
	if err != nil {
		panic(err)
	}
	if _, err := s.Prefill(ctx, [][]int{{1, 2, 3}}); err != nil {
		panic(err)
	}
	logits, err := s.Step(ctx, []int{4})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(logits), len(logits[0]) == m.Vocab)
	// Output: 1 true
}
