package costmodel

import "github.com/OWNER/ridgeline/arch"

// activationFLOPs per element, docs/accounting.md.
func activationFLOPs(a arch.Activation) float64 {
	switch a {
	case arch.ReLU:
		return 1
	case arch.XIELU:
		return 5
	}
	return 2
}

// activation prices the non-linearity between the up and down projections, for copies·row rows of
// the given inner width.
func (b *builder) activation(name string, inner, copies int, gated bool, a arch.Activation, r int) *Op {
	n := float64(inner * copies)
	read, flops := n, n*activationFLOPs(a)
	if gated {
		read, flops = 2*n, flops+n
	}
	return b.elementwise(name, Activation, 0, read, n, flops, r)
}

func (b *builder) mlp(m arch.MLP) {
	in, r := b.split("mlp inner width", m.Inner), b.r()
	b.linear("mlp.up", "up", b.m.Width, arch.UpRows(in, m.Gated), r, linearOpts{bias: m.Bias})
	act := b.activation("mlp.act", in, 1, m.Gated, m.Act, r)
	if m.Sparsity > 0 { // mean, deviation, threshold
		act.FLOPs[r] += 6 * float64(in)
	}
	if n := m.Act.Weights(); n > 0 {
		b.weights(act, float64(n), "act")
	}
	if m.InnerNorm {
		b.rmsNorm("mlp.inner_norm", "inner_norm", in, in, r)
	}
	b.outLinear("mlp.down", "down", in, m.Bias)
}

// moe prices a mixture of experts: the weights of the experts hit, the arithmetic of
// top_k experts a row.
func (b *builder) moe(m arch.MoE) { b.mixture(m, "") }

// mixture is moe of weights whose names begin with under.
func (b *builder) mixture(m arch.MoE, under string) {
	in, r, w := b.expertSplit(m, m.Inner), b.r(), b.m.Width
	k, u := m.TopK, arch.UpRows(in, m.Gated)
	scores := float64(m.Scores())
	b.linear("moe.router", under+"router", w, m.Scores(), r, linearOpts{bias: m.RouterBias, use: keptMap})
	b.elementwise("moe.route", Routing, 0, scores, float64(2*k), 2*scores, r)
	at := w
	if m.Latent > 0 {
		at = m.Latent
		b.linear("moe.latent_down", under+"latent_down", w, at, r, linearOpts{})
	}
	b.exchange("moe.dispatch", m, at, r)
	joined := float64(k * at) // every expert's output is added up; the scaling by its share is counted where the model does it
	up := b.expert("moe.up", under+"up", m, at, u, r, 0)
	if m.Routing.ScaleInput {
		up.FLOPs[r] += joined * float64(m.Experts) / scores
	} else {
		joined *= 2
	}
	b.ofRank(b.picked(m, b.activation("moe.act", in, k, m.Gated, m.Act, r)))
	b.expert("moe.down", under+"down", m, in, at, r, joined)
	b.exchange("moe.combine", m, at, r)
	if m.Zero > 0 { // the input, times the shares of those that pass it on
		b.elementwise("moe.zero", Gate, 0, 2*float64(w), float64(w), 2*float64(w), r)
	}
	if m.Latent > 0 { // each rank maps its own part of the sum
		b.linear("moe.latent_up", under+"latent_up", at, w, r, linearOpts{residual: true})
	}
	if m.SharedInner > 0 {
		s := b.split("shared inner width", m.SharedInner)
		b.linear("moe.shared_up", under+"shared_up", w, arch.UpRows(s, m.Gated), r, linearOpts{})
		b.activation("moe.shared_act", s, 1, m.Gated, m.Act, r)
		if m.SharedGate {
			b.linear("moe.shared_gate", under+"shared_gate", w, 1, r, linearOpts{})
		}
		o := b.linear("moe.shared_down", under+"shared_down", s, w, r, linearOpts{residual: true})
		if m.SharedGate {
			b.act(o, 1, 0, r)
			o.FLOPs[r] += float64(w)
		}
	}
	if m.SumBias {
		b.elementwise("moe.sum_bias", Gate, float64(w), float64(w), float64(w), float64(w), r, under+"sum_bias")
	}
	b.allReduce("moe.allreduce", w, r)
}

// picked leaves of the arithmetic of a row's top_k experts what falls on those that compute, if
// all are picked as often.
func (b *builder) picked(m arch.MoE, o *Op) *Op {
	if m.Zero == 0 {
		return o
	}
	share := float64(m.Experts) / float64(m.Scores())
	for i := range o.FLOPs {
		o.FLOPs[i] *= share
		o.Bytes[ActRead][i] *= share
		o.Bytes[ActWrite][i] *= share
	}
	o.Shape.Experts, o.Shape.TopK, o.Shape.Zero = m.Experts, m.TopK, m.Zero
	return o
}

// shortcutMoE prices a dense network and experts that read the same norm. What the experts make
// is added behind the next layer (deferred).
func (b *builder) shortcutMoE(m arch.ShortcutMoE) {
	b.mixture(m.Mixture(), "experts.")
	b.mlp(m.Dense())
}

// deferredKey marks the block of operations that deferred lists.
type deferredKey struct{}

// deferred adds to the stream behind layer i what the experts of the layer before it made.
func (b *builder) deferred(i int) {
	if i == 0 || !b.m.Layers[i-1].Deferred() {
		return
	}
	w := float64(b.m.Width)
	b.once(block{part: deferredKey{}, last: b.last}, func() { b.elementwise("moe.shortcut", Gate, 0, 2*w, w, w, b.r()) })
}

// expert is grouped where experts are spread over devices, or are all in one.
func (b *builder) expert(name, of string, m arch.MoE, in, out, r int, residual float64) *Op {
	o := b.grouped(name, of, m, in, out, r, residual)
	if e := &b.experts; e.ranks > 1 {
		o.Shape.Ranks, o.Shape.Groups, o.Shape.Skew = e.ranks, e.groups, max(b.o.Skew, 1)
	}
	b.ofRank(o)
	return o
}

// grouped is the grouped product of the rows' top_k experts; residual FLOPs scale and add
// each expert's output into the stream.
func (b *builder) grouped(name, of string, m arch.MoE, in, out, r int, residual float64) *Op {
	i, n, k := float64(in), float64(out), float64(m.TopK)
	o := b.op(name, ExpertProduct)
	o.Shape = Shape{In: in, Out: out, Experts: m.Experts, TopK: m.TopK, RowsAreSeqs: r == seqs}
	b.reads(o, of, out, in, hit, expertMap)
	o.FLOPs[r] = 2*k*i*n + residual
	if m.Bias {
		o.Reads.add(biasOf(of))
		rate, _ := b.vector(biasOf(of))
		o.Bytes[Weights][hit] += n * rate
		o.FLOPs[r] += k * n
	}
	b.act(o, k*i, k*n, r)
	if residual > 0 {
		b.act(o, k*n, 0, r)
	}
	return b.picked(m, o)
}
