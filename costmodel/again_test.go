package costmodel

import (
	"testing"

	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

// Llama-3.1-8B has 32 query heads over 8 kv heads of 128: 131,072 bytes of K and V a token, read
// four times. On a device of 1 TB/s with a cache of 2 TB/s, 1,000 tokens take 131 µs from memory
// once and 262 µs from the cache; with a cache of 10 TB/s memory binds, and where nobody says how
// fast it is all comes from memory, 524 µs.
func TestReadAgain(t *testing.T) {
	m, err := models.Open("llama-3.1-8b")
	if err != nil {
		t.Fatal(err)
	}
	known, err := hardware.Lookup("h200")
	if err != nil {
		t.Fatal(err)
	}
	hw := *known
	hw.Name, hw.MemoryBandwidth.Value = "made", 1e12
	cache := func(rate float64, k execution.KVRead) float64 {
		hw.CacheBandwidth.Value = rate
		c, err := Compile(m, &hw, Options{KVRead: k})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []Fidelity{Limit, Roofline} { // both differ by the same
			if d := c.At(f).Step(1, 2000) - c.At(f).Step(1, 1000); !close9(d, c.At(Roofline).Step(1, 2000)-c.At(Roofline).Step(1, 1000)) {
				t.Errorf("%v: 1,000 tokens take %g s", f, d)
			}
		}
		return c.At(Roofline).Step(1, 2000) - c.At(Roofline).Step(1, 1000)
	}
	for _, x := range []struct {
		rate float64
		k    execution.KVRead
		want float64
	}{
		{2e12, execution.Packed, 131.072e-6}, {2e12, execution.PerQueryHead, 262.144e-6},
		{10e12, execution.PerQueryHead, 131.072e-6}, {0, execution.PerQueryHead, 524.288e-6},
	} {
		if got := cache(x.rate, x.k); !close9(got, x.want) {
			t.Errorf("%v with a cache of %g B/s: 1,000 tokens take %g s, want %g", x.k, x.rate, got, x.want)
		}
	}
}
