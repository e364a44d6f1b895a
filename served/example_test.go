package served_test

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/served"
)

func ExampleRead() {
	_, err := served.Read(strings.NewReader("model,system\nllama,h100\n"), "runs.csv")
	fmt.Println(err)
	// Output: runs.csv:2: engine: no such column in the header
}
