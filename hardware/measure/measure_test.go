package measure

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/hardware"
)

// Measuring gives a profile that loads again, and stops when told to.
func TestHost(t *testing.T) {
	p, err := Host(context.Background(), Options{Bytes: 1 << 20, GEMM: 64, Repeats: 3})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	q, err := hardware.Parse("host.yaml", b.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if d := cmp.Diff(p, q); d != "" {
		t.Error(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Host(ctx, Options{Bytes: 1 << 20, GEMM: 64}); err == nil {
		t.Error("measured on after it was stopped")
	}
}

// A virtual machine that reports a cache of 480 MiB is not made to read 4 GB.
func TestStreamBytes(t *testing.T) {
	for _, c := range []struct{ cache, bound, want int }{
		{32 << 20, 1 << 30, 256 << 20}, {64 << 20, 1 << 30, 512 << 20}, {480 << 20, 1 << 30, 1 << 30}, {32 << 20, 100 << 20, 100 << 20}, {0, 1 << 30, 256 << 20},
	} {
		if got := StreamBytes(c.cache, c.bound); got != c.want {
			t.Errorf("%d bytes for a cache of %d and at most %d, want %d", got, c.cache, c.bound, c.want)
		}
	}
}
