package serving

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/costmodel"
)

func moving(seconds float64) *Apart {
	return &Apart{Prefill: 1, Decode: 1, Seconds: func(prompt int) float64 { return seconds * float64(prompt) }}
}

// One client: its prompt, what that left on its way, and its generation, to the number.
func TestOneClientApart(t *testing.T) {
	for _, policy := range []string{"budget", "prefill-first-whole", "prefill-first-chunked", "no-evict", "max-utilization"} {
		const prompt, generate = 500, 3000
		l, load := oneClient(policy, prompt, generate)
		for _, way := range []float64{0, 1e-5} {
			r := audited(t, l, plain, load.Source(), Options{Apart: moving(way)})
			ttft := l.Host.Request + plain.Mixed(&Step{Chunks: []Chunk{{prompt, 0}}}) + l.Host.Step + l.Host.Sequence + prompt*l.Host.Token + way*prompt + l.Host.Reply
			steps := plain.Run(&Step{Decodes: 1, Contexts: prompt + 1}, generate-1) + (generate-1)*(l.Host.Step+l.Host.Sequence)
			for i := range r.Requests {
				q := &r.Requests[i]
				near(t, policy+": time to first token", q.TTFT(), ttft, 1e-9)
				near(t, policy+": end to end", q.E2E(), ttft+steps, 1e-9)
			}
			near(t, policy+": mean time between tokens", r.Stats.ITL.Mean(), steps/(generate-1), 1e-9)
			if r.Stats.Transfers != 3 || math.Abs(r.Stats.TransferTime-3*way*prompt) > 1e-12 {
				t.Errorf("%s: %d handed over in %g s, want 3 in %g", policy, r.Stats.Transfers, r.Stats.TransferTime, 3*way*prompt)
			}
		}
	}
}

// A link moves one request at a time: five that come at once to two replicas for prompts leave one
// after the other for the only one that decodes.
func TestLinksAreShared(t *testing.T) {
	l := dense(4000)
	l.PrefixCache = false
	a := moving(0)
	a.Prefill, a.Seconds = 2, func(int) float64 { return 10 }
	load := Load{Prompt: Lengths{Mean: 100}, Generate: Lengths{Mean: 20}, Requests: 5, Concurrency: 5}
	r := audited(t, l, plain, load.Source(), Options{Apart: a})
	first := math.Inf(1)
	for _, q := range r.Requests {
		first = min(first, q.Landed)
	}
	last := 0.0
	for _, q := range r.Requests {
		last = max(last, q.Landed)
	}
	// Nobody waits for a seat, so all waiting is for the link and on it: 10 s for the first of
	// five, 10 s more for each that follows, less the time by which its prompt was done later.
	waited, inSystem := 0.0, 0.0
	for i := range r.Requests {
		q := &r.Requests[i]
		waited += q.Scheduled - q.Arrive + q.Landed - q.Handed
		inSystem += q.E2E()
	}
	if got := r.Metrics(SLO{}, 0).Waiting; waited < 140 || math.Abs(got-waited/inSystem) > 1e-12 {
		t.Errorf("%.4g of the time is waiting, want %.4g of %.4g s", got, waited, inSystem)
	}
	if got := last - first; math.Abs(got-40) > 1e-9 {
		t.Errorf("the last of five is there %g s after the first, want 40", got)
	}
}

// A pool that holds one request at a time makes the others wait, on the other side too, and loses
// none.
func TestHandingOverWaitsForRoom(t *testing.T) {
	l := dense(16)
	l.PrefixCache, l.Seqs = false, 1
	load := Load{Prompt: Lengths{Mean: 100}, Generate: Lengths{Mean: 50}, Requests: 8, Concurrency: 8}
	r := audited(t, l, plain, load.Source(), Options{Apart: moving(1e-6)})
	m := r.Metrics(SLO{}, 0)
	if m.Completed != 8 {
		t.Fatalf("%d of 8 served", m.Completed)
	}
	var ends []Record
	ends = append(ends, r.Requests...)
	for i := 1; i < len(ends); i++ {
		if ends[i].Landed < ends[i-1].End-1e-12 {
			t.Errorf("request %d is where it decodes at %g, the one before leaves at %g", i, ends[i].Landed, ends[i-1].End)
		}
	}
}

// Prompts of others hold nobody up who decodes elsewhere, and a faster link is never slower in the
// mean.
func TestApartLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := dense(8000)
		l.PrefixCache = false
		load := Load{Prompt: Lengths{Mean: 800, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 60, Shape: Normal, Spread: 0.3}, Requests: 80, Seed: rapid.Uint64().Draw(t, "seed"),
			Stages: []Stage{{Rate: rapid.Float64Range(1, 12).Draw(t, "rate")}}}
		apart := audited(t, l, plain, load.Source(), Options{Apart: moving(1e-6)}).Metrics(SLO{}, 0)
		slower := audited(t, l, plain, load.Source(), Options{Apart: moving(2e-5)}).Metrics(SLO{}, 0)
		if apart.TTFT.Mean > slower.TTFT.Mean*(1+1e-9) {
			t.Fatalf("mean time to first token %g, with a slower link %g", apart.TTFT.Mean, slower.TTFT.Mean)
		}
		// Two steps, the one under way and its own, of at most 80 sequences of at most some 1,600
		// positions, and no prompt in them.
		if most := 2 * (plain.step + 80*(plain.row+1700*plain.context)); apart.TPOT.P99 > most+1e-9 {
			t.Fatalf("p99 time per token %g where decoding has a replica of its own, at most %g a step", apart.TPOT.P99, most)
		}
	})
}

// What is handed over is what the cost model stores for the prompt, over the device's link: a
// SambaY hands over a twentieth of what a Transformer of its size does.
func TestWhatIsHandedOver(t *testing.T) {
	profile, err := EngineNamed("vllm-0.19")
	if err != nil {
		t.Fatal(err)
	}
	way := map[string]float64{}
	for _, name := range []string{"phi4-mini", "phi4-mini-flash"} {
		c := compiledOn(t, name, "h100-sxm")
		d, err := Deploy(profile, c, costmodel.Roofline, Settings{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Apart(1, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		way[name] = a.Seconds(32000)
		near(t, name, way[name], *c.Transfer(32000).Seconds, 1e-12)
		if half, err := d.Apart(1, 1, c.Hardware.LinkBandwidth.Value/2); err != nil || half.Seconds(32000) != 2*way[name] {
			t.Errorf("%s: half the bandwidth takes %v s (%v), want twice %g", name, half, err, way[name])
		}
	}
	if r := way["phi4-mini"] / way["phi4-mini-flash"]; r < 20 || r > 25 {
		t.Errorf("phi4-mini takes %g times as long as phi4-mini-flash", r)
	}
	alone := compiledOn(t, "phi4-mini", "host")
	blocks := 1000
	d, err := Deploy(profile, alone, costmodel.Roofline, Settings{KVBlocks: &blocks})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Apart(1, 1, 0); err == nil {
		t.Error("a device without a link hands over")
	}
	if _, err := d.Apart(0, 1, 1); err == nil {
		t.Error("no replica for prompts, and no error")
	}
}

// Blocks kept free on admission are kept free of handed requests too: of twenty blocks nine are
// taken, and with five kept free another eight are not given before the first request has ended.
func TestBlocksKeptFreeOfHandedRequests(t *testing.T) {
	for _, kept := range []int{0, 5} {
		l := dense(20)
		l.Watermark = kept
		src := &Replay{Requests: []Request{{ID: 0, Prompt: 120, Generate: 20}, {ID: 1, Prompt: 120, Generate: 20}}}
		r := audited(t, l, plain, src, Options{Apart: moving(1e-6)})
		a, b := &r.Requests[0], &r.Requests[1]
		if waits := b.Landed >= a.End-1e-9; waits != (kept > 0) {
			t.Errorf("%d blocks kept free: the second landed at %g, the first ended at %g", kept, b.Landed, a.End)
		}
	}
}
