package costmodel

import "github.com/OWNER/ridgeline/arch"

// altUpIn prices what makes the streams of the token's embedding. Ranks of a tensor-parallel
// group each hold all streams and do all of their work.
func (b *builder) altUpIn() {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	w, others := float64(b.m.Width), float64((n-1)*b.m.Width)
	b.linear("altup.in", b.m.Width, (n-1)*b.m.Width, rows, linearOpts{})
	b.elementwise("altup.in_scale", InnerNorm, 0, w+others, others, 2*w+3*others, rows)
}

// altUpOut prices the streams joined in front of the last norm.
func (b *builder) altUpOut() {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	w, others := float64(b.m.Width), float64((n-1)*b.m.Width)
	o := b.linear("altup.out", b.m.Width, (n-1)*b.m.Width, seqs, linearOpts{})
	b.act(o, others-w, 0, seqs) // each map reads a stream of its own
	b.elementwise("altup.join", InnerNorm, 0, w+others, w, 2*w+3*others+float64(n)*w, seqs)
}

// altUpPredict prices the streams as a layer finds them.
func (b *builder) altUpPredict(l arch.Layer) {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	b.altUpRouter(n*n, "altup.predict", l, false)
	all := float64(n * b.m.Width)
	b.elementwise("altup.mix", Gate, 0, all+float64(n*n), all, 2*float64(n)*all, b.r())
}

// altUpCorrect prices what a layer's own stream does to the others.
func (b *builder) altUpCorrect(l arch.Layer) {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	b.altUpRouter(n, "altup.correct", l, true)
	w, all := float64(b.m.Width), float64(n*b.m.Width)
	b.elementwise("altup.update", Gate, 0, w+all+float64(n), all, w+2*all+float64(n), b.r())
	if b.m.LayerInput.Width > 0 {
		b.elementwise("altup.scale", Gate, w, w, w, w, b.r())
	}
}

// altUpRouter makes the coefficients, some numbers a row. Norm and router run twice a layer and
// are stored once.
func (b *builder) altUpRouter(coefficients int, name string, l arch.Layer, again bool) {
	n, r := b.m.AltUp.Streams, b.r()
	b.storage = b.aroundStorage(l)
	b.rmsNorm("altup.norm", b.m.Width, b.m.Width, r).Reused = again
	b.linear("altup.router", b.m.Width, n, r, linearOpts{use: keptMap}).Reused = again
	b.elementwise("altup.route", Activation, 0, float64(n), float64(n), float64(n), r)
	b.linear(name, n, coefficients, r, linearOpts{use: keptMap})
}

// laurel prices the branch beside a mixer, and the sum of both.
func (b *builder) laurel(l arch.Layer) {
	rank := b.m.LaurelRank
	if rank == 0 {
		return
	}
	b.storage = b.aroundStorage(l)
	w, r := b.m.Width, b.r()
	b.linear("laurel.left", w, rank, r, linearOpts{})
	b.linear("laurel.right", rank, w, r, linearOpts{})
	o := b.norm("laurel.norm", w, r)
	b.act(o, 2*float64(w), 0, r)
	o.FLOPs[r] += 3 * float64(w)
}

// aroundStorage has the rates of what a layer has beside its mixer and its FFN.
func (b *builder) aroundStorage(l arch.Layer) storage {
	return b.storageOf(l, "", func(int) []arch.Weight { return b.m.LayerWeights() })
}
