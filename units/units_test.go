package units

import (
	"math"
	"testing"
)

func TestSI(t *testing.T) {
	for _, x := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "B", "0 B"}, {999, "B", "999 B"}, {1000, "B", "1.00 kB"}, {999.96e3, "B", "1.00 MB"},
		{7.705e9, "B", "7.71 GB"}, {0.5, "B", "0.50 B"}, {4.156e-3, "s", "4.16 ms"}, {372e-6, "s", "372 µs"},
		{133.036, "s", "133 s"}, {5133.6, "s", "5,134 s"}, {4.7e21, "B", "4,700 EB"}, {2.039e12, "B/s", "2.04 TB/s"}, {3.12e14, "FLOP/s", "312 TFLOP/s"}, {400, "W", "400 W"},
	} {
		if got := SI(x.v, x.unit); got != x.want {
			t.Errorf("SI(%g, %q) = %q, want %q", x.v, x.unit, got, x.want)
		}
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1.00", 9.996: "10.0", 99.96: "100", 12328.4: "12,328",
		0.0123: "0.012", 1e-9: "<0.001", -1234567: "-1,234,567", math.Inf(1): "–"} {
		if got := Digits(v); got != want {
			t.Errorf("Digits(%g) = %q, want %q", v, got, want)
		}
	}
}

func TestRatio(t *testing.T) {
	for v, want := range map[float64]string{0.5: "0.50×", 3.2: "3.20×", 9.996: "10.0×", 12.34: "12.3×", 99.97: "100×", 12345: "12,345×"} {
		if got := Ratio(v); got != want {
			t.Errorf("Ratio(%g) = %q, want %q", v, got, want)
		}
	}
}
