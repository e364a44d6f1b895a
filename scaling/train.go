package scaling

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

// BackwardPerForward is how many FLOPs the backward pass takes for one of the forward
// pass: each product needs the gradient of its input and that of its weight (Kaplan et
// al., arXiv:2001.08361, §2.1). Recomputed activations are not counted.
const BackwardPerForward = 2

// ChinchillaTokens is the compute-optimal number of training tokens for a parameter
// (Hoffmann et al., arXiv:2203.15556, table 3).
const ChinchillaTokens = 20

// MaxSequence bounds a training sequence.
const MaxSequence = costmodel.MaxLength

// Training is the arithmetic of training a model on sequences of one length, per token.
type Training struct {
	Model    *arch.Model
	Sequence int
	Kinds    []KindCost // in the order of their first layer, embedding and head last
	Forward  float64    // FLOPs
	Backward float64    // FLOPs

	ops []costmodel.Op
}

// KindCost is the share of all mixers or FFNs of one kind.
type KindCost struct {
	Kind     string
	Layers   int
	Forward  float64 // FLOPs
	Backward float64 // FLOPs
	Share    float64
}

// HeadKind is the kind of what no layer does: embedding, final norm and LM head.
const HeadKind = "head"

// NewTraining counts the FLOPs of training on sequences of the given length, every
// layer run on every position. For n positions
//
//	forward = Σ over operations FLOPs(n)/n,  backward = 2·forward
//
// with the operations of docs/accounting.md; attention counts the pairs a causal mask or
// a window leaves, (n+1)/2 a position without a window.
func NewTraining(m *arch.Model, sequence int) (*Training, error) {
	if sequence < 1 || sequence > MaxSequence {
		return nil, fmt.Errorf("sequence %d is not from 1 to %d", sequence, MaxSequence)
	}
	ops, err := costmodel.Ops(m, costmodel.Options{Prefill: execution.Full}, true)
	if err != nil {
		return nil, err
	}
	t := &Training{Model: m, Sequence: sequence, ops: ops}
	at := map[string]int{}
	last := map[string]int{} // the layer counted last
	head := KindCost{Kind: HeadKind}
	for i := range ops {
		o := &ops[i]
		f := t.work(o).FLOPs / float64(sequence)
		t.Forward += f
		if o.Layer < 0 {
			head.Forward += f
			continue
		}
		l := m.Layers[o.Layer]
		kind := l.MixerName()
		if o.Part == costmodel.InFFN {
			kind = l.FFNName()
		}
		j, ok := at[kind]
		if !ok {
			j = len(t.Kinds)
			at[kind], last[kind] = j, -1
			t.Kinds = append(t.Kinds, KindCost{Kind: kind})
		}
		if last[kind] != o.Layer {
			last[kind] = o.Layer
			t.Kinds[j].Layers++
		}
		t.Kinds[j].Forward += f
	}
	t.Kinds = append(t.Kinds, head)
	t.Backward = BackwardPerForward * t.Forward
	for i := range t.Kinds {
		k := &t.Kinds[i]
		k.Backward = BackwardPerForward * k.Forward
		k.Share = k.Forward / t.Forward
	}
	return t, nil
}

// work is an operation's work on one sequence. The final norm and the head, which
// inference runs on last positions, see all of them.
func (t *Training) work(o *costmodel.Op) costmodel.Work {
	if o.Shape.RowsAreSeqs {
		return o.Work(costmodel.Call{Batch: t.Sequence, New: 1})
	}
	return o.Work(costmodel.Call{Batch: 1, New: t.Sequence})
}

// Total is the FLOPs of a token, forward and backward.
func (t *Training) Total() float64 { return t.Forward + t.Backward }

// RooflineSeconds is the time of a token, forward and backward, on one device:
//
//	(1 + 2)·Σ over operations max(FLOPs/peak, bytes/bandwidth)
//
// Matrix products and attention run at the peak of the compute format, the rest at the
// fp32 vector peak where the device has one.
func (t *Training) RooflineSeconds(hw *hardware.Profile, compute precision.DType) (float64, error) {
	peak, err := Peak(hw, compute)
	if err != nil {
		return 0, err
	}
	vector := peak
	if p, ok := hw.Peak[precision.FP32]; ok && p.Value > 0 {
		vector = p.Value
	}
	sum := 0.0
	for i := range t.ops {
		o := &t.ops[i]
		w, p := t.work(o), vector
		switch o.Kernel.Class() {
		case costmodel.GEMM, costmodel.ExpertGEMM, costmodel.Attn:
			p = peak
		}
		sum += max(w.FLOPs/p, w.Total()/hw.MemoryBandwidth.Value)
	}
	return (1 + BackwardPerForward) * sum / float64(t.Sequence), nil
}

// Peak is the FLOP/s of a device in a format; errors say what it has.
func Peak(hw *hardware.Profile, compute precision.DType) (float64, error) {
	if p, ok := hw.Peak[compute]; ok && p.Value > 0 {
		return p.Value, nil
	}
	var has []string
	for d := precision.FP32; d <= precision.FP4; d++ {
		if p, ok := hw.Peak[d]; ok && p.Value > 0 {
			has = append(has, d.String())
		}
	}
	return 0, fmt.Errorf("%s cannot compute in %s (it has %s)", hw.Name, compute, strings.Join(has, ", "))
}

// Optimal is the compute-optimal number of tokens: 20 for each parameter a token uses.
func Optimal(m *arch.Model) float64 {
	return ChinchillaTokens * float64(m.ActiveParams().Total)
}

// Run is a training run on a cluster.
type Run struct {
	Devices     int
	Utilisation float64 // model FLOPs over peak: what is assumed, not predicted
	Tokens      float64

	FLOPs           float64
	TokensPerSecond float64 // of the cluster
	GPUHours        float64
	Seconds         float64 // with all devices
}

// Cluster is what a model is trained on.
type Cluster struct {
	Devices     int
	Peak        float64 // FLOP/s of a device
	Utilisation float64 // the share of it that does the model's FLOPs: an assumption
}

// Plan says what training on so many tokens takes:
//
//	FLOPs = tokens·(forward+backward),  GPU-hours = FLOPs / (utilisation·peak) / 3600
func (t *Training) Plan(on Cluster, tokens float64) (Run, error) {
	peak, utilisation, devices := on.Peak, on.Utilisation, on.Devices
	switch {
	case !(utilisation > 0 && utilisation <= 1):
		return Run{}, fmt.Errorf("utilisation %g is not above 0 and at most 1", utilisation)
	case devices < 1:
		return Run{}, fmt.Errorf("gpus %d: must be 1 or more", devices)
	case !(tokens > 0 && tokens <= 1e18):
		return Run{}, fmt.Errorf("tokens %g: must be above 0 and at most 1e18", tokens)
	}
	r := Run{Devices: devices, Utilisation: utilisation, Tokens: tokens, FLOPs: tokens * t.Total()}
	r.TokensPerSecond = float64(devices) * utilisation * peak / t.Total()
	r.Seconds = tokens / r.TokensPerSecond
	r.GPUHours = r.Seconds * float64(devices) / 3600
	if math.IsInf(r.Seconds, 0) || math.IsInf(r.GPUHours, 0) {
		return Run{}, fmt.Errorf("utilisation %g: a run of %g tokens would never end", utilisation, tokens)
	}
	return r, nil
}
