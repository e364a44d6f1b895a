package costmodel

import (
	"testing"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func flash(b *testing.B) *Compiled {
	b.Helper()
	m, err := models.Preset("phi4-mini-flash")
	if err != nil {
		b.Fatal(err)
	}
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		b.Fatal(err)
	}
	c, err := Compile(m, hw, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

var sink float64

func BenchmarkDecodeStep(b *testing.B) {
	c := flash(b)
	b.ReportAllocs()
	n := 1000
	p := c.At(Roofline)
	for b.Loop() {
		sink += p.Step(8, n)
		n = n&0xffff + 1
	}
}

func BenchmarkGeneration(b *testing.B) {
	c := flash(b)
	b.ReportAllocs()
	n := 1000
	p := c.At(Roofline)
	for b.Loop() {
		sink += p.Generation(Workload{Batch: 8, Prompt: n, Generate: 32000})
		n = n&0xffff + 1
	}
}

func BenchmarkCompile(b *testing.B) {
	c := flash(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(c.Model, c.Hardware, c.Options); err != nil {
			b.Fatal(err)
		}
	}
}
