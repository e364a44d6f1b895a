package ceil

import "testing"

func TestDiv(t *testing.T) {
	for _, x := range [][3]int{{0, 4, 0}, {1, 4, 1}, {3, 4, 1}, {4, 4, 1}, {5, 4, 2}, {7, 1, 7}, {8, 3, 3}, {9, 3, 3}} {
		if got := Div(x[0], x[1]); got != x[2] {
			t.Errorf("%d over %d rounded up is %d, got %d", x[0], x[1], x[2], got)
		}
	}
}
