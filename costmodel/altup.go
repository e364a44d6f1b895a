package costmodel

import "github.com/OWNER/ridgeline/arch"

// altUpIn prices the making of AltUp's parallel residual streams from the token's embedding. Every
// rank of a tensor-parallel group holds all streams and does all of this work.
func (b *builder) altUpIn() {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	w, others := float64(b.m.Width), float64((n-1)*b.m.Width)
	b.linear("altup.in", "altup_in", b.m.Width, (n-1)*b.m.Width, rows, linearOpts{})
	b.elementwise("altup.in_scale", InnerNorm, 0, w+others, others, 2*w+3*others, rows)
}

// altUpOut prices joining the streams into one in front of the last norm.
func (b *builder) altUpOut() {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	w, others := float64(b.m.Width), float64((n-1)*b.m.Width)
	o := b.linear("altup.out", "altup_out", b.m.Width, (n-1)*b.m.Width, seqs, linearOpts{})
	b.act(o, others-w, 0, seqs) // each map reads a stream of its own
	b.elementwise("altup.join", InnerNorm, 0, w+others, w, 2*w+3*others+float64(n)*w, seqs)
}

// altUpPredict prices the prediction of every stream that a layer starts from.
func (b *builder) altUpPredict(l arch.Layer) {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	b.altUpRouter(n*n, "altup.predict", l, false)
	all := float64(n * b.m.Width)
	b.elementwise("altup.mix", Gate, 0, all+float64(n*n), all, 2*float64(n)*all, b.r())
}

// altUpCorrect prices how a layer's result on its own stream corrects the other streams.
func (b *builder) altUpCorrect(l arch.Layer) {
	n := b.m.AltUp.Streams
	if n == 0 {
		return
	}
	b.altUpRouter(n, "altup.correct", l, true)
	w, all := float64(b.m.Width), float64(n*b.m.Width)
	b.elementwise("altup.update", Gate, 0, w+all+float64(n), all, w+2*all+float64(n), b.r())
	if b.m.LayerInput.Width > 0 {
		b.elementwise("altup.scale", Gate, w, w, w, w, b.r(), "altup.scale")
	}
}

// altUpRouter prices the router's coefficients, a few numbers a row. Its norm and map run twice in
// a layer and are stored once.
func (b *builder) altUpRouter(coefficients int, name string, l arch.Layer, again bool) {
	n, r := b.m.AltUp.Streams, b.r()
	b.storage = b.aroundStorage(l)
	b.rmsNorm("altup.norm", "altup.norm", b.m.Width, b.m.Width, r).Reused = again
	b.linear("altup.router", "altup.router", b.m.Width, n, r, linearOpts{use: keptMap}).Reused = again
	b.elementwise("altup.route", Activation, 0, float64(n), float64(n), float64(n), r)
	b.linear(name, name, n, coefficients, r, linearOpts{use: keptMap})
}

// laurel prices the low-rank branch beside a mixer, and adding both results.
func (b *builder) laurel(l arch.Layer) {
	rank := b.m.LaurelRank
	if rank == 0 {
		return
	}
	b.storage = b.aroundStorage(l)
	w, r := b.m.Width, b.r()
	b.linear("laurel.left", "laurel.left", w, rank, r, linearOpts{})
	b.linear("laurel.right", "laurel.right", rank, w, r, linearOpts{})
	o := b.norm("laurel.norm", "laurel.norm", w, r)
	b.act(o, 2*float64(w), 0, r)
	o.FLOPs[r] += 3 * float64(w)
}

// aroundStorage returns how many bytes a value takes in the weights that a layer has beside its
// mixer and its FFN.
func (b *builder) aroundStorage(l arch.Layer) storage {
	return b.storageOf(l, "", func(int) []arch.Weight { return b.m.LayerWeights() })
}
