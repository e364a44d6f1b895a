package models_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/models"
)

func ExampleOpen() {
	for _, what := range []string{"phi4-mini-flash", "microsoft/Phi-4-mini-flash-reasoning", "sambay(d=16)"} {
		m, err := models.Open(what)
		if err != nil {
			panic(err)
		}
		fmt.Println(m.Name, m.Params().Total)
	}
	_, err := models.Open("phi4-mini-flahs")
	fmt.Println(err)
	// Output:
	// phi4-mini-flash 3852562944
	// phi4-mini-flash 3852562944
	// sambay(d=16) 1065818688
	// unknown model "phi4-mini-flahs": did you mean phi4-mini-flash? (a model file ends in .yaml, .json or .gguf; a folder has a config.json)
}
