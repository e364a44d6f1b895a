package golden

import (
	"context"
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/kernels"
)

func attention(ctx context.Context, t *tensors) error {
	q, k := t.shape("q", 4), t.shape("k", 4)
	if !t.flag("causal", true) {
		return fmt.Errorf("attention that is not causal has no kernel")
	}
	scale, ok := t.f.Metadata["scale"]
	if ok && scale != "1/sqrt(head_dim)" {
		return fmt.Errorf("scale %q is not 1/sqrt(head_dim)", scale)
	}
	if t.err == nil && (q[2]%k[2] != 0 || q[0] != k[0] || q[1] != k[1] || q[3] != k[3]) {
		return fmt.Errorf("q %v does not fit k %v", q, k)
	}
	window := t.number("window", 0)
	if window < 0 {
		window = 0
	}
	in := kernels.AttentionInputs{
		Batch: q[0], Seq: q[1], Heads: q[2], KVHeads: k[2], HeadDim: q[3], Window: int(min(window, math.MaxInt32)),
		Q: t.floats("q", q...), K: t.floats("k", k...), V: t.floats("v", k...),
	}
	if t.err != nil {
		return nil
	}
	// at once, position by position, and in threes; one read per group and one per head
	for _, step := range []int{0, 1, 3} {
		for _, v := range []execution.KVRead{execution.Packed, execution.PerQueryHead} {
			in.KVRead = v
			t.compare("out", kernels.Attend(ctx, in, step))
		}
	}
	return nil
}

func mamba1Scan(ctx context.Context, t *tensors) error {
	u, a := t.shape("u", 3), t.shape("A", 2)
	b, s, d, n := u[0], u[1], u[2], a[1]
	in := kernels.ScanInputs{
		Batch: b, Seq: s, Channels: d, States: n,
		U: t.floats("u", b, s, d), Delta: t.floats("delta", b, s, d), Z: t.optional("z", b, s, d),
		A: t.floats("A", d, n), B: t.floats("B", b, s, n), C: t.floats("C", b, s, n),
		D: t.optional("D", d), DeltaBias: t.optional("delta_bias", d),
		Softplus: t.flag("delta_softplus", false),
	}
	if t.err != nil {
		return nil
	}
	out, memory, state := kernels.SelectiveScan(ctx, in)
	t.compare("out", out)
	t.compare("memory", memory)
	t.compare("state", state)
	return nil
}

func mamba2SSD(ctx context.Context, t *tensors) error {
	x, bs := t.shape("x", 4), t.shape("B", 4)
	b, s, h, p, g, n := x[0], x[1], x[2], x[3], bs[2], bs[3]
	if t.err == nil && h%g != 0 {
		return fmt.Errorf("x %v does not fit B %v", x, bs)
	}
	in := kernels.SSDInputs{
		Batch: b, Seq: s, Heads: h, HeadDim: p, States: n, Groups: g,
		X: t.floats("x", b, s, h, p), DT: t.floats("dt", b, s, h), A: t.floats("A", h),
		B: t.floats("B", b, s, g, n), C: t.floats("C", b, s, g, n), D: t.optional("D", h),
	}
	if t.err != nil {
		return nil
	}
	out, state := kernels.SSD(ctx, in)
	t.compare("out", out)
	t.compare("state", state)
	return nil
}

func gatedDeltaRule(ctx context.Context, t *tensors) error {
	k, v := t.shape("k", 4), t.shape("v", 4)
	b, s, kh, kd, vh, vd := k[0], k[1], k[2], k[3], v[2], v[3]
	if t.err == nil && vh%kh != 0 {
		return fmt.Errorf("v %v does not fit k %v", v, k)
	}
	in := kernels.DeltaInputs{
		Batch: b, Seq: s, KHeads: kh, VHeads: vh, KDim: kd, VDim: vd,
		Q: t.floats("q", k...), K: t.floats("k", k...), V: t.floats("v", b, s, vh, vd),
		Beta: t.floats("beta", b, s, vh), G: t.floats("g", b, s, vh),
		QScale: float32(1 / math.Sqrt(float64(kd))),
	}
	if t.err != nil {
		return nil
	}
	out, state := kernels.GatedDelta(ctx, in)
	t.compare("out", out)
	t.compare("state", state)
	return nil
}

func gatedMemory(ctx context.Context, t *tensors) error {
	x, w := t.shape("x", 3), t.shape("w_in", 2)
	in := kernels.GMUInputs{
		Rows: x[0] * x[1], Width: x[2], DMem: w[0],
		X: t.floats("x", x...), Memory: t.floats("memory", x[0], x[1], w[0]),
		In: t.floats("w_in", w[0], x[2]), Out: t.floats("w_out", x[2], w[0]),
		Eps: t.number("eps", 1e-5),
	}
	if t.f.Metadata["op"] == "ngmu" {
		in.Norm = t.floats("norm_weight", w[0])
	}
	if t.err != nil {
		return nil
	}
	t.compare("out", kernels.GatedMemory(ctx, in))
	return nil
}

func sigmoidGMU(ctx context.Context, t *tensors) error {
	x := t.shape("x", 3)
	w := x[2]
	in := kernels.SigmoidGMUInputs{
		Rows: x[0] * x[1], Width: w, X: t.floats("x", x...), Mixed: t.floats("mixed", x...),
		Weights: map[string][]float32{}, Biases: map[string][]float32{},
	}
	for _, name := range []string{"current", "mixed", "gate", "out"} {
		inner := w
		if name == "gate" {
			inner = 2 * w
		}
		in.Weights[name] = t.floats(name+"_proj.weight", w, inner)
		in.Biases[name] = t.optional(name+"_proj.bias", w)
	}
	if t.err != nil {
		return nil
	}
	t.compare("out", kernels.SigmoidGatedMemory(ctx, in))
	return nil
}
