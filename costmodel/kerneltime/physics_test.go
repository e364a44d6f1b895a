package kerneltime

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/precision"
)

// A device of one unit on which nothing but what a test names takes time.
func endless() Device {
	return Device{Peak: [2]float64{1e30, 1e30}, Bandwidth: 1e30, Cache: 1, Units: 1, Link: 1e30}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got/want-1) > 1e-9 {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// A product that waits for memory moves its inputs, its weights and its result; one that
// waits for arithmetic takes two FLOPs a multiply-add; each 8-bit input takes half.
func TestProductPhysics(t *testing.T) {
	c := gemmCurve{Launch: 1e-6, Start: 1e-30, Peak: 1, Bandwidth: 0.5, Feed: 1e30, Unit: 1e30, Split: 1, Depth: 1e9, Convert: 1e-30, Row: 1e-30}
	d := endless()
	d.Bandwidth = 1e9
	s := GEMM{M: 64, N: 128, K: 256, DType: precision.BF16}
	near(t, "bytes in 16-bit", c.seconds(&d, &s), 1e-6+2*(64*256+256*128+64*128)/0.5e9)
	s.DType, s.Compute = precision.FP8, precision.FP8
	near(t, "bytes in 8-bit, of which the result has 16", c.seconds(&d, &s), 1e-6+(64*256+256*128+2*64*128)/0.5e9)

	d = endless()
	d.Peak[0] = 1e9
	c.Peak = 0.25
	s = GEMM{M: 16, N: 64, K: 256, DType: precision.BF16} // one tile on one unit
	near(t, "arithmetic", c.seconds(&d, &s), 1e-6+2*16*64*256/0.25e9)
	d.Units = 4 // each unit has a quarter of the peak, and one tile cannot be shared
	near(t, "arithmetic of a tile on one of four units", c.seconds(&d, &s), 1e-6+4*2*16*64*256/0.25e9)
	c.Depth, c.Split = 64, 3e-6 // now its depth can, in four splits that are added up
	near(t, "the same, split along its depth", c.seconds(&d, &s), 1e-6+3e-6+2*16*64*256/0.25e9)
}

// A ring of g devices sends 2(g−1)/g of a message and passes g−1 hops.
func TestAllReducePhysics(t *testing.T) {
	c := allReduceCurve{Launch: 1e-6, Hop: 1e-30, Bandwidth: 0.5}
	d := endless()
	d.Link = 1e9
	for gpus, share := range map[float64]float64{2: 1, 4: 1.5, 8: 1.75} {
		near(t, "wire", c.seconds(&d, &AllReduce{GPUs: gpus, Bytes: 1e6}), 1e-6+share*1e6/0.5e9)
	}
	c.Hop = 1e-3
	near(t, "hops", c.seconds(&d, &AllReduce{GPUs: 4, Bytes: 1e-9}), 1e-6+3e-3)
	if got := c.seconds(&d, &AllReduce{GPUs: 1, Bytes: 1e6}); got != 0 {
		t.Errorf("one device reduces in %g s", got)
	}
	d.Link = 0 // without a fabric it goes over PCIe
	c.Hop = 1e-30
	near(t, "the host's link", c.seconds(&d, &AllReduce{GPUs: 2, Bytes: 1e6}), 1e-6+1e6/(0.5*hostLink))
}

// Causal attention over a prompt takes 4 FLOPs for each pair of query and key and element
// of a head, and reads keys and values once.
func TestPrefillPhysics(t *testing.T) {
	c := prefillCurve{Launch: 1e-6, Start: 1e-30, Peak: 0.5, Narrow: 64, Rows: 1e-9, Bandwidth: 0.25}
	d := endless()
	d.Peak[0] = 1e9
	s := PrefillAttention{Batch: 2, Heads: 4, KVHeads: 2, HeadDim: 64, Prompt: 100}
	// Half the rate on heads as narrow as Narrow.
	near(t, "arithmetic", c.seconds(&d, &s), 1e-6+4*2*4*64*(100*101/2)/(0.5*0.5*1e9))
	s.Window = 10
	near(t, "within a window", c.seconds(&d, &s), 1e-6+4*2*4*64*(10*11/2+90*10)/(0.5*0.5*1e9))
	d = endless()
	d.Bandwidth = 1e9
	near(t, "bytes", c.seconds(&d, &s), 1e-6+s.Bytes()/0.25e9)
}

// A table of corrections is linear between its nodes along each axis, in its order, and
// constant off its ends; what At blends is what Corners lists.
func TestTableInterpolates(t *testing.T) {
	tab := Table{Slices: 2, Axes: [axes]axis{{0, 1, 2}, {0, 1, 2}, {0, 1, 3}, {0, 1, 2}}}
	tab.Values = make([]float32, tab.Shape())
	value := func(slice, i, j, k, l int) float32 {
		return float32(5*slice) + float32(i) + 10*float32(j) + 100*float32(k) + 1000*float32(l)
	}
	n := 0
	for slice := range 2 {
		for i := range 2 {
			for j := range 2 {
				for k := range 3 {
					for l := range 2 {
						tab.Values[n] = value(slice, i, j, k, l)
						n++
					}
				}
			}
		}
	}
	// At 1.25 an axis is a quarter of the way from 1 to 2.
	for _, c := range []struct {
		slice int
		x     [axes]float64
		want  float64
	}{
		{0, [axes]float64{1, 1, 1, 1}, 0}, {0, [axes]float64{2, 2, 4, 2}, 1211}, {1, [axes]float64{2, 2, 4, 2}, 1216},
		{0, [axes]float64{1.25, 1, 1, 1}, 0.25}, {0, [axes]float64{1, 1.5, 1, 1}, 5}, {0, [axes]float64{1, 1, 3, 1}, 150}, {0, [axes]float64{1, 1, 1, 1.75}, 750},
		{1, [axes]float64{1.25, 1.5, 3, 1.75}, 5 + 0.25 + 5 + 150 + 750},
		{0, [axes]float64{0.1, 100, 100, 0.001}, 210},
	} {
		if got := tab.At(c.slice, &c.x); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("slice %d at %v: %g, want %g", c.slice, c.x, got, c.want)
		}
		sum, weights := 0.0, 0.0
		for _, k := range tab.Corners(nil, c.slice, &c.x) {
			sum += float64(k.Weight) * float64(tab.Values[k.Node])
			weights += float64(k.Weight)
		}
		if math.Abs(sum-c.want) > 1e-4 || math.Abs(weights-1) > 1e-6 {
			t.Errorf("slice %d at %v: corners make %g with weights of %g, want %g", c.slice, c.x, sum, weights, c.want)
		}
	}
}

// Bounds are the factors of the octave of microseconds that the prediction lies in.
func TestBoundsByOctave(t *testing.T) {
	s := Spread{Low: []float64{0.5, 0.6, 0.7}, High: []float64{2, 3, 4}}
	for us, want := range map[float64][2]float64{0.3: {0.5, 2}, 1: {0.5, 2}, 1.9: {0.5, 2}, 2: {0.6, 3}, 4: {0.7, 4}, 5000: {0.7, 4}} {
		if low, high := s.Bounds(us * 1e-6); math.Abs(low/(us*1e-6)-want[0]) > 1e-9 || math.Abs(high/(us*1e-6)-want[1]) > 1e-9 {
			t.Errorf("%g µs: from %g to %g of it, want %v", us, low/(us*1e-6), high/(us*1e-6), want)
		}
	}
	if low, high := (&Spread{}).Bounds(3); low != 1.5 || high != 6 {
		t.Errorf("without left-out errors from %g to %g, want half to twice", low, high)
	}
}

// Blocks of a recurrent kernel walk their tokens in chunks of 64, wave after wave.
func TestRecurrentPhysics(t *testing.T) {
	c := recurrentCurve{Launch: 1e-6, Chunk: 1e-5, Bandwidth: 1, Peak: 1, Occupancy: 1}
	d := endless()
	d.Units = 4
	s := Recurrent{Kernel: DeltaContext, Batch: 1, Tokens: 200, KeyHeads: 1, KeyDim: 8, ValueHeads: 2, ValueDim: 8}
	near(t, "four chunks of one wave", c.seconds(&d, &s), 1e-6+4*1e-5)
	s.Batch = 6 // twelve blocks on four units
	near(t, "four chunks of three waves", c.seconds(&d, &s), 1e-6+3*4*1e-5)
}

// Corrections come along from a GPU that is much alike, curves from any.
func TestRelatedGPUsLendCorrections(t *testing.T) {
	for name, want := range map[string]bool{"h100-sxm": true, "l4": false} { // beside the h200; beside the l40s, three times its bandwidth
		p, err := For(lookup(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(p.prefill.get().Corrections[0].Values) > 0; got != want {
			t.Errorf("%s has corrections of its relative: %v, want %v (distance %.2f)", name, got, want, distance(&p.device, &Embedded()[len(Embedded())-1].device))
		}
	}
}

// A further uncertainty is added to both bounds as an independent one.
func TestWidening(t *testing.T) {
	e := Estimate{Seconds: 1, Low: math.Exp(-0.3), High: math.Exp(0.3)}.widen(0.4)
	near(t, "low", e.Low, math.Exp(-0.5))
	near(t, "high", e.High, math.Exp(0.5))
	s := (&Spread{Low: []float64{math.Exp(-0.3)}, High: []float64{math.Exp(0.3)}}).widen(0.4)
	if math.Abs(s.Low[0]-math.Exp(-0.5)) > 1e-4 || math.Abs(s.High[0]-math.Exp(0.5)) > 1e-4 {
		t.Errorf("bounds %g and %g, want e^∓0.5", s.Low[0], s.High[0])
	}
}
