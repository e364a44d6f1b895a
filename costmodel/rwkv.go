package costmodel

import "github.com/OWNER/ridgeline/arch"

// shift prices mixing each input with the one before it, n times over; the last input is kept as
// state.
func (b *builder) shift(name string, n int) {
	w, of := float64(b.m.Width), float64(n*b.m.Width)
	o := b.elementwise(name, Activation, of, w, of, 3*of, rows, "mix")
	b.convState(o, w)
}

// rwkv4 prices RWKV-4's time mix: numerator, denominator and largest exponent of each channel.
func (b *builder) rwkv4(t arch.RWKV4) {
	n, w := b.split("inner", t.Inner), b.m.Width
	d := float64(n)
	b.shift("rwkv.shift", 3)
	b.byHead("rwkv.kvr", "kvr", 3*w, 3*n, 3)
	o := b.op("rwkv.wkv", ScanWKV)
	o.Shape = Shape{Out: n, Heads: n, KVHeads: n, HeadDim: 1, StateDim: 3}
	b.weights(o, 2*d, "decay", "first")
	b.act(o, 3*d, d, rows)
	b.state(o, 3*d)
	o.FLOPs[rows] = 23 * d
	b.outLinear("rwkv.out", "out", n, false)
}

// rwkvChannelMix prices RWKV-4's channel mix. The map of the gate is on every rank.
func (b *builder) rwkvChannelMix(f arch.RWKVChannelMix) {
	n, w := b.split("inner", f.Inner), b.m.Width
	d := float64(w)
	b.shift("cmix.shift", 2)
	b.linear("cmix.key", "key", w, n, rows, linearOpts{})
	b.elementwise("cmix.act", Activation, 0, float64(n), float64(n), activationFLOPs(arch.ReLU2)*float64(n), rows)
	b.linear("cmix.value", "value", n, w, rows, linearOpts{})
	b.allReduce("cmix.value.allreduce", w, rows)
	b.linear("cmix.receptance", "receptance", w, w, rows, linearOpts{})
	o := b.elementwise("cmix.gate", Gate, 0, 2*d, d, 2*d, rows)
	if b.adds() {
		b.act(o, d, 0, rows)
		o.FLOPs[rows] += d
	}
	if b.mixFd[b.layer] {
		b.act(o, 0, d, rows)
	}
}
