package costmodel

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
)

// In chunks of 4 the queries at positions 1 … 10 see 1 2 3 4 1 2 3 4 1 2 positions, and cache rows
// are read of the chunks that queries stand in alone.
func TestChunksByHand(t *testing.T) {
	seen := []int{1, 2, 3, 4, 1, 2, 3, 4, 1, 2}
	for i, want := range seen {
		if got := Seen(-4, i+1); got != want {
			t.Errorf("position %d sees %d, want %d", i+1, got, want)
		}
		if more, ok := Grows(-4, i+1); !ok || more != 5-want {
			t.Errorf("position %d sees more for %d steps, want %d", i+1, more, 5-want)
		}
	}
	a := arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 16, Window: 4, Chunked: true}
	ops, err := Ops(layers(t, nil, a), Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	core := opNamed(t, ops, "attn.core")
	for _, tt := range []struct {
		call        Call
		pairs, rows float64
	}{
		{Call{Batch: 1, New: 1, Past: 4}, 1, 1},
		{Call{Batch: 3, New: 1, Past: 9}, 3 * 2, 3 * 2},
		{Call{Batch: 1, New: 10}, 10 + 10 + 3, 10},
		{Call{Batch: 2, New: 4, Past: 6}, 2 * (3 + 4 + 1 + 2), 2 * (2 + 4)},
	} {
		w := core.Work(tt.call)
		if got, want := w.FLOPs, tt.pairs*2*4*32; got != want {
			t.Errorf("%+v: %g FLOPs, want %g", tt.call, got, want)
		}
		if got, want := w.Bytes[CacheRead], tt.rows*2*32*2; got != want {
			t.Errorf("%+v: %g B of the cache read, want %g", tt.call, got, want)
		}
	}
}

// The sums over contexts and the pieces of a prompt are those of a loop.
func TestChunksAreSummed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reach{float64(rapid.IntRange(1, 9).Draw(t, "chunk")), true}
		lo := rapid.IntRange(1, 40).Draw(t, "lo")
		hi := lo + rapid.IntRange(0, 40).Draw(t, "more")
		loop, sum, steps := 0.0, 0.0, 0.0
		for n := lo; n <= hi; n++ {
			loop += r.at(float64(n))
		}
		r.teeth(float64(lo), float64(hi), func(first, last, times float64) {
			sum += times * line{0, 1}.sum(first, last)
			steps += times * (last - first + 1)
		})
		if closed := r.sum(float64(hi)) - r.sum(float64(lo-1)); closed != loop || sum != loop || steps != float64(hi-lo+1) {
			t.Fatalf("%d to %d in %v: %g in %g steps, closed %g, the loop gives %g", lo, hi, r, sum, steps, closed, loop)
		}
	})
}
