package reports

import (
	"strings"
	"testing"
)

// A figure outside of what the same load gives at the bounds of the kernels' times is said to be,
// since a reader takes those for bounds of the figure.
func TestBoundsThatAreNone(t *testing.T) {
	for figure, said := range map[float64]bool{620: true, 676: false, 690: false, 701: false, 730: true} {
		r := &SimulateRow{OutputThroughput: figure, Kernels: map[string][2]float64{"output_throughput": {676, 701}}}
		notes := strings.Join(SimulateTable("", []*SimulateRow{r}).Notes, " ")
		if !strings.Contains(notes, "676 to 701 tok/s") || strings.Contains(notes, "is not between them") != said {
			t.Errorf("%g tok/s: %s", figure, notes)
		}
	}
}
