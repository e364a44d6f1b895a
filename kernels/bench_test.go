package kernels

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/OWNER/ridgeline/hardware/readloop"
)

// interleave runs f and a plain read loop of the same bytes in turn and reports the
// bandwidth of both and their ratio.
func interleave(b *testing.B, same []float32, bytes int, f func()) {
	cores := runtime.GOMAXPROCS(0)
	var plain, kernel time.Duration
	f()
	readloop.Bytes(same, cores)
	for b.Loop() {
		t0 := time.Now()
		readloop.Bytes(same, cores)
		t1 := time.Now()
		f()
		plain += t1.Sub(t0)
		kernel += time.Since(t1)
	}
	n := float64(b.N)
	pb, kb := float64(4*len(same))*n/plain.Seconds(), float64(bytes)*n/kernel.Seconds()
	b.ReportMetric(pb/1e9, "read-GB/s")
	b.ReportMetric(kb/1e9, "kernel-GB/s")
	b.ReportMetric(kb/pb, "of-read-loop")
	b.ReportMetric(0, "ns/op")
}

func uniform(n int) []float32 {
	s := stream(uint64(n))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(2*s.unit() - 1)
	}
	return x
}

// The linear layer of a decode step, its weights past the last-level cache.
func BenchmarkLinearStreaming(b *testing.B) {
	r := newRunner(context.Background(), 0)
	for _, in := range []int{512, 1024, 4096} {
		const total = 48 << 20 // floats: 192 MiB
		l := linear{w: uniform(total), out: total / in, in: in}
		for _, rows := range []int{1, 3, 4, 8} {
			x, y := newMat(uniform(rows*in), rows, in), newMat(make([]float32, rows*l.out), rows, l.out)
			b.Run(fmt.Sprintf("in=%d/rows=%d", in, rows), func(b *testing.B) {
				interleave(b, l.w, 4*len(l.w), func() { r.linear(nil, l, x, y, epilogue{}) })
			})
		}
	}
}

// Decode attention over a cache past the last-level cache.
func BenchmarkAttentionDecode(b *testing.B) {
	r := newRunner(context.Background(), 0)
	for _, s := range []struct{ batch, heads, kv, dim, mib int }{
		{1, 8, 8, 128, 192}, {1, 8, 8, 64, 1024}, {1, 8, 2, 128, 192}, {1, 8, 2, 64, 192}, {4, 8, 2, 128, 192},
		{1, 8, 1, 128, 192}, {1, 32, 8, 64, 192}, {1, 16, 2, 128, 192},
	} {
		n := s.mib << 20 / (8 * s.batch * s.kv * s.dim)
		c := newCache(s.batch, s.kv, s.dim, s.dim, 0, n)
		copy(c.k, uniform(len(c.k)))
		copy(c.v, uniform(len(c.v)))
		q, o := newMat(uniform(s.batch*s.heads*s.dim), s.batch, s.heads*s.dim), newMat(make([]float32, s.batch*s.heads*s.dim), s.batch, s.heads*s.dim)
		core := attentionCore{q: q, out: o, cache: c, passes: attentionPasses(s.heads, s.kv, false, false, false), batch: s.batch,
			heads: s.heads, dim: s.dim, vdim: s.dim, width: 1, n: n, nq: 1}
		both := make([]float32, 2*len(c.k))
		copy(both[copy(both, c.k):], c.v)
		b.Run(fmt.Sprintf("batch=%d/heads=%d/kv=%d/dim=%d/n=%d", s.batch, s.heads, s.kv, s.dim, n), func(b *testing.B) {
			interleave(b, both, 4*len(both), func() { core.run(r, nil) })
		})
	}
}

// The selective scan as one writes it down first.
func scalarScan(in ScanInputs, state []float32) []float32 {
	out := make([]float32, in.Batch*in.Seq*in.Channels)
	for b := range in.Batch {
		for t := range in.Seq {
			row := b*in.Seq + t
			for c := range in.Channels {
				i := row*in.Channels + c
				dt := float32(math.Log1p(math.Exp(float64(in.Delta[i] + in.DeltaBias[c]))))
				var y float32
				for n := range in.States {
					h := &state[(b*in.Channels+c)*in.States+n]
					*h = float32(math.Exp(float64(dt*in.A[c*in.States+n])))**h + dt*in.U[i]*in.B[row*in.States+n]
					y += *h * in.C[row*in.States+n]
				}
				y += in.D[c] * in.U[i]
				out[i] = y * in.Z[i] / float32(1+math.Exp(-float64(in.Z[i])))
			}
		}
	}
	return out
}

func scanInputs(batch, seq, channels, states int) ScanInputs {
	n := batch * seq
	in := ScanInputs{Batch: batch, Seq: seq, Channels: channels, States: states, Softplus: true,
		U: uniform(n * channels), Delta: uniform(n * channels), Z: uniform(n * channels), A: uniform(channels * states),
		B: uniform(n * states), C: uniform(n * states), D: uniform(channels), DeltaBias: uniform(channels)}
	for i := range in.A {
		in.A[i] = -float32(i%states + 1)
	}
	return in
}

// Mamba-1: a step of a batch, and a prefill, against the scalar loop.
func BenchmarkMamba1(b *testing.B) {
	for _, s := range []struct{ batch, seq int }{{1, 1}, {16, 1}, {1, 512}} {
		in := scanInputs(s.batch, s.seq, 2048, 16)
		ctx := context.Background()
		b.Run(fmt.Sprintf("batch=%d/seq=%d", s.batch, s.seq), func(b *testing.B) {
			var scalar, fast time.Duration
			state := make([]float32, in.Batch*in.Channels*in.States)
			n := in.Batch * in.Seq * in.Channels
			scan, r := in.scan(make([]float32, n), make([]float32, n), make([]float32, len(state))), newRunner(ctx, 0)
			for b.Loop() {
				t0 := time.Now()
				scalarScan(in, state)
				t1 := time.Now()
				scan.run(r, nil)
				scalar += t1.Sub(t0)
				fast += time.Since(t1)
			}
			b.ReportMetric(scalar.Seconds()/fast.Seconds(), "times-scalar")
			b.ReportMetric(fast.Seconds()/float64(b.N)*1e6, "µs/scan")
			b.ReportMetric(0, "ns/op")
		})
	}
}
