package kerneltime

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

// Prepared attention takes as long as attention asked afresh, on every device, for shapes and
// contexts at random, at the edges of windows and octaves, and for sequences unlike each other.
func TestDecodeOver(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(v ...float64) float64 { return v[r.IntN(len(v))] }
	asked := 0
	for _, n := range hardware.Names() {
		hw, err := hardware.Lookup(n)
		if err != nil {
			t.Fatal(err)
		}
		p, err := For(hw)
		if err != nil {
			continue
		}
		for range 60 {
			kv := pick(1, 2, 4, 5, 8, 32)
			s := DecodeAttention{Batch: float64(1 + r.IntN(600)), Heads: kv * pick(1, 2, 4, 5, 7), KVHeads: kv, HeadDim: pick(64, 80, 96, 128, 256, 576),
				Window: pick(0, 1, 128, 500, 512, 2047), KVDType: precision.BF16}
			if r.IntN(2) == 0 {
				s.KVDType = precision.FP8
			}
			o := p.DecodeOver(s)
			if len(o.halves) == 0 {
				t.Fatalf("%s: nothing is prepared", n)
			}
			for _, x := range []float64{1, 2, 3, s.Window - 1, s.Window, s.Window + 1, 4095, 4096, 4097, 1 << 17, 1<<17 + 1, 1 << 20, math.Floor(math.Exp2(20 * r.Float64())), 1 + 1e5*r.Float64()} {
				if x < 1 {
					continue
				}
				for _, seen := range []float64{visible(x, s.Window), 0.3 + 0.7*visible(x, s.Window)} {
					s.Context, s.Seen = x, seen
					got, want := o.Seconds(x, seen), p.DecodeSeconds(&s)
					if !(math.Abs(got/want-1) < 1e-6) {
						t.Fatalf("%s, %+v: %g s, want %g", n, s, got, want)
					}
					asked++
				}
			}
		}
	}
	if asked < 10000 {
		t.Errorf("%d questions", asked)
	}
}

// A profile whose corrections stand at other contexts is asked afresh.
func TestDecodeOverOtherNodes(t *testing.T) {
	p := newProfile("x", Device{Arch: "x", Peak: [2]float64{1e15, 1e15}, Bandwidth: 1e12, Cache: 1e7, Units: 100})
	c := &p.decode.get().Corrections[0]
	c.Axes[3].PerOctave = 2
	c.Values = make([]float32, c.Shape())
	s := DecodeAttention{Batch: 3, Heads: 8, KVHeads: 8, HeadDim: 128, KVDType: precision.BF16}
	o := p.DecodeOver(s)
	s.Context, s.Seen = 1000, 1000
	if len(o.halves) != 0 || o.Seconds(1000, 1000) != p.DecodeSeconds(&s) {
		t.Errorf("%d halves, %g s", len(o.halves), o.Seconds(1000, 1000))
	}
}
