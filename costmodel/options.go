package costmodel

import (
	"fmt"
	"strings"

	"ridgeline/arch"
	"ridgeline/costmodel/kerneltime"
	"ridgeline/execution"
	"ridgeline/hardware"
	"ridgeline/precision"
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
	// Weights, KV, State and Activations are storage formats; Unset takes the checkpoint's
	// (experts and recurrent states may have one of their own), bf16 if it names none, KV
	// and State as the activations.
	Weights, KV, State, Activations precision.DType
	// Compute is the format of matrix products and attention; Unset is the activations'
	// (fp32 where the device has no 16-bit peak).
	Compute precision.DType
	TP      int // tensor-parallel devices; 0 is 1
	Prefill execution.PrefillMode
	KVRead  execution.KVRead
	Diff    execution.DiffKernel
	// Engine is whose per-step overhead the calibrated fidelity adds; "" is the default.
	Engine string
	// Calibration is a fitted profile put before those that come with ridgeline.
	Calibration *kerneltime.Profile
	// MemoryFraction is the part of the device's memory that may be used; 0 is all of it.
	MemoryFraction float64
}

// formats are the options with every default filled in.
type formats struct {
	weights, experts, kv, state, act, compute, vector precision.DType
}

func (o Options) resolve(m *arch.Model, hw *hardware.Profile) (formats, error) {
	f := formats{weights: o.Weights, kv: o.KV, state: o.State, act: o.Activations, compute: o.Compute}
	if f.weights == precision.Unset {
		f.weights, f.experts = m.WeightDType, m.ExpertDType
	}
	if f.weights == precision.Unset {
		f.weights = precision.BF16
	}
	if f.experts == precision.Unset {
		f.experts = f.weights
	}
	if f.act == precision.Unset {
		f.act = precision.BF16
		if f.weights == precision.FP32 || f.weights == precision.FP16 {
			f.act = f.weights
		}
	}
	if f.kv == precision.Unset {
		f.kv = f.act
	}
	if f.state == precision.Unset {
		f.state = m.StateDType
	}
	if f.state == precision.Unset {
		f.state = f.act
	}
	for _, s := range []struct {
		what string
		d    precision.DType
	}{{"weights", f.weights}, {"kv", f.kv}, {"state", f.state}, {"activations", f.act}} {
		if s.d == precision.TF32 || s.d == precision.FP4 {
			return f, fmt.Errorf("--%s %s: %s is a compute format, nothing is stored in it (store in fp32 or mxfp4)", s.what, s.d, s.d)
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
			return f, fmt.Errorf("%s cannot compute in %s (it has %s); --weights %s alone stores in it", hw.Name, f.compute, peakNames(hw), f.compute)
		}
		if p, ok := hw.Peak[precision.FP32]; ok && p.Value > 0 {
			f.vector = precision.FP32
		}
	}
	if o.TP < 0 {
		return f, fmt.Errorf("tp must be positive, is %d", o.TP)
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
