package check_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/serving/check"
)

func ExampleReadTable() {
	_, err := check.ReadTable("no-such-table.csv")
	fmt.Println(err)
	// Output: no-such-table.csv: no such file
}
