package kernels

import (
	"context"

	"github.com/OWNER/ridgeline/execution"
)

// The operations below run one kernel on whole tensors, as the model does, so that
// it can be held against another implementation. Tensors are row-major; slices that
// are documented as optional may be nil.

// ScanInputs are the tensors of a Mamba-1 selective scan: U, Delta, Z [batch, seq,
// channels], A [channels, states], B, C [batch, seq, states], D and DeltaBias
// [channels]. D, Z and DeltaBias are optional.
type ScanInputs struct {
	Batch, Seq, Channels, States       int
	U, Delta, Z, A, B, C, D, DeltaBias []float32
	Softplus                           bool // Δ = softplus(Delta + DeltaBias)
}

// SelectiveScan returns the gated output, the memory (before the gate) and the state
// after the last position [batch, channels, states].
func SelectiveScan(ctx context.Context, in ScanInputs) (out, memory, state []float32) {
	rows := in.Batch * in.Seq
	out, memory = make([]float32, rows*in.Channels), make([]float32, rows*in.Channels)
	state = make([]float32, in.Batch*in.Channels*in.States)
	s := in.scan(out, memory, state)
	s.run(newRunner(ctx, 0), nil)
	return out, memory, state
}

func (in *ScanInputs) scan(out, memory, state []float32) selectiveScan {
	rows := in.Batch * in.Seq
	return selectiveScan{
		u: newMat(in.U, rows, in.Channels), delta: newMat(in.Delta, rows, in.Channels), z: newMat(in.Z, rows, in.Channels),
		b: newMat(in.B, rows, in.States), c: newMat(in.C, rows, in.States),
		y: newMat(out, rows, in.Channels), memory: newMat(memory, rows, in.Channels), step: 1,
		state: state, a: in.A, d: in.D, bias: in.DeltaBias, states: in.States, batch: in.Batch, plainDelta: !in.Softplus,
	}
}

// SSDInputs are the tensors of a Mamba-2 recurrence: X [batch, seq, heads, head_dim],
// DT [batch, seq, heads] already positive, A [heads], B, C [batch, seq, groups,
// states], D [heads] optional.
type SSDInputs struct {
	Batch, Seq, Heads, HeadDim, States, Groups int
	X, DT, A, B, C, D                          []float32
}

// SSD returns the output and the state after the last position [batch, heads,
// head_dim, states].
func SSD(ctx context.Context, in SSDInputs) (out, state []float32) {
	rows, inner, gn := in.Batch*in.Seq, in.Heads*in.HeadDim, in.Groups*in.States
	out, state = make([]float32, rows*inner), make([]float32, in.Batch*inner*in.States)
	s := ssd{
		x: newMat(in.X, rows, inner), dt: newMat(in.DT, rows, in.Heads), b: newMat(in.B, rows, gn), c: newMat(in.C, rows, gn),
		y: newMat(out, rows, inner), state: state, a: in.A, d: in.D,
		heads: in.Heads, headDim: in.HeadDim, states: in.States, groups: in.Groups, batch: in.Batch, plainDelta: true,
	}
	s.run(newRunner(ctx, 0), nil)
	return out, state
}

// DeltaInputs are the tensors of a gated delta rule: Q, K [batch, seq, k_heads, k_dim]
// (Q not yet scaled), V [batch, seq, v_heads, v_dim], Beta and G (log decay) [batch,
// seq, v_heads].
type DeltaInputs struct {
	Batch, Seq, KHeads, VHeads, KDim, VDim int
	Q, K, V, Beta, G                       []float32
	QScale                                 float32
}

// GatedDelta returns the output [batch, seq, v_heads, v_dim] and the state after the
// last position [batch, v_heads, k_dim, v_dim].
func GatedDelta(ctx context.Context, in DeltaInputs) (out, state []float32) {
	rows, dk, dv := in.Batch*in.Seq, in.KHeads*in.KDim, in.VHeads*in.VDim
	q := make([]float32, len(in.Q))
	for i, v := range in.Q {
		q[i] = v * in.QScale
	}
	out = make([]float32, rows*dv)
	own := make([]float32, in.Batch*in.VHeads*in.KDim*in.VDim)
	d := deltaRule{
		q: newMat(q, rows, dk), k: newMat(in.K, rows, dk), v: newMat(in.V, rows, dv),
		b: newMat(in.Beta, rows, in.VHeads), a: newMat(in.G, rows, in.VHeads), o: newMat(out, rows, dv), state: own,
		kHeads: in.KHeads, vHeads: in.VHeads, kDim: in.KDim, vDim: in.VDim, batch: in.Batch, plain: true,
	}
	d.run(newRunner(ctx, 0), nil)
	state = make([]float32, len(own))
	for h := range in.Batch * in.VHeads {
		for j := range in.VDim {
			for i := range in.KDim {
				state[(h*in.KDim+i)*in.VDim+j] = own[(h*in.VDim+j)*in.KDim+i]
			}
		}
	}
	return out, state
}

// AttentionInputs are the tensors of causal softmax attention: Q [batch, seq, heads,
// head_dim], K, V [batch, seq, kv_heads, head_dim]. Window 0 is all.
type AttentionInputs struct {
	Batch, Seq, Heads, KVHeads, HeadDim, Window int
	Q, K, V                                     []float32
	KVRead                                      execution.KVRead
}

// Attend returns the output [batch, seq, heads, head_dim]. It runs in calls of step
// positions at a time (0: all at once), through the cache as a model does.
func Attend(ctx context.Context, in AttentionInputs, step int) []float32 {
	if step <= 0 {
		step = in.Seq
	}
	inner, wide := in.Heads*in.HeadDim, in.KVHeads*in.HeadDim
	out := make([]float32, in.Batch*in.Seq*inner)
	cache := newCache(in.Batch, in.KVHeads, in.HeadDim, in.HeadDim, in.Window, in.Seq)
	passes := attentionPasses(in.Heads, in.KVHeads, false, false, in.KVRead.PerQueryHead(in.Window > 0))
	r := newRunner(ctx, 0)
	for n0 := 0; n0 < in.Seq; n0 += step {
		T := min(step, in.Seq-n0)
		cut := func(all []float32, cols int) mat {
			m := newMat(make([]float32, in.Batch*T*cols), in.Batch*T, cols)
			for b := range in.Batch {
				copy(m.data[b*T*cols:(b+1)*T*cols], all[(b*in.Seq+n0)*cols:])
			}
			return m
		}
		cache.append(nil, cut(in.K, wide), cut(in.V, wide), n0, T)
		o := newMat(make([]float32, in.Batch*T*inner), in.Batch*T, inner)
		core := attentionCore{
			q: cut(in.Q, inner), out: o, cache: cache, passes: passes, batch: in.Batch,
			heads: in.Heads, dim: in.HeadDim, vdim: in.HeadDim, width: 1, window: in.Window, n: n0 + T, nq: T,
		}
		core.run(r, nil)
		for b := range in.Batch {
			copy(out[(b*in.Seq+n0)*inner:], o.data[b*T*inner:(b+1)*T*inner])
		}
	}
	return out
}

// GMUInputs are the tensors of a Gated Memory Unit: X [rows, width], Memory [rows,
// d_mem], In [d_mem, width], Out [width, d_mem]; Norm [d_mem] where it is an nGMU.
type GMUInputs struct {
	Rows, Width, DMem        int
	X, Memory, In, Out, Norm []float32
	Eps                      float64
}

// GatedMemory returns the output [rows, width].
func GatedMemory(ctx context.Context, in GMUInputs) []float32 {
	r := newRunner(ctx, 0)
	pre, y := newMat(make([]float32, in.Rows*in.DMem), in.Rows, in.DMem), newMat(make([]float32, in.Rows*in.DMem), in.Rows, in.DMem)
	out := newMat(make([]float32, in.Rows*in.Width), in.Rows, in.Width)
	var n *norm
	if in.Norm != nil {
		n = &norm{w: in.Norm, eps: float32(in.Eps)}
	}
	r.linear(nil, linear{w: in.In, out: in.DMem, in: in.Width}, newMat(in.X, in.Rows, in.Width), pre, epilogue{})
	gmuGate(r, nil, pre, newMat(in.Memory, in.Rows, in.DMem), y, n)
	r.linear(nil, linear{w: in.Out, out: in.Width, in: in.DMem}, y, out, epilogue{})
	return out.data
}

// SigmoidGMUInputs are the tensors of the sigmoid unit: X, Mixed [rows, width]; the
// weights as arch.GMU names them, biases under the same name.
type SigmoidGMUInputs struct {
	Rows, Width     int
	X, Mixed        []float32
	Weights, Biases map[string][]float32 // current, mixed, gate, out
}

// SigmoidGatedMemory returns the output [rows, width].
func SigmoidGatedMemory(ctx context.Context, in SigmoidGMUInputs) []float32 {
	r, w := newRunner(ctx, 0), in.Width
	lin := func(name string, inner int) linear {
		return linear{w: in.Weights[name], bias: in.Biases[name], out: w, in: inner}
	}
	cm := newMat(make([]float32, in.Rows*2*w), in.Rows, 2*w)
	pre, y, out := newMat(make([]float32, in.Rows*w), in.Rows, w), newMat(make([]float32, in.Rows*w), in.Rows, w), newMat(make([]float32, in.Rows*w), in.Rows, w)
	r.linear(nil, lin("current", w), newMat(in.X, in.Rows, w), cm.part(0, w), epilogue{})
	r.linear(nil, lin("mixed", w), newMat(in.Mixed, in.Rows, w), cm.part(w, w), epilogue{})
	r.linear(nil, lin("gate", 2*w), cm, pre, epilogue{})
	blend(r, nil, pre, cm, y)
	r.linear(nil, lin("out", w), y, out, epilogue{})
	return out.data
}
