package costmodel

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/precision"
)

// vLLM 0.19 set the blocks of Qwen3.5-4B to 528 tokens (vllm-project/vllm issue 40696): a state
// of 32·128·128 in fp32 and three inputs of 8,192 channels, over 4,096 B a token and layer.
func TestReuseBlock(t *testing.T) {
	delta := arch.GatedDeltaNet{KHeads: 16, VHeads: 32, KDim: 128, VDim: 128, DConv: 4}
	full := arch.Attention{Heads: 16, KVHeads: 4, HeadDim: 256}
	compile := func(mixers ...arch.Mixer) *Compiled {
		c, err := Compile(layers(t, nil, mixers...), testGPU(), Options{State: precision.FP32, ConvState: precision.BF16})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, tt := range []struct {
		name          string
		c             *Compiled
		block, reused int // of 2,000 tokens, three quarters of them cached
	}{
		{"a hybrid", compile(delta, delta, delta, full), 528, 1056},
		{"attention", compile(full, full), 16, 1488},
		{"no attention", compile(delta), 256, 1280},
	} {
		if got := tt.c.ReuseBlock(); got != tt.block {
			t.Errorf("%s: blocks of %d tokens, want %d", tt.name, got, tt.block)
		}
		if got := tt.c.Reusable(2000, 0.75); got != tt.reused {
			t.Errorf("%s: %d tokens of a prompt reused, want %d", tt.name, got, tt.reused)
		}
	}
	c := compile(full)
	for _, tt := range []struct {
		prompt int
		share  float64
		want   int
	}{{160, 1, 144}, {161, 1, 160}, {1, 1, 0}, {0, 1, 0}, {100, 0, 0}, {100, 0.15, 0}} {
		if got := c.Reusable(tt.prompt, tt.share); got != tt.want {
			t.Errorf("%g of a prompt of %d: %d tokens reused, want %d", tt.share, tt.prompt, got, tt.want)
		}
	}
}

// More of a prompt in the cache never makes its prefill longer; none of it is today's; and at
// roofline what is left costs what a piece of a prompt behind that much costs.
func TestPrefixShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		w := Workload{Batch: rapid.IntRange(1, 9).Draw(t, "batch"), Prompt: rapid.IntRange(1, 2000).Draw(t, "prompt"), Generate: 3}
		w.PrefixShare = rapid.Float64Range(0, 1).Draw(t, "share")
		more := w
		more.PrefixShare = min(1, w.PrefixShare+rapid.Float64Range(0, 1).Draw(t, "more"))
		for _, f := range []Fidelity{Limit, Roofline} {
			price := func(w Workload) Estimate {
				e, err := c.Estimate(f, w)
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			none, some, most := price(Workload{Batch: w.Batch, Prompt: w.Prompt, Generate: 3}), price(w), price(more)
			if chunked := len(c.finite) > 0 && c.finite[0] < 0; !chunked && (some.Prefill.Seconds > none.Prefill.Seconds*(1+1e-12) || most.Prefill.Seconds > some.Prefill.Seconds*(1+1e-12)) {
				t.Fatalf("%v: prefill %g without, %g with %g cached, %g with %g", f, none.Prefill.Seconds, some.Prefill.Seconds, w.PrefixShare, most.Prefill.Seconds, more.PrefixShare)
			}
			n := some.Workload.Cached
			if n%c.ReuseBlock() != 0 || n >= w.Prompt || float64(n) > w.PrefixShare*float64(w.Prompt)+1e-6 {
				t.Fatalf("%d of %d tokens reused", n, w.Prompt)
			}
			if got, want := some.Prefill.Seconds, c.At(f).Mixed(mixOf(c, nil, Call{Batch: w.Batch, New: w.Prompt - n, Past: n})); !close9(got, want) {
				t.Fatalf("%v: %g with %d cached, the rest as a piece of a prompt %g", f, got, n, want)
			}
			if some.Decode != none.Decode {
				t.Fatalf("%v: decoding changed", f)
			}
		}
	})
}

// A YOCO cache is one layer's: SambaY hands over what one layer of full attention, its windows
// and states keep, where each of its layers would keep a cache of its own.
func TestTransfer(t *testing.T) {
	c := compiled(t, "phi4-mini-flash", "h100-sxm", Options{})
	const prompt = 32000
	x := c.Transfer(prompt)
	// 5,120 B a token and layer of keys and values: one of all positions, eight of 512; nine
	// states of 5,120 · (16 + 3).
	own := 5120.0*prompt + 8*5120*512 + 9*5120*(16+3)*2
	if x.Bytes != own {
		t.Errorf("%g B, by hand %g", x.Bytes, own)
	}
	if want := own + 7*5120*prompt; x.UnsharedBytes != want {
		t.Errorf("with a cache a layer %g B, by hand %g", x.UnsharedBytes, want)
	}
	if want := own / c.Hardware.LinkBandwidth.Value; x.Seconds == nil || *x.Seconds != want {
		t.Errorf("takes %v s, want %g", x.Seconds, want)
	}
	plain := compiled(t, "phi4-mini", "h100-sxm", Options{}).Transfer(prompt)
	if want := 131072.0 * prompt; plain.Bytes != want || plain.UnsharedBytes != want {
		t.Errorf("phi4-mini hands over %g B of %g, want %g", plain.Bytes, plain.UnsharedBytes, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		n := rapid.IntRange(0, 5000).Draw(t, "prompt")
		x, more := c.Transfer(n), c.Transfer(n+rapid.IntRange(0, 100).Draw(t, "more"))
		if x.Bytes > more.Bytes || x.Bytes > x.UnsharedBytes*(1+1e-12) {
			t.Fatalf("%d tokens leave %g B (%g unshared), more of them %g", n, x.Bytes, x.UnsharedBytes, more.Bytes)
		}
	})
}
