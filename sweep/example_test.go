package sweep_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/sweep"
)

func ExampleRun() {
	batch, err := sweep.ParseAxis("batch=1,16")
	if err != nil {
		panic(err)
	}
	g := &sweep.Grid{Fixed: map[string]string{"model": "sambay(d=16)", "on": "a100-80gb"}, Axes: []sweep.Axis{batch}}
	if err := g.Normalise(); err != nil {
		panic(err)
	}
	var rows bytes.Buffer
	tally, err := sweep.Run(context.Background(), g, sweep.CSV, &rows, 0, g.Rows(), nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(tally.Priced, "of", tally.Rows, "rows have figures, on", strings.Count(rows.String(), "\n"), "lines")
	// Output: 2 of 2 rows have figures, on 2 lines
}
