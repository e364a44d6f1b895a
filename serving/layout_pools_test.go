package serving

import (
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
)

// A pool of windows has its share of positions beside those of full attention, out of one memory.
//
//	2 full layers of 100 B, 6 of windows of 100 B, share 0.8: 200 + 0.8·600 = 680 B a position
func TestPoolsByHand(t *testing.T) {
	layers := []CacheLayers{{Kind: FullCache, Layers: 2, PerToken: 100}, {Kind: WindowCache, Layers: 6, PerToken: 100, Window: 512}, {Kind: StateCache, Layers: 3, State: 1000}}
	l, side := Pools(layers, 1, 0.8)
	if l.BlockBytes != 680 || l.Blocks(680_000) != 1000 || l.StateBytes != 3000 || side.Window != 512 {
		t.Errorf("a block of %g B, %d in 680 kB, states of %g B, window %d", l.BlockBytes, l.Blocks(680_000), l.StateBytes, side.Window)
	}
	if l, side := Pools(layers, 1, 0); l.BlockBytes != 800 || side != (SidePool{}) {
		t.Errorf("at full length: a block of %g B, %+v", l.BlockBytes, side)
	}
	if l, side := Pools(layers[:1], 1, 0.8); l.BlockBytes != 200 || side != (SidePool{}) {
		t.Errorf("without windows: a block of %g B, %+v", l.BlockBytes, side)
	}
	if l, side := Pools(layers[1:2], 1, 0.8); l.BlockBytes != 600 || side != (SidePool{}) {
		t.Errorf("windows alone: a block of %g B, %+v", l.BlockBytes, side)
	}
}

// Windows of short sequences fill the smaller pool first: with 800 positions beside 1,000 eight
// sequences of 90 to 97 run, where eleven would without it; of sequences longer than the window all that
// the pool of full attention holds.
func TestTheSidePoolFillsFirst(t *testing.T) {
	most := func(prompt, window, side int) int {
		l := &Limits{Engine: "test", Policy: "prefill-first-chunked", Layout: StoredFull([]CacheLayers{{Kind: FullCache, Layers: 1, PerToken: 1}}, 1), Blocks: 1000, Seqs: 64, Budget: prompt, Chunked: true,
			Side: SidePool{Tokens: side, Window: window, Chunk: 100}}
		load := &Load{Prompt: Lengths{Mean: float64(prompt)}, Generate: Lengths{Mean: 8}, Requests: 40, Concurrency: 20}
		running := 0
		r, err := Run(t.Context(), l, func() Pricer { return plain }, load.Source(), Options{Watch: func(e Event) { running = max(running, e.Running) }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Requests {
			if r.Requests[i].Status != Done {
				t.Fatalf("request %d: %v", i, r.Requests[i].Status)
			}
		}
		return running
	}
	for _, x := range []struct{ prompt, window, side, want int }{{90, 512, 0, 11}, {90, 512, 800, 8}, {190, 20, 800, 5}, {190, 20, 0, 5}} {
		if got := most(x.prompt, x.window, x.side); got != x.want {
			t.Errorf("prompts of %d, windows of %d in a pool of %d: %d run at once, want %d", x.prompt, x.window, x.side, got, x.want)
		}
	}
}

// SGLang divides what weights leave: states get 0.9 bytes for each of the other caches, and each
// seat three states, so that the prefix cache can keep some.
func TestStatesOfSGLang(t *testing.T) {
	p, err := EngineNamed("sglang-0.5.9")
	if err != nil {
		t.Fatal(err)
	}
	c := compiled(t, "phi4-mini-flash", "h100-sxm", costmodel.Options{TP: 1, Engine: "ideal"})
	d, err := Deploy(p, c, costmodel.Roofline, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	row := d.Limits.Layout.StateBytes
	rows := d.StateBytes / row
	if rows != math.Trunc(rows) || math.Abs(d.StateBytes/(d.CacheBytes+d.StateBytes)-0.9/1.9) > 1e-3 {
		t.Errorf("%g states of %g B, %g B of other caches", rows, row, d.CacheBytes)
	}
	if s := float64(d.Limits.Side.Tokens) / float64(d.Limits.Blocks); math.Abs(s-0.8) > 1e-4 || d.Limits.Side.Window != 512 {
		t.Errorf("a pool for windows of %d beside %d", d.Limits.Side.Tokens, d.Limits.Blocks)
	}
	// Little memory: seats follow the states, three for each.
	small := 0.15
	d, err = Deploy(p, c, costmodel.Roofline, Settings{MemoryUtilization: &small, MaxNumBatchedTokens: ptr(512)})
	if err != nil {
		t.Fatal(err)
	}
	if want := int(d.StateBytes/row+0.5) / 3; d.Limits.Seqs != want || len(d.Notes) == 0 || !strings.Contains(strings.Join(d.Notes, " "), "pool of states") {
		t.Errorf("%d seats of %g states: %q", d.Limits.Seqs, d.StateBytes/row, d.Notes)
	}
	off := false
	e, err := Deploy(p, c, costmodel.Roofline, Settings{PrefixCaching: &off, MaxNumSeqs: ptr(100)})
	if err != nil {
		t.Fatal(err)
	}
	if e.Limits.Seqs != 100 || e.StateBytes != 100*row {
		t.Errorf("without a prefix cache: %d seats, %g states", e.Limits.Seqs, e.StateBytes/row)
	}
	tiny := 0.1105
	if _, err := Deploy(p, c, costmodel.Roofline, Settings{MemoryUtilization: &tiny, MaxNumBatchedTokens: ptr(16)}); err == nil || !strings.Contains(err.Error(), "room") {
		t.Errorf("no room for states: %v", err)
	}
}

// With states cached every block has one: blocks are multiples of 256 positions, a sequence needs
// as many states as blocks of attention, and a prompt whose beginning was worked before finds it.
func TestStatesCached(t *testing.T) {
	layers := []CacheLayers{{Kind: FullCache, Layers: 2, PerToken: 100}, {Kind: StateCache, Layers: 6, State: 30_000}}
	once, err := unified(layers, 16, 2048, false)
	if err != nil {
		t.Fatal(err)
	}
	all, err := unified(layers, 16, 2048, true)
	if err != nil {
		t.Fatal(err)
	}
	// 30,000 B of state need 300 positions of 100 B: 304 in sixteens, 512 in 256s. Groups of two.
	if once.BlockTokens() != 304 || all.BlockTokens() != 512 || len(all.Groups) != 4 {
		t.Fatalf("blocks of %d and %d positions, %d groups", once.BlockTokens(), all.BlockTokens(), len(all.Groups))
	}
	if a, b := once.Need(1025), all.Need(1025); a != 4+3 || b != 4*3 {
		t.Errorf("1,025 positions need %d and %d blocks", a, b)
	}
	p, err := EngineNamed("vllm-0.14")
	if err != nil {
		t.Fatal(err)
	}
	c := compiled(t, "phi4-mini-flash", "h100-sxm", costmodel.Options{TP: 1, Engine: "ideal"})
	d, err := Deploy(p, c, costmodel.Roofline, Settings{StatesCached: true})
	if err != nil {
		t.Fatal(err)
	}
	load := &Load{Prompt: Lengths{Mean: 3000}, Generate: Lengths{Mean: 4}, Requests: 4, Concurrency: 1, Prefix: 2048, Groups: 1}
	r := audited(t, d.Limits, plain, load.Source(), Options{})
	if !d.Limits.PrefixCache || r.Requests[0].Cached != 0 || r.Requests[3].Cached < 1500 || r.Requests[3].Cached%d.Limits.Layout.BlockTokens() != 0 {
		t.Errorf("found %d, then %d of 2,048 tokens in blocks of %d", r.Requests[0].Cached, r.Requests[3].Cached, d.Limits.Layout.BlockTokens())
	}
	for engine, model := range map[string]string{"sglang": "phi4-mini-flash", "vllm-0.14": "llama-3.1-8b"} {
		p, _ := EngineNamed(engine)
		if _, err := Deploy(p, compiled(t, model, "h100-sxm", costmodel.Options{TP: 1, Engine: "ideal"}), costmodel.Roofline, Settings{StatesCached: true}); err == nil || !strings.Contains(err.Error(), "mamba_cache_mode all") {
			t.Errorf("%s of %s: %v", engine, model, err)
		}
	}
}
