package costmodel

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

func parseName(what, s string, names []string) (uint8, error) {
	n := strings.ReplaceAll(strings.ToLower(s), "-", "_")
	for i, v := range names {
		if v == n {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("%s %q is not one of %s", what, s, strings.Join(names, ", "))
}

// Options say how a model is deployed. The zero value is what most people run: 16-bit
// weights as the checkpoint has them, one device, packed and fused kernels, skipping prefill.
type Options struct {
	// Weights is how weights are stored. The zero value is as the checkpoint stores each of them,
	// bf16 if the checkpoint does not say. A plain format (fp32, bf16, fp16) applies to all
	// weights; a quantised one applies to the linear maps and experts of the layers, while
	// embedding, head, routers, norms, biases and convolutions keep the checkpoint's 16 bits.
	Weights formats.Format
	// KV, State, ConvState and Activations are the formats of the cache, of recurrent states, of
	// the inputs that a convolution looks back on, and of activations. Unset takes the
	// checkpoint's format; where the checkpoint gives none, activations are bf16 and the others
	// are stored in the activations' format.
	KV, State, ConvState, Activations precision.DType
	// Cache says how much of a window's cache is stored.
	Cache execution.CacheMode
	// Compute is the format of matrix products and attention; Unset is the format of the
	// activations (fp32 where the device has no 16-bit peak).
	Compute precision.DType
	TP      int // tensor-parallel devices; 0 is 1
	// PP is pipeline stages, DP groups of devices that each run the mixers of sequences of
	// their own, EP devices over which the experts of a layer are spread; 0 is 1. A deployment
	// is TP·DP·PP devices, and a workload's batch the sequences of all of them. EP divides TP
	// (experts inside a group), or is a multiple of it that divides TP·DP (experts over several
	// groups, reached by all-to-alls). docs/accounting.md says what each does.
	PP, EP, DP int
	// Microbatches is the number of parts that a group's sequences are cut into; the parts follow
	// each other through the pipeline. 0 is PP.
	Microbatches int
	// Skew is how often the experts of the busiest device are picked, as a multiple of the mean
	// over devices; 0 and 1 are balanced.
	Skew    float64
	Prefill execution.PrefillMode
	KVRead  execution.KVRead
	Diff    execution.DiffKernel
	// Delta says whose kernels run the gated delta rule, which calibrated times alone tell apart.
	Delta execution.DeltaKernel
	// Engine is the serving engine whose overhead per step the calibrated fidelity adds; "" is the
	// default engine.
	Engine string
	// Calibration, if set, is a fitted profile that takes precedence over the embedded ones.
	Calibration *kerneltime.Profile
	// MemoryFraction is the part of the device's memory that may be used, from 0 to 1; 0 is all of
	// it.
	MemoryFraction float64

	mtp bool // a block of multi-token prediction, which begins with a projection of its own
}

// inForce holds the options with every default filled in.
type inForce struct {
	weights, experts formats.Format
	stored           bool            // as the checkpoint stores each weight, where it says
	base             precision.DType // what is not quantised
	kv, state, conv  precision.DType
	act, compute     precision.DType
	vector           precision.DType
	fla              bool // flash-linear-attention runs the gated delta rule
}

func (o Options) resolve(m *arch.Model, hw *hardware.Profile) (inForce, error) {
	f := inForce{weights: o.Weights, kv: o.KV, state: o.State, conv: o.ConvState, act: o.Activations, compute: o.Compute}
	f.fla = hw != nil && o.Delta.On(hw.Arch) == execution.FLA
	if !f.weights.Said() {
		f.weights, f.experts, f.stored = formats.Of(m.WeightDType), formats.Of(m.ExpertDType), true
	}
	if !f.weights.Said() {
		f.weights = formats.Plain(precision.BF16)
	}
	if !f.experts.Said() {
		f.experts = f.weights
	}
	switch {
	case !f.weights.Quantised():
		f.base = f.weights.DType()
	case m.WeightDType == precision.FP16:
		f.base = precision.FP16
	default:
		f.base = precision.BF16
	}
	first := func(d *precision.DType, others ...precision.DType) {
		for _, o := range others {
			if *d == precision.Unset {
				*d = o
			}
		}
	}
	if f.base == precision.FP32 || f.base == precision.FP16 {
		first(&f.act, f.base)
	}
	first(&f.act, precision.BF16)
	first(&f.kv, m.KVDType, f.act)
	first(&f.state, m.StateDType, f.act)
	first(&f.conv, m.ConvDType, f.act)
	for _, s := range []struct {
		what string
		d    precision.DType
	}{{"weights", f.base}, {"kv", f.kv}, {"state", f.state}, {"convolution state", f.conv}, {"activations", f.act}} {
		if s.d == precision.TF32 || s.d == precision.FP4 {
			return f, fmt.Errorf("%s %s: %s is a compute format, nothing is stored in it (store in fp32 or mxfp4)", s.what, s.d, s.d)
		}
	}
	if f.compute == precision.Unset {
		f.compute = f.act
		if hw != nil {
			if _, ok := hw.Peak[f.compute]; !ok {
				for _, d := range []precision.DType{precision.BF16, precision.FP16, precision.FP32} {
					if _, ok := hw.Peak[d]; ok {
						f.compute = d
						break
					}
				}
			}
		}
	}
	// Recurrences, norms and element-wise work run on the vector units, in fp32.
	f.vector = f.compute
	if hw != nil {
		if _, ok := hw.Peak[f.compute]; !ok {
			return f, fmt.Errorf("%s cannot compute in %s (it has %s); weights can be stored in %s all the same", hw.Name, f.compute, peakNames(hw), f.compute)
		}
		if p, ok := hw.Peak[precision.FP32]; ok && p.Value > 0 {
			f.vector = precision.FP32
		}
	}
	if err := o.checkRanks(); err != nil {
		return f, err
	}
	if !(o.MemoryFraction >= 0 && o.MemoryFraction <= 1) {
		return f, fmt.Errorf("memory fraction %g is not from 0 to 1", o.MemoryFraction)
	}
	return f, nil
}

func peakNames(hw *hardware.Profile) string {
	var names []string
	for d := precision.FP32; d <= precision.FP4; d++ {
		if _, ok := hw.Peak[d]; ok {
			names = append(names, d.String())
		}
	}
	return strings.Join(names, ", ")
}
