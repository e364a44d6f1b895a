package serving

import (
	"testing"
)

// Ten thousand requests of 2,000 + 32,000 tokens at 16 clients.
func BenchmarkLongGenerations(b *testing.B) {
	b.ReportAllocs()
	l := dense(40000)
	load := Load{Prompt: Lengths{Mean: 2000, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 32000, Shape: Normal, Spread: 0.3}, Requests: 10000, Concurrency: 16}
	for b.Loop() {
		simulate(b, l, plain, load.Source(), Options{})
	}
}

// A hundred thousand requests with lengths like ShareGPT's.
func BenchmarkChats(b *testing.B) {
	b.ReportAllocs()
	l := dense(20000)
	l.Seqs = 256
	load := Load{Prompt: Lengths{Mean: 220, Shape: Lognormal, Spread: 1.2}, Generate: Lengths{Mean: 200, Shape: Lognormal, Spread: 0.9}, Requests: 100000, Stages: []Stage{{Rate: 40}}}
	for b.Loop() {
		r := simulate(b, l, plain, load.Source(), Options{})
		m := r.Metrics(SLO{}, 0)
		b.ReportMetric(float64(r.Stats.Steps), "steps")
		b.ReportMetric(m.TTFT.Mean*1e3, "ttft_ms")
	}
}
