package costmodel

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
)

// Whose kernels run the gated delta rule decides which timings price it and the convolution in
// front; what is counted is the same.
func TestDeltaKernels(t *testing.T) {
	m := layers(t, nil, arch.GatedDeltaNet{KHeads: 2, VHeads: 4, KDim: 3, VDim: 5, DConv: 4})
	gpu := testGPU()
	for _, x := range []struct {
		delta execution.DeltaKernel
		arch  string
		fla   bool
	}{{execution.FlashInfer, "ampere", false}, {execution.FLA, "hopper", true}, {execution.AutoDelta, "hopper", false}, {execution.AutoDelta, "blackwell", false}, {execution.AutoDelta, "ada", true}} {
		on := *gpu
		on.Arch = x.arch
		c, err := Compile(m, &on, Options{Delta: x.delta})
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.decode {
			k := c.kernelOf(&c.decode[i])
			switch c.decode[i].Name {
			case "gdn.delta":
				s := k.scan
				if (k.price == asScan) != x.fla || x.fla && (s.Heads != 4 || s.HeadDim != 5 || s.Groups != 2 || s.State != 3 || k.facts.scanStep != kerneltime.RuleStep) {
					t.Errorf("%v on %s: %+v", x.delta, x.arch, s)
				}
			case "gdn.conv":
				if s := k.scan; (k.price == asScan) != x.fla || x.fla && (s.Heads != 32 || s.State != 4) {
					t.Errorf("%v on %s: %+v", x.delta, x.arch, s)
				}
			}
		}
	}
}

// A GPU at rest works a burst at its short-term clock and the rest more slowly: by hand.
func TestSustainedLoad(t *testing.T) {
	for _, x := range []struct{ seconds, more, want float64 }{{0.05, 1, 0.05}, {0.055, 1, 0.055}, {0.11, 0.02, 0.12}, {0.55, 0.1, 0.64}} {
		if got := (load{x.seconds, x.more}).total(); math.Abs(got-x.want) > 1e-12 {
			t.Errorf("%g s and %g s more: %g, want %g", x.seconds, x.more, got, x.want)
		}
	}
	long, short := Workload{Batch: 1, Prompt: 8192}, Workload{Batch: 1, Prompt: 512}
	for _, on := range []string{"h100-sxm", "h200"} {
		c := compiled(t, "qwen3.5-27b", on, Options{})
		hw := *c.Hardware
		hw.SustainedFLOPS = hardware.Figure{}
		rested, err := Compile(c.Model, &hw, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := c.At(Calibrated).Prefill(short), rested.At(Calibrated).Prefill(short); a != b {
			t.Errorf("%s: a short prompt takes %g s, %g s where no clock falls", on, a, b)
		}
		if a, b := c.At(Calibrated).Prefill(long), rested.At(Calibrated).Prefill(long); !(a > 1.01*b && a < 1.2*b) {
			t.Errorf("%s: a long prompt takes %g s, %g s where no clock falls", on, a, b)
		}
		ops := 0.0
		for _, o := range c.At(Calibrated).PrefillOps(long) {
			ops += o.Seconds
		}
		if p := c.At(Calibrated).(*calibrated); math.Abs(ops+p.prompts-p.Prefill(long)) > 1e-9*ops {
			t.Errorf("%s: operations take %g s and the engine %g, the prompt %g", on, ops, p.prompts, p.Prefill(long))
		}
	}
}
