package arch

import (
	"math"
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

// Models without a cross-decoder have no share of GMUs, and nothing to spread.
func TestNothingToSpread(t *testing.T) {
	full := Attention{Heads: 2, KVHeads: 1, HeadDim: 4}
	scan := Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2}
	for _, layers := range [][]Mixer{{scan, scan}, {full, full}, {scan, full}, {full, scan}} {
		m := &Model{Name: "m", Width: 8, Vocab: 10}
		for _, x := range layers {
			m.Layers = append(m.Layers, Layer{Mixer: x})
		}
		if r, ok := m.GMURatio(); ok || r != 0 || m.CrossMixers() != 0 {
			t.Errorf("%s: a share of %g, %v, of %d", m.Summary(), r, ok, m.CrossMixers())
		}
		if _, err := SpreadGMUs(m, 0.5, NoMemory); err != ErrNoCrossDecoder {
			t.Errorf("%s: %v", m.Summary(), err)
		}
	}
	for _, r := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := SpreadGMUs(hybrid(2, scan), r, NoMemory); err == nil || !strings.Contains(err.Error(), "is not between 0 and 1") {
			t.Errorf("a share of %g: %v", r, err)
		}
	}
	if n := hybrid(5, scan).CrossMixers(); n != 5 {
		t.Errorf("five layers that could be units are %d", n)
	}
	// Layers behind the owner that neither gate nor read are passed over, and stay.
	m := hybrid(2, scan)
	m.Layers = append(m.Layers[:3:3], append([]Layer{{Mixer: scan}}, m.Layers[3:]...)...)
	spread, err := SpreadGMUs(m, 1, NoMemory)
	if err != nil || spread.Summary() != "mamba1 full gmu mamba1 gmu" || spread.CrossMixers() != 2 {
		t.Errorf("%v, %v", spread, err)
	}
	if _, err := SpreadGMUs(hybrid(2, RWKV4{Inner: 8, Stream: 8}), 1, MLPMemory); err == nil || !strings.Contains(err.Error(), "layer 1 has no memory for a GMU to gate") {
		t.Errorf("a memory that there is not: %v", err)
	}
	// A memory of the owner itself is an inner output, where no recurrent layer stands before it.
	m = hybrid(2, full)
	if spread, err = SpreadGMUs(m, 1, NoMemory); err != nil || spread.Layers[2].Mixer != Mixer(GMU{Memory: To(1), From: AttentionMemory, DMem: 8}) {
		t.Errorf("%+v, %v", spread, err)
	}
}

// Sigmoid GMUs are a chain: the first gates what the pattern does, each other the one before it,
// and what stood there as a GMU returns to cross-attention of the owner's shape.
func TestSigmoidUnitsFollowOneAnother(t *testing.T) {
	m := hybrid(4, Mamba1{DInner: 16, DState: 3, DConv: 4, DtRank: 2})
	unit := GMU{Memory: To(1), From: OutputMemory, DMem: 8, Variant: SigmoidGMU}
	m.Layers[3].Mixer = unit
	all, err := SpreadGMUs(m, 1, NoMemory)
	if err != nil {
		t.Fatal(err)
	}
	for i, from := range map[int]int{2: 1, 3: 2, 4: 3, 5: 4} {
		want := unit
		want.Memory = To(from)
		if got := all.Layers[i].Mixer; got != Mixer(want) {
			t.Errorf("layer %d: %+v, want %+v", i, got, want)
		}
	}
	half, err := SpreadGMUs(all, 0.5, NoMemory)
	if err != nil {
		t.Fatal(err)
	}
	if half.Summary() != "mamba1 full (sigmoid_gmu cross)*2" {
		t.Errorf("half of them: %s", half.Summary())
	}
	second := unit
	second.Memory = To(2)
	if got := half.Layers[4].Mixer; got != Mixer(second) {
		t.Errorf("the second unit: %+v, want %+v", got, second)
	}
	if got := half.Layers[3].Mixer; got != Mixer(Attention{Heads: 2, KVHeads: 1, HeadDim: 4, KVSource: To(1)}) {
		t.Errorf("in place of a unit: %+v", got)
	}
}

// Products of sizes that are too large stay errors instead of overflowing.
func TestProductsOfSizes(t *testing.T) {
	for _, tt := range []struct{ a, b, want int }{{3, 4, 12}, {MaxDimension, 2, 2 * MaxDimension}, {MaxDimension + 1, 1, MaxDimension + 1}, {1, MaxDimension + 1, MaxDimension + 1}, {1 << 40, 1 << 40, MaxDimension + 1}} {
		if got := product(tt.a, tt.b); got != tt.want {
			t.Errorf("%d times %d is %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
