package sweep

import (
	"context"
	"io"
	"testing"
)

// BenchmarkRows prices rows of one design on one core.
func BenchmarkRows(b *testing.B) {
	g := &Grid{Fixed: map[string]string{"model": "sambay(d=16)"}}
	for _, v := range []string{"window=128,256,512", "prompt=1k:20k:1k", "generate=1k:30k:1k", "batch=1,2,4,8,16,32,64,128"} {
		a, err := ParseAxis(v)
		if err != nil {
			b.Fatal(err)
		}
		g.Axes = append(g.Axes, a)
	}
	if err := g.Normalise(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n, err := Run(context.Background(), g, CSV, io.Discard, 0, g.Rows(), nil)
		if err != nil || n.Rows != g.Rows() {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(g.Rows()), "ns/row")
}
