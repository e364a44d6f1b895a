package costmodel

import "testing"

func TestLengthFrom(t *testing.T) {
	for _, want := range []int{1, 2, 3, 511, 512, 513, 1000, 1024} {
		if got := LengthFrom(1024, func(g int) bool { return g >= want }); got != want {
			t.Errorf("from %d is %d", want, got)
		}
	}
	if got := LengthFrom(1024, func(int) bool { return false }); got != 0 {
		t.Errorf("never is %d", got)
	}
}
