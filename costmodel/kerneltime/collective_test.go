package kerneltime

import (
	"math"
	"testing"
)

// What algorithms send and wait for, by hand: of eight GPUs that gather 800 bytes each passes seven
// parts of 100 on, ring by ring; an all-to-all sends seven of its eight parts at once.
func TestExchangesByHand(t *testing.T) {
	for _, x := range []struct {
		k            CollectiveKernel
		gpus, bytes  float64
		sent, waited float64
	}{
		{CollectiveAllGather, 8, 800, 700, 7},
		{CollectiveReduceScatter, 8, 800, 700, 7},
		{CollectiveAllToAll, 8, 800, 700, 1},
		{CollectiveSend, 2, 800, 800, 1},
		{CollectiveExchange, 2, 800, 800, 1},
		{CollectiveAllReduce, 8, 800, 1400, 14},
		{CollectiveOneShot, 4, 800, 2400, 1},
		{CollectiveTwoShot, 4, 800, 1200, 1},
		{CollectiveAllReduce, 2, 800, 800, 2},
	} {
		if got := x.k.sent(x.gpus) * x.bytes; math.Abs(got-x.sent) > 1e-9 || x.k.hops(x.gpus) != x.waited {
			t.Errorf("%s of %g: sends %g and waits %g times, want %g and %g", x.k, x.gpus, got, x.k.hops(x.gpus), x.sent, x.waited)
		}
		if got := x.k.Message(x.sent, x.gpus); math.Abs(got-x.bytes) > 1e-9 {
			t.Errorf("%s of %g: a message of %g bytes sends %g", x.k, x.gpus, got, x.sent)
		}
	}
	m := newCollectiveModel()
	m.Curves[CollectiveAllGather] = collectiveCurve{Launch: 1e-6, Bandwidth: 0.5}
	d := endless()
	d.Link = 1e9
	near(t, "two", m.physics(&d, &Collective{Kernel: CollectiveAllGather, GPUs: 2, Bytes: 1000}), 1e-6+500/0.5e9)
	near(t, "eight: six neighbours more", m.physics(&d, &Collective{Kernel: CollectiveAllGather, GPUs: 8, Bytes: 800}), 1e-6+6*neighbour+700/0.5e9)
	d.Link = 0
	near(t, "the host's link", m.physics(&d, &Collective{Kernel: CollectiveAllGather, GPUs: 2, Bytes: 1000}), 1e-6+500/(0.5*hostLink))
}

// More GPUs that send as much take no less time, with a wider interval than those that were timed.
func TestMoreGPUsByFormula(t *testing.T) {
	p := Embedded()[0]
	for _, x := range Embedded() {
		if x.Basis(ClassCollective).Kind == Fitted {
			p = x
		}
	}
	for k := range collectiveKernels {
		for _, sent := range []float64{1e3, 1e5, 1e7} {
			last := p.Collective(Collective{Kernel: k, GPUs: 2, Bytes: k.Message(sent, 2)})
			for _, g := range []float64{4, 8} {
				e := p.Collective(Collective{Kernel: k, GPUs: g, Bytes: k.Message(sent, g)})
				if e.Seconds < last.Seconds-1e-12 {
					t.Errorf("%s: %g GPUs that send %g bytes take %g s, fewer %g", k, g, sent, e.Seconds, last.Seconds)
				}
				if g == 4 && !(e.High/e.Seconds > last.High/last.Seconds && e.Low/e.Seconds < last.Low/last.Seconds) {
					t.Errorf("%s: the interval of four (%g to %g of %g) is no wider than that of two (%g to %g of %g)", k, e.Low, e.High, e.Seconds, last.Low, last.High, last.Seconds)
				}
				last = e
			}
		}
	}
	if e := p.Collective(Collective{Kernel: CollectiveSend, GPUs: 1, Bytes: 5}); e != (Estimate{}) {
		t.Errorf("one GPU by itself takes %v", e)
	}
}
