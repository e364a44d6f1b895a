package arch

import (
	"strings"
	"testing"
)

// hybrid is a recurrent layer, a cache owner and a cross-decoder of n layers that all read
// the owner's cache.
func hybrid(n int, recurrent Mixer) *Model {
	owner := Attention{Heads: 2, KVHeads: 1, HeadDim: 4}
	m := &Model{Name: "m", Width: 8, Vocab: 10, Layers: []Layer{{Mixer: recurrent}, {Mixer: owner}}}
	cross := owner
	cross.KVSource = To(1)
	for range n {
		m.Layers = append(m.Layers, Layer{Mixer: cross})
	}
	return m
}

// Of n layers k = ⌊r·n + ½⌋ become GMUs: those at which ⌈i·k/n⌉ grows, the first of all.
func TestSpreadGMUsByHand(t *testing.T) {
	for _, tt := range []struct {
		r    float64
		want string // G for a GMU, x for cross-attention
	}{{0, "xxxxx"}, {0.09, "xxxxx"}, {0.1, "Gxxxx"}, {0.4, "GxGxx"}, {0.49, "GxGxx"}, {0.5, "GGxGx"}, {0.69, "GGxGx"}, {0.7, "GGGGx"}, {1, "GGGGG"}} {
		before := hybrid(5, Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2})
		before.CountingForm = 123
		m, err := SpreadGMUs(before, tt.r, NoMemory)
		if err != nil {
			t.Fatal(err)
		}
		if changed := strings.Contains(tt.want, "G"); (m.CountingForm == 0) != changed {
			t.Errorf("ratio %g: counting form %d, want it gone only if layers changed", tt.r, m.CountingForm)
		}
		got := ""
		for _, l := range m.Layers[2:] {
			if _, ok := l.Mixer.(GMU); ok {
				got += "G"
			} else {
				got += "x"
			}
		}
		if got != tt.want {
			t.Errorf("ratio %g: %s, want %s", tt.r, got, tt.want)
		}
		if share, ok := m.GMURatio(); !ok || share != float64(strings.Count(tt.want, "G"))/5 {
			t.Errorf("ratio %g: the model says %g", tt.r, share)
		}
	}
}

// A normed GMU takes over the norm of the recurrent layer whose memory it gates, whether or
// not that has it at the time; without GMUs the layer has it back.
func TestTheNormMovesWithTheMemory(t *testing.T) {
	for _, recurrent := range []Mixer{
		Mamba2{Heads: 2, HeadDim: 8, DState: 4, Groups: 1, DConv: 4},
		Mamba2{Heads: 2, HeadDim: 8, DState: 4, Groups: 1, DConv: 4, NoNorm: true},
		GatedDeltaNet{KHeads: 2, VHeads: 2, KDim: 4, VDim: 8, DConv: 4},
	} {
		m := hybrid(4, recurrent)
		half, err := SpreadGMUs(m, 0.5, NoMemory)
		if err != nil {
			t.Fatal(err)
		}
		g, ok := half.Layers[2].Mixer.(GMU)
		if want := (GMU{Memory: To(0), From: ScanMemory, DMem: 16, Normed: true}); !ok || g != want {
			t.Errorf("%+v: the first GMU is %+v, want %+v", recurrent, half.Layers[2].Mixer, want)
		}
		if _, has := OwnNorm(half.Layers[0].Mixer); has {
			t.Errorf("%+v: the layer keeps the norm that its GMU has", recurrent)
		}
		none, err := SpreadGMUs(half, 0, NoMemory)
		if err != nil {
			t.Fatal(err)
		}
		if _, has := OwnNorm(none.Layers[0].Mixer); !has {
			t.Errorf("%+v: without GMUs the layer has no norm", recurrent)
		}
	}
	// A scan that never has a norm gives none away, and a kind that is asked for is taken.
	m, err := SpreadGMUs(hybrid(2, Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2}), 1, NoMemory)
	if err != nil || m.Layers[2].Mixer != (GMU{Memory: To(0), From: ScanMemory, DMem: 16}) {
		t.Errorf("of Mamba-1: %+v, %v", m.Layers[2].Mixer, err)
	}
	m, err = SpreadGMUs(hybrid(2, Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2}), 1, AttentionMemory)
	if err != nil || m.Layers[2].Mixer != (GMU{Memory: To(1), From: AttentionMemory, DMem: 8}) {
		t.Errorf("of attention: %+v, %v", m.Layers[2].Mixer, err)
	}
}
