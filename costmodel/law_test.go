package costmodel

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

func close9(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

func compileRandom(t *rapid.T) *Compiled {
	c, err := Compile(drawModel(t), testGPU(), drawOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The closed form of a generation is the sum of its steps.
func TestGenerationIsSumOfSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		b := rapid.IntRange(1, 300).Draw(t, "batch")
		p, g := rapid.IntRange(0, 200).Draw(t, "prompt"), rapid.IntRange(1, 3000).Draw(t, "generate")
		for _, f := range []Fidelity{Limit, Roofline} {
			sum := 0.0
			for n := p + 1; n <= p+g; n++ {
				sum += c.At(f).Step(b, n)
			}
			if got := c.At(f).Generation(Workload{Batch: b, Prompt: p, Generate: g}); !close9(got, sum) {
				t.Fatalf("%v: closed form %g, loop %g", f, got, sum)
			}
		}
	})
}

// byOperation prices a call from the list of operations alone: Σ max at roofline, max Σ at
// the limit.
func byOperation(c *Compiled, f Fidelity, ops []OpGroup, call Call) float64 {
	sum, compute, memory, link, net := 0.0, 0.0, 0.0, 0.0, 0.0
	for i := range ops {
		g := &ops[i]
		w, n := g.Op.Work(call), float64(g.Count)
		a, b, l, far := w.FLOPs/c.peak(&g.Op), c.memorySeconds(&g.Op, &w), 0.0, 0.0
		if w.Link > 0 {
			l = w.Link / c.link
		}
		if w.Net > 0 {
			far = w.Net / c.net
		}
		sum += n * max(a, b, l, far)
		compute, memory, link, net = compute+n*a, memory+n*b, link+n*l, net+n*far
	}
	if f == Limit {
		return max(compute, memory, link, net)
	}
	return sum
}

// The reduced tables and the operation list are two ways to the same time.
func TestStepEqualsOperations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		b, n := rapid.IntRange(1, 500).Draw(t, "batch"), rapid.IntRange(1, 4000).Draw(t, "context")
		for _, f := range []Fidelity{Limit, Roofline} {
			if got, want := c.At(f).Step(b, n), byOperation(c, f, c.decode, Call{Batch: b, New: 1, Past: n - 1}); !close9(got, want) {
				t.Fatalf("%v: tables %g, operations %g", f, got, want)
			}
		}
	})
}

// A limit is below the roofline; parts sum to the whole.
func TestLimitBelowRooflineAndPartsSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		w := Workload{Prompt: rapid.IntRange(0, 300).Draw(t, "prompt"), Generate: rapid.IntRange(1, 900).Draw(t, "generate"), Batch: rapid.IntRange(1, 200).Draw(t, "batch")}
		lim, roof := c.At(Limit).Generation(w), c.At(Roofline).Generation(w)
		if lim > roof*(1+1e-12) {
			t.Fatalf("limit %g above roofline %g", lim, roof)
		}
		if l, r := c.At(Limit).Prefill(w), c.At(Roofline).Prefill(w); l > r*(1+1e-12) {
			t.Fatalf("prefill limit %g above roofline %g", l, r)
		}
		sum, bytes := 0.0, 0.0
		for _, o := range c.At(Roofline).Ops(w) {
			sum += o.Seconds
			bytes += o.Total()
		}
		if !close9(sum, roof/float64(w.Generate)) {
			t.Fatalf("parts %g, whole %g", sum, roof/float64(w.Generate))
		}
		stepBytes := 0.0
		for n := w.Prompt + 1; n <= w.Prompt+w.Generate; n++ {
			stepBytes += c.StepWork(w.Batch, n).Total()
		}
		if !close9(bytes, stepBytes/float64(w.Generate)) {
			t.Fatalf("bytes of the parts %g, of the steps %g", bytes, stepBytes/float64(w.Generate))
		}
	})
}

// Cost never falls when batch, context or bytes per element grow; but behind the end of a chunk a
// step sees less.
func TestMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, o := drawModel(t), drawOptions(t)
		o.Weights, o.KV = formats.Of(precision.FP8), precision.FP8
		c, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		o.Weights, o.KV = formats.Of(precision.BF16), precision.BF16
		wide, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		b, n := rapid.IntRange(1, 300).Draw(t, "batch"), rapid.IntRange(1, 3000).Draw(t, "context")
		db, dn := rapid.IntRange(0, 50).Draw(t, "db"), rapid.IntRange(0, 500).Draw(t, "dn")
		windows := c.Windows()
		chunks := len(windows) > 0 && windows[0] < 0
		for _, f := range []Fidelity{Limit, Roofline} {
			base := c.At(f).Step(b, n)
			for name, more := range map[string]float64{"batch": c.At(f).Step(b+db, n), "context": c.At(f).Step(b, n+dn), "bytes": wide.At(f).Step(b, n)} {
				if more < base*(1-1e-12) && (!chunks || name != "context") {
					t.Fatalf("%v: more %s costs less: %g < %g", f, name, more, base)
				}
			}
			if more, base := c.At(f).Prefill(Workload{Batch: b, Prompt: n + dn}), c.At(f).Prefill(Workload{Batch: b, Prompt: n}); more < base*(1-1e-12) {
				t.Fatalf("%v: longer prompt costs less", f)
			}
		}
		if c.Memory(Workload{Batch: b, Prompt: n, Generate: 1}).TotalBytes > c.Memory(Workload{Batch: b + db, Prompt: n, Generate: 1 + dn}).TotalBytes {
			t.Fatal("more takes less memory")
		}
	})
}

// What MaxBatch says fits, fits; one more does not.
func TestMaxBatchIsTight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		p, g := rapid.IntRange(0, 20000).Draw(t, "prompt"), rapid.IntRange(1, 200000).Draw(t, "generate")
		b := c.MaxBatch(Workload{Prompt: p, Generate: g})
		if w, fits := c.Fill(Workload{Prompt: p, Generate: g}); w != (Workload{Prompt: p, Generate: g, Batch: max(b, 1)}) || fits != (b > 0) {
			t.Fatalf("largest batch %d, filled %+v, fits %v", b, w, fits)
		}
		if w, fits := c.Fill(Workload{Prompt: p, Generate: g, Batch: b + 1}); w.Batch != b+1 || fits {
			t.Fatalf("largest batch %d, but %d fit", b, w.Batch)
		}
		if b == MaxBatchSize {
			return
		}
		if b > 0 && !c.Memory(Workload{Batch: b, Prompt: p, Generate: g}).Fits {
			t.Fatalf("batch %d does not fit", b)
		}
		if c.Memory(Workload{Batch: b + 1, Prompt: p, Generate: g}).Fits {
			t.Fatalf("batch %d fits too", b+1)
		}
		if m := c.Memory(Workload{Batch: b + 1, Prompt: p, Generate: g}); m.MissingBytes <= 0 {
			t.Fatal("nothing is missing and it does not fit")
		}
	})
}
