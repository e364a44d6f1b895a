package kerneltime

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/precision"
)

// What absorbed latent attention moves and computes, written out as loops: every head multiplies its
// query with whole cached rows and adds up their latent parts.
func TestLatentShapesByLoops(t *testing.T) {
	const batch, heads, rank, rope, context = 2, 3, 8, 4, 5
	s := MLADecode{Batch: batch, Heads: heads, Rank: rank, Rope: rope, Context: context, KVDType: precision.FP8}
	flops, bytes := 0.0, 0.0
	for range batch {
		bytes += context * (rank + rope)
		for range heads {
			bytes += 2*(rank+rope) + 2*rank // a query in, a result out
			for range context {
				flops += 2*(rank+rope) + 2*rank
			}
		}
	}
	if s.FLOPs() != flops || s.Bytes() != bytes {
		t.Errorf("%g FLOPs and %g bytes, by loops %g and %g", s.FLOPs(), s.Bytes(), flops, bytes)
	}
	s.Seen = 2
	if s.Visible() != 2 || s.FLOPs() != flops*2/context {
		t.Errorf("of 2 rows seen: %g visible, %g FLOPs", s.Visible(), s.FLOPs())
	}
}

// Blocks, splits, waves and partial results by hand, one bound at a time.
func TestLatentPhysics(t *testing.T) {
	c := mlaCurve{Launch: 1e-6, Start: 2e-6, Query: 1e-8, Stream: 1e12, Bandwidth: 0.5, Peak: 0.5, Chunk: 100, Combine: 3e-6, Merge: 1e30}
	d := endless()
	d.Units = 4
	s := MLADecode{Batch: 1, Heads: 16, Rank: 512, Rope: 64, Context: 200, KVDType: precision.BF16}
	near(t, "two parts of 100 rows", c.seconds(&d, &s), 1e-6+2e-6+16*1e-8+100*576*2/1e12)
	s.Context = 256
	near(t, "the last context without a combining kernel", c.seconds(&d, &s), 1e-6+2e-6+16*1e-8+100*576*2/1e12)
	s.Context = 400
	near(t, "four parts, combined", c.seconds(&d, &s), 1e-6+2e-6+16*1e-8+100*576*2/1e12+3e-6)
	s.Heads, s.Batch, s.Context = 128, 4, 200 // eight blocks on four units
	near(t, "two waves of whole sequences", c.seconds(&d, &s), 1e-6+2*(2e-6+64*1e-8)+2*200*576*2/1e12)
	s.Heads = 65 // as many blocks
	near(t, "a tile of one head more", c.seconds(&d, &s), 1e-6+2*(2e-6+64*1e-8)+2*200*576*2/1e12)

	c = mlaCurve{Launch: 1e-9, Start: 1e-12, Query: 1e-15, Stream: 1e30, Bandwidth: 0.5, Peak: 0.5, Chunk: 100, Combine: 1e-12, Merge: 1e30}
	d.Bandwidth = 1e12
	near(t, "bound by memory", c.seconds(&d, &s), 1e-9+2*(1e-12+64e-15)+s.Bytes()/0.5e12)
	d.Bandwidth, d.Peak[0] = 1e30, 1e15
	near(t, "bound by products of two whole tiles a sequence", c.seconds(&d, &s), 1e-9+2*(1e-12+64e-15)+4*128*200*2*1088/0.5e15)
	d.Peak[0], c.Merge, s.Context = 1e30, 1e9, 1000
	near(t, "partial results, not split", c.seconds(&d, &s), 1e-9+2*(1e-12+64e-15)+1e-12+4*65*512*8/4e9)
}

// Rows of another width and caches in another format were not timed, and their intervals are wider.
func TestLatentsNobodyTimed(t *testing.T) {
	p, err := For(lookup(t, "h100-sxm"))
	if err != nil {
		t.Fatal(err)
	}
	timed := MLADecode{Batch: 8, Heads: 128, Rank: 512, Rope: 64, Context: 8192, KVDType: precision.BF16}
	other, coded := timed, timed
	other.Rank, coded.KVDType = 256, precision.FP8
	a, b, c := p.MLADecode(timed), p.MLADecode(other), p.MLADecode(coded)
	if wide(a) > .2 || wide(b) < wide(a)+.2 || wide(c) < wide(a)+.3 {
		t.Errorf("intervals of %.3f, of another width %.3f, in 8 bits %.3f", wide(a), wide(b), wide(c))
	}
	if p.MeasuredIn(ClassMLA, precision.FP8) || !p.MeasuredIn(ClassMLA, precision.BF16) || len(p.MLARows()) != 1 || p.MLARows()[0] != 576 {
		t.Errorf("timed in fp8 %v, in bf16 %v, rows of %v", p.MeasuredIn(ClassMLA, precision.FP8), p.MeasuredIn(ClassMLA, precision.BF16), p.MLARows())
	}
}

// What we timed: 128 heads wait for products, 16 for memory; a tile of 64 heads takes about what 16 of them take.
func TestLatentKernels(t *testing.T) {
	for on, want := range map[string]map[MLADecode]float64{
		"h100-sxm": {{Batch: 1, Heads: 16, Context: 131072}: 64.7, {Batch: 32, Heads: 128, Context: 131072}: 1856, {Batch: 64, Heads: 64, Context: 4096}: 131.7, {Batch: 512, Heads: 16, Context: 256}: 76.2},
		"h200":     {{Batch: 1, Heads: 16, Context: 131072}: 47.6, {Batch: 32, Heads: 128, Context: 131072}: 1798, {Batch: 64, Heads: 64, Context: 4096}: 96.7, {Batch: 512, Heads: 16, Context: 256}: 64.5},
	} {
		p, err := For(lookup(t, on))
		if err != nil {
			t.Fatal(err)
		}
		for s, us := range want {
			s.Rank, s.Rope, s.KVDType = 512, 64, precision.BF16
			if got := 1e6 * p.MLASeconds(&s); math.Abs(got/us-1) > .08 {
				t.Errorf("%s, %g heads, %g × %g: %.4g µs, measured %g", on, s.Heads, s.Batch, s.Context, got, us)
			}
		}
	}
}
