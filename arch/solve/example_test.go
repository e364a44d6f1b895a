package solve_test

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/solve"
	"github.com/OWNER/ridgeline/models"
)

func ExampleSearch() {
	name, o, err := models.OpenFamily("sambay(d=16)")
	if err != nil {
		panic(err)
	}
	s := solve.Search{Family: name, Options: o, Dimension: solve.Width, Step: 64,
		Cost: func(m *arch.Model) (float64, error) { return float64(m.Params().Total), nil }}
	m, err := s.Least(context.Background(), 1e9)
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Width, m.Params().Total)
	// Output: 1920 1002529920
}
