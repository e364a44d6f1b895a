package serving

import (
	"context"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
)

// Ten thousand requests of 2,000 + 32,000 tokens at 16 clients, priced by measured kernels
// and at roofline: to be within a second and 64 MB on one core.
func BenchmarkLongGenerations(b *testing.B) {
	for _, f := range []costmodel.Fidelity{costmodel.Roofline, costmodel.Calibrated} {
		for _, model := range []string{"phi4-mini", "phi4-mini-flash"} {
			b.Run(model+"/"+f.String(), func(b *testing.B) {
				d := deploy(b, DefaultEngine, model, "h200", f, costmodel.Options{}, Settings{})
				load := Load{Prompt: Lengths{Mean: 2000, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 32000, Shape: Normal, Spread: 0.3}, Requests: 10000, Concurrency: 16}
				once(b, d, load)
			})
		}
	}
}

// A hundred thousand requests with lengths like ShareGPT's: to be within three seconds.
func BenchmarkChats(b *testing.B) {
	for _, f := range []costmodel.Fidelity{costmodel.Roofline, costmodel.Calibrated} {
		b.Run(f.String(), func(b *testing.B) {
			d := deploy(b, DefaultEngine, "llama-3.1-8b", "h200", f, costmodel.Options{}, Settings{})
			load := Load{Prompt: Lengths{Mean: 220, Shape: Lognormal, Spread: 1.2}, Generate: Lengths{Mean: 200, Shape: Lognormal, Spread: 0.9}, Requests: 100000, Stages: []Stage{{Rate: 20}}}
			once(b, d, load)
		})
	}
}

func once(b *testing.B, d *Deployment, load Load) {
	b.ReportAllocs()
	for b.Loop() {
		r, err := Run(context.Background(), d.Limits, d.Price, load.Source(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.Stats.Steps), "steps")
		b.ReportMetric(r.Metrics(SLO{}, 0).TTFT.Mean*1e3, "ttft_ms")
	}
}

// The rate at which an SLO is just met: to be within two seconds.
func BenchmarkCapacity(b *testing.B) {
	d := deploy(b, DefaultEngine, "llama-3.1-8b", "h200", costmodel.Calibrated, costmodel.Options{}, Settings{})
	for b.Loop() {
		s := Search{Deployment: d, SLO: SLO{TTFT: 0.5, TPOT: 0.03}, Load: Load{Requests: 1000, Prompt: Lengths{Mean: 1000, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 256, Shape: Normal, Spread: 0.3}}}
		c, err := s.Do(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(c.Probes), "probes")
		b.ReportMetric(c.Load, "requests/s")
	}
}

// The same long generations with drafts: each request draws some 13,000 times, and plans end before
// a sequence could.
func BenchmarkSpeculated(b *testing.B) {
	s := &costmodel.Speculation{Draft: costmodel.NGram(), Tokens: 3, Acceptance: 0.7}
	d := deploy(b, DefaultEngine, "phi4-mini", "h200", costmodel.Calibrated, costmodel.Options{}, Settings{Speculation: s})
	load := Load{Prompt: Lengths{Mean: 2000, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 32000, Shape: Normal, Spread: 0.3}, Requests: 10000, Concurrency: 16}
	once(b, d, load)
}

// Chats whose prompts have replicas of their own.
func BenchmarkApart(b *testing.B) {
	d := deploy(b, DefaultEngine, "llama-3.1-8b", "h200", costmodel.Calibrated, costmodel.Options{}, Settings{})
	a, err := d.Apart(1, 2, 0)
	if err != nil {
		b.Fatal(err)
	}
	load := Load{Prompt: Lengths{Mean: 220, Shape: Lognormal, Spread: 1.2}, Generate: Lengths{Mean: 200, Shape: Lognormal, Spread: 0.9}, Requests: 100000, Stages: []Stage{{Rate: 20}}}
	for b.Loop() {
		if _, err := Run(context.Background(), d.Limits, d.Price, load.Source(), Options{Apart: a}); err != nil {
			b.Fatal(err)
		}
	}
}
