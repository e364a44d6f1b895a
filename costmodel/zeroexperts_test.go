package costmodel

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// By hand: of 2 picks among 6 experts and 3 that pass their input on, 4/3 fall on experts. A row
// hits as many; of two rows each expert is missed by both with (7/9)², so 6·(1 − 49/81) are hit.
func TestZeroExpertsByHand(t *testing.T) {
	s := Shape{Experts: 6, TopK: 2, Zero: 3}
	spread := s
	spread.Ranks, spread.Groups, spread.Skew = 2, 1, 1
	for _, s := range []Shape{s, spread} {
		for _, tt := range []struct{ rows, want float64 }{{1, 4. / 3}, {2, 6 * (1 - 49./81)}, {1e6, 6}} {
			if got := s.hits(tt.rows); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("%v rows hit %v experts, want %v", tt.rows, got, tt.want)
			}
		}
	}
	m := &arch.Model{Width: 10, Vocab: 20, Layers: []arch.Layer{
		{FFN: arch.ShortcutMoE{Inner: 7, Experts: 6, Zero: 3, TopK: 2, ExpertInner: 5}}, {FFN: arch.MLP{Inner: 3, Gated: true}}}}
	ops, err := Ops(m, Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range ops {
		// up [10, 10] of 4/3 experts a row; the router scores nine.
		want, ok := map[string]float64{"moe.router": 2*9*10 + 9, "moe.up": 4. / 3 * 2 * 10 * 10, "moe.zero": 2 * 10, "moe.shortcut": 10, "mlp.up": -1}[o.Name]
		if ok && want >= 0 && math.Abs(o.FLOPs[rows]-want) > 1e-9 {
			t.Errorf("%s: %v FLOPs a row, want %v", o.Name, o.FLOPs[rows], want)
		}
		if o.Name == "moe.shortcut" && o.Layer != 1 {
			t.Errorf("experts are added behind layer %d, want 1", o.Layer)
		}
	}
}
