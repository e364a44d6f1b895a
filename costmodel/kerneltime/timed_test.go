package kerneltime

import (
	"math"
	"reflect"
	"testing"

	"github.com/OWNER/ridgeline/precision"
)

// Ranges by hand: what shapes widen them, how far others lie outside, and what is said of it.
func TestWhatWasTimed(t *testing.T) {
	p := newProfile("x", Device{Arch: "x", Peak: [2]float64{1e15, 1e15}, Bandwidth: 1e12, Cache: 1e7, Units: 100})
	shape := func(batch, context, window float64) DecodeAttention {
		return DecodeAttention{Batch: batch, Heads: 8, KVHeads: 8, HeadDim: 128, Context: context, Window: window, KVDType: precision.BF16}
	}
	free := shape(1e6, 1e6, 5)
	if got := p.Outside(ClassDecode, &free); got != nil {
		t.Errorf("a class that was never timed: %v", got)
	}
	for _, s := range []DecodeAttention{shape(2, 4096, 0), shape(16, 1024, 0), shape(4, 2048, 4096)} { // a window that hides nothing is none
		ClassDecode.Facts().Note(p, &s)
	}
	want := Timed{"batch": {2, 16}, "heads": {8, 8}, "context": {1024, 4096}}
	p.SetFitted(ClassDecode, Provenance{Rows: 3})
	if got := p.Provenance(ClassDecode).Timed; !reflect.DeepEqual(got, want) {
		t.Errorf("timed %v, want %v", got, want)
	}
	for _, tt := range []struct {
		s         DecodeAttention
		doublings float64
		says      []string
	}{
		{shape(2, 1024, 0), 0, nil}, {shape(16, 4096, 4096), 0, nil},
		{shape(64, 4096, 0), 2, []string{"a batch of 64 (timed to 16)"}},
		{shape(1, 512, 0), 2, []string{"a batch of 1 (timed from 2)", "a context of 512 (timed from 1,024)"}},
		{shape(2, 4096, 1000), 1, []string{"a window of 1,000 (never timed)"}},
	} {
		if got := p.Outside(ClassDecode, &tt.s); !reflect.DeepEqual(got, tt.says) {
			t.Errorf("%+v: %q, want %q", tt.s, got, tt.says)
		}
		w := 2 * math.Hypot(math.Log(2), .2*math.Sqrt(tt.doublings)) // half to twice without left-out errors
		if got := wide(p.DecodeAttention(tt.s)); math.Abs(got-w) > 1e-9 {
			t.Errorf("%+v: an interval of %g, want %g", tt.s, got, w)
		}
	}
	p.Unfit(ClassDecode)
	if got := p.Outside(ClassDecode, &free); got != nil {
		t.Errorf("forgotten, and still %v", got)
	}
	// Kernels of a class have ranges of their own.
	short, long := Scan{Kernel: SSDScan, Batch: 1, Tokens: 8, Heads: 2, HeadDim: 4}, Scan{Kernel: SSDHeadStep, Batch: 100, Tokens: 1, Heads: 3, HeadDim: 4}
	ClassSSD.Facts().Note(p, &short)
	ClassSSD.Facts().Note(p, &long)
	p.SetFitted(ClassSSD, Provenance{Rows: 2})
	if got, want := p.Provenance(ClassSSD).Timed, (Timed{"ssd-scan batch": {1, 1}, "ssd-scan channels": {8, 8}, "ssd-scan tokens": {8, 8},
		"ssd-step batch": {100, 100}, "ssd-step channels": {12, 12}, "ssd-step tokens": {1, 1}}); !reflect.DeepEqual(got, want) {
		t.Errorf("timed %v, want %v", got, want)
	}
	if got := scanSpans.read(p.Provenance(ClassSSD).Timed); !reflect.DeepEqual(got, p.timed[ClassSSD]) {
		t.Errorf("read back %v, want %v", got, p.timed[ClassSSD])
	}
}

// Every fitted class of the profiles says what it was timed at, and a GPU that borrows it says the same.
func TestProfilesSayWhatWasTimed(t *testing.T) {
	for _, p := range Embedded() {
		for c := range classes {
			if from := p.Provenance(c); from.Rows > 0 && len(from.Timed) < 1 {
				t.Errorf("%s %v: timed %v", p.Hardware(), c, from.Timed)
			}
		}
	}
	pcie, err := For(lookup(t, "h100-pcie"))
	if err != nil {
		t.Fatal(err)
	}
	s := DecodeAttention{Batch: 4096, Heads: 8, KVHeads: 8, HeadDim: 128, Context: 1000, KVDType: precision.BF16}
	if got := pcie.Outside(ClassDecode, &s); !reflect.DeepEqual(got, []string{"a batch of 4,096 (timed to 2,048)"}) {
		t.Errorf("on the H100 PCIe: %q", got)
	}
}
