package scaling

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/hardware"
)

// The order of the paper's training speeds (tables 2 and 5). FLOPs and rooflines cannot
// tell a sequential scan from a chunked one; with the scan's time, solved from two rows,
// the other thirteen fall into place. docs/scaling.md states these figures.
func TestPaperSpeeds(t *testing.T) {
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	cs, err := CheckSpeeds(hw)
	if err != nil {
		t.Fatal(err)
	}
	rho := func(of func(SpeedCheck) float64, keep func(SpeedCheck) bool) float64 {
		var x, y []float64
		for _, c := range cs {
			if keep(c) {
				x, y = append(x, c.MTok), append(y, of(c))
			}
		}
		return RankCorrelation(x, y)
	}
	all := func(SpeedCheck) bool { return true }
	held := func(c SpeedCheck) bool { return !c.Fitted }
	flops := func(c SpeedCheck) float64 { return c.ByFLOPs }
	roof := func(c SpeedCheck) float64 { return c.Roofline }
	scan := func(c SpeedCheck) float64 { return c.WithScan }
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"FLOPs", rho(flops, all), 0.42}, {"roofline", rho(roof, all), 0.21},
		{"with the scan", rho(scan, all), 0.92}, {"with the scan, rows not fitted", rho(scan, held), 0.93},
	} {
		if math.Abs(tt.got-tt.want) > 0.005 {
			t.Errorf("%s: ρ = %.3f, documented as %.2f", tt.name, tt.got, tt.want)
		}
	}
	fitted := 0
	for _, c := range cs {
		off := c.WithScan/c.MTok - 1
		if c.Fitted {
			fitted++
			if math.Abs(off) > 0.005 {
				t.Errorf("%s: fitted, yet %.3f for %.2f", c.Spec, c.WithScan, c.MTok)
			}
		} else if math.Abs(off) > 0.19 {
			t.Errorf("%s: %.3f for %.2f", c.Spec, c.WithScan, c.MTok)
		}
	}
	if fitted != 2 || len(cs) != 15 {
		t.Errorf("%d rows, %d fitted", len(cs), fitted)
	}
}

func TestRankCorrelation(t *testing.T) {
	for _, tt := range []struct {
		x, y []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{10, 20, 30}, 1},
		{[]float64{1, 2, 3}, []float64{9, 4, 1}, -1},
		{[]float64{1, 2, 2, 3}, []float64{1, 2, 3, 4}, 0.9486832980505138}, // ties share rank 2.5
	} {
		if got := RankCorrelation(tt.x, tt.y); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%v %v: %v, want %v", tt.x, tt.y, got, tt.want)
		}
	}
}
