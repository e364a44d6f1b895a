package costmodel

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// The sum of a maximum of lines is the loop's, wherever they cross.
func TestSumsOfMaxima(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) line {
			return line{rapid.Float64Range(0, 100).Draw(t, name), rapid.SampledFrom([]float64{0, 0.5, 1, 2, 3.7}).Draw(t, name+"'s slope")}
		}
		p, q, r := draw("p"), draw("q"), draw("r")
		lo := float64(rapid.IntRange(0, 50).Draw(t, "lo"))
		hi := lo + float64(rapid.IntRange(0, 80).Draw(t, "more"))
		two, three := 0.0, 0.0
		for x := lo; x <= hi; x++ {
			two += max(p.at(x), q.at(x))
			three += max(p.at(x), q.at(x), r.at(x))
		}
		if got := sumMax2(p, q, lo, hi); !close9(got, two) {
			t.Fatalf("two lines from %g to %g: %g, the loop gives %g", lo, hi, got, two)
		}
		if got := sumMax3(p, q, r, lo, hi); !close9(got, three) {
			t.Fatalf("three lines from %g to %g: %g, the loop gives %g", lo, hi, got, three)
		}
	})
}

// An operation is bound by arithmetic exactly where its arithmetic takes longer than its
// bytes, and else by the kind of bytes it moves most of.
func TestWhatBindsAnOperation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		w := Workload{Prompt: rapid.IntRange(0, 300).Draw(t, "prompt"), Generate: 1, Batch: rapid.IntRange(1, 400).Draw(t, "batch")}
		for i, o := range c.At(Roofline).Ops(w) {
			arithmetic, bytes := o.FLOPs/c.peak(&c.decode[i].Op), c.memorySeconds(&c.decode[i].Op, &o.Work)
			if math.Abs(arithmetic-bytes) < 1e-9*bytes || o.Link > 0 {
				continue
			}
			if got := o.Bound == BoundCompute; got != (arithmetic > bytes) {
				t.Fatalf("%s: arithmetic %g s, bytes %g s, bound by %v", o.Name, arithmetic, bytes, o.Bound)
			}
		}
	})
}

// Per-token figures count every rank.
func TestPerTokenFiguresCountAllRanks(t *testing.T) {
	c := compiled(t, "phi4-mini", "h200", Options{TP: 2})
	w := Workload{Prompt: 100, Generate: 1, Batch: 4}
	e, err := c.Estimate(Roofline, w)
	if err != nil {
		t.Fatal(err)
	}
	work := c.StepWork(4, 101)
	if got, want := e.Decode.BytesPerToken, work.Total()*2/4; !close9(got, want) {
		t.Errorf("%g B a token, two ranks move %g", got, want)
	}
	if got, want := e.Decode.FLOPsPerToken, work.FLOPs*2/4; !close9(got, want) {
		t.Errorf("%g FLOPs a token, two ranks do %g", got, want)
	}
}

// More ranks than share a fabric are refused; as many are not.
func TestRanksOfOneFabric(t *testing.T) {
	m := compiled(t, "llama-3.1-8b", "h200", Options{}).Model
	hw := testGPU() // of which eight share a fabric
	if _, err := Compile(m, hw, Options{TP: 8}); err != nil {
		t.Error(err)
	}
	if _, err := Compile(m, hw, Options{TP: 16}); err == nil || !strings.Contains(err.Error(), "at most 8") {
		t.Errorf("sixteen ranks: %v", err)
	}
}

// A launch by itself costs the gap behind it: four passes are three more in every layer
// that runs them, of a step and of a prefill.
func TestGapsOfLaunches(t *testing.T) {
	of := func(d execution.DiffKernel) *calibrated {
		return compiled(t, "phi4-mini-flash", "h200", Options{Engine: "vllm-eager", Diff: d}).calibrated().(*calibrated)
	}
	fused, four := of(execution.Fused), of(execution.FourPass)
	gap := fused.engine.Gap
	if gap <= 0 {
		t.Fatal("an eager engine without a gap")
	}
	if got, want := four.perStep-fused.perStep, 16*3*gap; !close9(got, want) {
		t.Errorf("four passes add %g s of gaps to a step, want %g", got, want)
	}
	if got, want := four.prompts-fused.prompts, 16*3*gap; !close9(got, want) {
		t.Errorf("four passes add %g s of gaps to a prefill, want %g", got, want)
	}
}

// The interval is that of the step at the mean context, scaled to the mean step.
func TestIntervalIsOfTheMeanStep(t *testing.T) {
	c := compiled(t, "llama-3.1-8b", "h200", Options{})
	w := Workload{Prompt: 1000, Generate: 60001, Batch: 8}
	low, high, ok := c.At(Calibrated).Interval(w)
	mean := c.At(Calibrated).Generation(w) / float64(w.Generate)
	at := c.calibrated().(*calibrated).interval(8, 1000+30001)
	if !ok || !close9(low/mean, at.Low/at.Seconds) || !close9(high/mean, at.High/at.Seconds) {
		t.Errorf("%g to %g around %g, the step at the mean context %g to %g around %g", low, high, mean, at.Low, at.High, at.Seconds)
	}
}

// layers is a model of the mixers, without feed-forward networks.
func layers(t *testing.T, ffn arch.FFN, mixers ...arch.Mixer) *arch.Model {
	m := &arch.Model{Name: "by hand", Width: 64, Vocab: 100, Tied: true}
	for _, x := range mixers {
		m.Layers = append(m.Layers, arch.Layer{Mixer: x, FFN: ffn})
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	return m
}

func opNamed(t *testing.T, ops []Op, name string) *Op {
	t.Helper()
	for i := range ops {
		if ops[i].Name == name {
			return &ops[i]
		}
	}
	t.Fatalf("no operation %s", name)
	return nil
}

// A memory that a GMU of the self-decoder reads is written for every row of a prompt, even
// where the prefill skips the cross-decoder; one that only skipped layers read, for the last.
func TestMemoryOfAnEarlyGMU(t *testing.T) {
	mamba := arch.Mamba1{DInner: 128, DState: 4, DConv: 4, DtRank: 4}
	full := arch.Attention{Heads: 4, KVHeads: 4, HeadDim: 16}
	cross := full
	gmu := arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 128}
	call := Call{Batch: 1, New: 50}
	written := func(m *arch.Model) float64 {
		ops, err := Ops(m, Options{}, true)
		if err != nil {
			t.Fatal(err)
		}
		return opNamed(t, ops, "mamba1.scan").Work(call).Bytes[ActWrite]
	}
	cross.KVSource = arch.To(2)
	early := layers(t, nil, mamba, gmu, full, cross)
	cross.KVSource = arch.To(1)
	late := layers(t, nil, mamba, full, gmu, cross)
	if got, want := written(early), 2.0*50*128*2; got != want {
		t.Errorf("an early GMU: the scan writes %g B, want %g: output and memory of 50 rows", got, want)
	}
	if got, want := written(late), 51.0*128*2; got != want {
		t.Errorf("a skipped GMU: the scan writes %g B, want %g: output of 50 rows, memory of one", got, want)
	}
}

// A gate of the shared expert is one value a row: read once, and a product of every output.
func TestSharedExpertGate(t *testing.T) {
	full := arch.Attention{Heads: 4, KVHeads: 4, HeadDim: 16}
	of := func(gate bool) Work {
		ops, err := Ops(layers(t, arch.MoE{Experts: 4, TopK: 2, Inner: 32, SharedInner: 16, SharedGate: gate}, full), Options{}, false)
		if err != nil {
			t.Fatal(err)
		}
		return opNamed(t, ops, "moe.shared_down").Work(Call{Batch: 3, New: 1, Past: 9})
	}
	with, without := of(true), of(false)
	if got := with.FLOPs - without.FLOPs; got != 3*64 {
		t.Errorf("the gate adds %g FLOPs, want 3 rows of 64", got)
	}
	if got := with.Bytes[ActRead] - without.Bytes[ActRead]; got != 3*2 {
		t.Errorf("the gate is %g B to read, want 3 values of 2", got)
	}
}

// A memory that a layer of the self-decoder and one of the cross-decoder both gate is handed on for
// every row of a prompt; behind the first of them, for the last row alone; behind both, not at all.
func TestMemoryReadOnBothSidesOfTheSplit(t *testing.T) {
	mamba := arch.Mamba1{DInner: 128, DState: 4, DConv: 4, DtRank: 4}
	full := arch.Attention{Heads: 4, KVHeads: 4, HeadDim: 16}
	gmu := arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 128}
	cross := full
	cross.KVSource = arch.To(2)
	c, err := Compile(layers(t, nil, mamba, gmu, full, gmu, cross), testGPU(), Options{PP: 5})
	if err != nil {
		t.Fatal(err)
	}
	const stream, memory = 64 * 2, 128 * 2
	for i, want := range []float64{50*stream + 50*memory, 50*stream + memory, stream + memory, stream, 0} {
		sent := 0.0
		for _, g := range c.stages[i].prefill {
			if g.Name == "pp.send" {
				sent += g.Op.Work(Call{Batch: 1, New: 50}).Link
			}
		}
		if sent != want {
			t.Errorf("stage %d sends %g B, want %g", i, sent, want)
		}
	}
}
