package costmodel

import (
	"math"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/hardware"
)

// directStep is a step with every kernel asked afresh, for no table to be wrong in.
func (c *calibrated) directStep(b, n float64) float64 {
	t := c.sumSteady(b, b)
	for i := range c.vary {
		k := &c.vary[i]
		t += c.seconds(k, b, n, k.floor.at(n))
	}
	return t
}

// What a model keeps for each batch changes no step, and a generation by less than 0.1 % of the
// sum of its steps, whatever the model, the options, the device and the batches asked for
// before.
func TestTablesAreTheSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hw := testGPU()
		hw.Vendor, hw.Arch = "NVIDIA", "hopper"
		if rapid.Bool().Draw(t, "measured") {
			on := rapid.SampledFrom([]string{"h200", "h100-sxm", "a100-80gb", "b200", "rtx-4090"}).Draw(t, "on")
			var err error
			if hw, err = hardware.Lookup(on); err != nil {
				t.Fatal(err)
			}
		}
		x, err := Compile(drawModel(t), hw, drawOptions(t))
		if err != nil {
			t.Skip(err)
		}
		c, ok := x.At(Calibrated).(*calibrated)
		if !ok {
			t.Fatal("not calibrated")
		}
		for range 5 {
			b := rapid.SampledFrom([]int{1, 2, 3, 8, 13, 64, 129, 700, 5000}).Draw(t, "batch")
			n := rapid.IntRange(1, 1<<17).Draw(t, "context")
			if got, want := c.Step(b, n), c.directStep(float64(b), float64(n)); math.Abs(got/want-1) > 1e-6 {
				t.Fatalf("batch %d, context %d: %g s, every kernel asked %g", b, n, got, want)
			}
			w := Workload{Batch: b, Prompt: rapid.IntRange(0, 5000).Draw(t, "prompt"), Generate: rapid.IntRange(1, 1500).Draw(t, "generate")}
			sum := 0.0
			for i := 1; i <= w.Generate; i++ {
				sum += c.directStep(float64(b), float64(w.Prompt+i))
			}
			if got := c.Generation(w); math.Abs(got/sum-1) > 1e-3 {
				t.Fatalf("%+v: %g s, its steps %g", w, got, sum)
			}
		}
	})
}

// Tables come and go as batches take each other's place; several goroutines at once get what
// one gets alone, and no more than a bounded number is kept.
func TestTablesOfManyBatches(t *testing.T) {
	alone := compiled(t, "phi4-mini-flash", "h200", Options{}).At(Calibrated)
	const batches = 400
	want := make([]float64, batches+1)
	for b := 1; b <= batches; b++ {
		want[b] = alone.Step(b, 3000)
	}
	shared := compiled(t, "phi4-mini-flash", "h200", Options{}).At(Calibrated)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 3 * batches {
				b := 1 + (i*(2*g+1))%batches
				if got := shared.Step(b, 3000); got != want[b] {
					t.Errorf("batch %d: %g s, alone %g", b, got, want[b])
					return
				}
			}
		})
	}
	all.Wait()
	kept, other := 0, shared.(*calibrated)
	for i := range other.tables {
		if other.tables[i].Load() != nil {
			kept++
		}
	}
	if kept < 16 || kept > 64 {
		t.Errorf("tables of %d batches are kept", kept)
	}
}
