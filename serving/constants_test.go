package serving

import (
	"math"
	"slices"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
)

// Graphs that end at a context of 100: a prompt of 90 gives the first token, and of the 29
// that follow those at contexts 91 to 100 run in a graph, those at 101 to 119 eagerly,
// however many steps are taken at once.
func TestGraphsEndAtAContext(t *testing.T) {
	l := dense(100)
	l.Graphs = Graphs{Sizes: []int{1, 2, 4}, MaxContext: 100}
	for _, single := range []bool{false, true} {
		r := simulate(t, l, plain, &Replay{Requests: []Request{{Prompt: 90, Generate: 30}}}, Options{Single: single})
		if r.Stats.EagerSteps != 19 || r.Stats.Steps != 30 {
			t.Errorf("single %v: %d of %d steps eager, want 19 of 30", single, r.Stats.EagerSteps, r.Stats.Steps)
		}
	}
}

// Five sequences fill 25 blocks to the last position. One retracted frees five blocks, which
// is enough for a step of the other four, not for the 20 that SGLang wants to be there: they
// need two blocks each. With two gone, ten are free and six needed.
func TestRetractionLeavesRoomForTwentySteps(t *testing.T) {
	l := dense(25)
	l.Policy, l.PrefixCache, l.Clip, l.Ratio = "prefill-first-chunked", false, 1, Ratio{0.01, 0.01, 1}
	var qs []Request
	for i := range 5 {
		qs = append(qs, Request{ID: i, Prompt: 40, Generate: 100})
	}
	var running []int
	simulate(t, l, plain, &Replay{Requests: qs}, Options{Watch: func(e Event) { running = append(running, e.Running) }})
	i := slices.IndexFunc(running, func(n int) bool { return n < 5 })
	if i < 0 || running[i] != 3 {
		t.Errorf("sequences running: %v; want 5, then 3", running)
	}
}

// SGLang's guess falls evenly, from 0.7 to 0.1 over 600 steps, and no further.
func TestRatioFalls(t *testing.T) {
	l := dense(10)
	l.Ratio = Ratio{0.7, 0.1, 600}
	r := newReplica(0, l, plain, nil)
	for steps, want := range map[int]float64{0: 0.7, 300: 0.4, 600: 0.1, 5000: 0.1} {
		near(t, "ratio", r.decayed(steps), want, 1e-12)
	}
}

// Launches of an eager step run ahead of its kernels: it takes the longer of both.
func TestEagerStepsTakeTheLonger(t *testing.T) {
	d := deploy(t, "vllm-0.7", "phi4-mini", "h200", costmodel.Calibrated, costmodel.Options{}, Settings{})
	p := d.Price()
	var none, some bool
	for _, s := range []Step{{Decodes: 1, Contexts: 100}, {Decodes: 64, Contexts: 64 * 30000}} {
		s.Seen, s.Growing = make([]float64, len(p.Windows())), make([]float64, len(p.Windows()))
		graph, run := p.Mixed(&s), p.Run(&s, 10)
		s.Eager = true
		launches := d.Limits.Kernels * 18e-6
		near(t, "an eager step", p.Mixed(&s), math.Max(graph, launches), 1e-12)
		near(t, "ten eager steps", p.Run(&s, 10), math.Max(run, 10*launches), 1e-12)
		none, some = none || graph > launches, some || graph < launches
	}
	if !none || !some {
		t.Error("both steps are bound by the same: the test says nothing")
	}
}

// What is kept free on admission is no room for a request either: nine blocks of ten, two of
// them kept, never come.
func TestWatermarkRefuses(t *testing.T) {
	l := dense(10)
	l.Policy, l.Chunked, l.PrefixCache, l.Watermark = "prefill-first-whole", false, false, 2
	for prompt, want := range map[int]string{8*16 - 1: "", 8 * 16: "longer than the cache"} {
		r := simulate(t, l, plain, &Replay{Requests: []Request{{Prompt: prompt, Generate: 2}}}, Options{})
		if r.Requests[0].Why != want {
			t.Errorf("a prompt of %d: %q, want %q", prompt, r.Requests[0].Why, want)
		}
	}
}

// An engine that admits whole prompts only lets one of ten blocks wait while seven are free,
// though a chunk of it would fit.
func TestWholePromptsOnly(t *testing.T) {
	l := dense(20)
	l.Budget, l.PrefixCache = 64, false
	src := func() Source {
		return &Replay{Requests: []Request{{ID: 0, Prompt: 13 * 16, Generate: 30}, {ID: 1, Arrive: 1e-3, Prompt: 10 * 16, Generate: 2}}}
	}
	if r := simulate(t, l, plain, src(), Options{}); r.Requests[1].Scheduled >= r.Requests[0].End {
		t.Error("a chunk that fits was not admitted")
	}
	l.ReserveFull = true
	if r := simulate(t, l, plain, src(), Options{}); r.Requests[1].Scheduled < r.Requests[0].End-plain.step {
		t.Errorf("admitted at %g s, the first ends at %g", r.Requests[1].Scheduled, r.Requests[0].End)
	}
}

// Promised blocks keep every running sequence from preemption, under both of vLLM's
// schedulers, and only they do.
func TestPromisedIsNeverPreempted(t *testing.T) {
	for _, policy := range []string{"budget", "prefill-first-whole"} {
		l := dense(40)
		l.Policy, l.PrefixCache = policy, false
		l.Chunked = policy == "budget"
		load := Load{Prompt: Lengths{Mean: 100}, Generate: Lengths{Mean: 150}, Requests: 40, Concurrency: 8}
		if r := simulate(t, l, plain, load.Source(), Options{}); r.Stats.Preemptions == 0 {
			t.Errorf("%s: nothing is preempted without promises: the test says nothing", policy)
		}
		l.Promised = true
		if r := simulate(t, l, plain, load.Source(), Options{}); r.Stats.Preemptions != 0 || r.Metrics(SLO{}, 0).Completed != 40 {
			t.Errorf("%s: %d preemptions", policy, r.Stats.Preemptions)
		}
	}
}

// A prompt of 1,000 tokens in pieces of 100 takes ten steps, the first piece no longer than
// the others.
func TestLongPrefillThreshold(t *testing.T) {
	l := dense(100)
	l.Threshold = 100
	r := simulate(t, l, plain, &Replay{Requests: []Request{{Prompt: 1000, Generate: 1}}}, Options{})
	if r.Stats.Steps != 10 {
		t.Errorf("%d steps, want 10", r.Stats.Steps)
	}
}

// Requests that come evenly at one seat are served at once up to one for each service time,
// and never again beyond it: the search finds that rate within 1 %. Where the objective
// asks nothing of a queue, it ends where requests come faster than they are served, give or
// take the 5 % that ramp-up and drain may be.
func TestSearchFindsTheServiceRate(t *testing.T) {
	l := dense(100)
	l.Seqs, l.PrefixCache = 1, false
	p := linear{step: 7.3e-3}
	d := &Deployment{Limits: l, Price: pricer(p)}
	load := Load{Prompt: Lengths{Mean: 100}, Generate: Lengths{Mean: 10}, Requests: 1000, Burstiness: math.Inf(1)}
	most := 1 / (10 * p.step)
	for name, c := range map[string]struct {
		slo       SLO
		low, high float64
		binds     string
	}{
		"time to first token": {SLO{TTFT: 8e-3}, 0.99, 1, "time to first token, for want of seats (max_num_seqs)"},
		"nothing of a queue":  {SLO{E2E: 1e9}, 1, 1.07, "the queue: requests come faster than they are served"},
	} {
		got, err := (&Search{Deployment: d, Load: load, SLO: c.slo, Seeds: 1}).Do(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r := got.Load / most; r < c.low || r > c.high || got.Binds != c.binds {
			t.Errorf("%s: %.4f times the rate of service, bound by %q; want %g to %g, %q", name, r, got.Binds, c.low, c.high, c.binds)
		}
	}
}

// Defaults by device and model, from the engines' sources: an A100 is not big, V0 makes its
// states for every seat at once, and splits prompts by itself only for long models that
// have and declare no window.
func TestDefaultsFollowDeviceAndModel(t *testing.T) {
	for on, want := range map[string][2]int{"a100-80gb": {256, 2048}, "h200": {1024, 8192}, "l40s": {256, 2048}} {
		d := deploy(t, "vllm-0.14", "llama-3.1-8b", on, costmodel.Roofline, costmodel.Options{}, Settings{})
		if got := [2]int{d.Limits.Seqs, d.Limits.Budget}; got != want {
			t.Errorf("%s: sequences and tokens %v, want %v", on, got, want)
		}
	}
	d := deploy(t, "vllm-0.7", "phi4-mini-flash", "a100-80gb", costmodel.Roofline, costmodel.Options{}, Settings{})
	if want := 256 * 9 * (5120*3 + 5120*16) * 2; d.StateBytes != float64(want) {
		t.Errorf("states take %g B, want %d", d.StateBytes, want)
	}
	for model, want := range map[string]struct {
		chunked bool
		budget  int
	}{"llama-3.1-8b": {true, 2048}, "phi4-mini": {false, 131072}} {
		d := deploy(t, "vllm-0.7", model, "h200", costmodel.Roofline, costmodel.Options{}, Settings{})
		if d.Limits.Chunked != want.chunked || d.Limits.Budget != want.budget {
			t.Errorf("%s: chunked %v, %d tokens; want %+v", model, d.Limits.Chunked, d.Limits.Budget, want)
		}
	}
	short := deploy(t, "vllm-0.7", "llama-3.1-8b", "h200", costmodel.Roofline, costmodel.Options{}, Settings{MaxModelLen: ptr(32768)})
	if short.Limits.Chunked || short.Limits.Budget != 32768 {
		t.Errorf("32,768 positions: chunked %v, %d tokens", short.Limits.Chunked, short.Limits.Budget)
	}
}

// Batches that are captured: 1, 2, 4, every eighth to 256, every sixteenth to 512, and no
// more than twice the seats.
func TestCapturedBatches(t *testing.T) {
	sizes := func(seqs int) []int {
		return deploy(t, "vllm-0.14", "llama-3.1-8b", "a100-80gb", costmodel.Roofline, costmodel.Options{}, Settings{MaxNumSeqs: &seqs}).Limits.Graphs.Sizes
	}
	all := sizes(256)
	if len(all) != 3+32+16 || all[len(all)-1] != 512 || all[3] != 8 || all[4] != 16 || all[34] != 256 || all[35] != 272 {
		t.Errorf("%d sizes: %v", len(all), all)
	}
	if few := sizes(50); few[len(few)-1] != 96 {
		t.Errorf("50 seats: batches to %d, want 96", few[len(few)-1])
	}
}

// Clients of a closed loop begin a stagger apart; gaps of shape 4 vary half as much as their
// mean; normal lengths end at twice the mean; each host time is where it belongs.
func TestLoadsAndHostTimes(t *testing.T) {
	closed := Load{Prompt: Lengths{Mean: 10}, Generate: Lengths{Mean: 300}, Requests: 3, Concurrency: 3, Stagger: 0.25}
	r := simulate(t, dense(100), plain, closed.Source(), Options{})
	for i, q := range r.Requests {
		near(t, "arrival", q.Arrive, 0.25*float64(i), 1e-12)
	}
	open := Load{Prompt: Lengths{Mean: 10}, Generate: Lengths{Mean: 1}, Requests: 4000, Stages: []Stage{{Rate: 10}}, Burstiness: 4}
	var sum, sq, last float64
	for _, q := range drain(open.Source()) {
		gap := q.Arrive - last
		sum, sq, last = sum+gap, sq+gap*gap, q.Arrive
	}
	mean := sum / 4000
	near(t, "mean gap", mean, 0.1, 0.03)
	near(t, "deviation of gaps over their mean", math.Sqrt(sq/4000-mean*mean)/mean, 0.5, 0.05)
	l := Lengths{Mean: 100, Spread: 1, Shape: Normal}
	most := 0
	for i := range 1000 {
		most = max(most, l.draw(uniform(1, forPrompt, i)))
	}
	if most != 200 {
		t.Errorf("the longest of a thousand lengths is %d, want 200", most)
	}

	base := dense(100)
	base.Kernels = 7
	p := linear{step: 0.01}
	run := func(h Host) Record {
		x := *base
		x.Host = h
		return simulate(t, &x, p, &Replay{Requests: []Request{{Prompt: 20, Generate: 3}}}, Options{}).Requests[0]
	}
	none := run(Host{})
	near(t, "TTFT", none.First, 0.01, 1e-12)
	near(t, "end", none.End, 0.03, 1e-12)
	for name, c := range map[string]struct {
		h          Host
		first, end float64 // what it adds
	}{
		"a step": {Host{Step: 1e-3}, 1e-3, 3e-3}, "a kernel": {Host{Kernel: 1e-3}, 7e-3, 21e-3}, "a sequence": {Host{Sequence: 1e-3}, 1e-3, 3e-3},
		"a prompt token": {Host{Token: 1e-4}, 2e-3, 2e-3}, "a request": {Host{Request: 5e-3}, 5e-3, 5e-3},
		"tokenising": {Host{Tokenise: 1e-4}, 2e-3, 2e-3}, "a reply": {Host{Reply: 5e-3}, 5e-3, 5e-3},
	} {
		got := run(c.h)
		near(t, name+" to the first token", got.First-none.First, c.first, 1e-9)
		near(t, name+" to the end", got.End-none.End, c.end, 1e-9)
	}
}

// A batch between two captured ones runs on as many rows as the larger; one without a graph
// of its own is eager where the engine does not pad, and beyond the largest everywhere.
func TestPadding(t *testing.T) {
	g := Graphs{Sizes: []int{1, 2, 4, 8}}
	for b, want := range map[int]int{1: 0, 3: 4, 4: 0, 5: 8} {
		if rows, eager := g.pad(b, false, 0, 100); rows != want || eager {
			t.Errorf("%d decodes run on %d rows, eager %v; want %d", b, rows, eager, want)
		}
	}
	if _, eager := g.pad(9, false, 0, 100); !eager {
		t.Error("beyond the largest batch a step is not eager")
	}
	g.Mixed = true
	if rows, eager := g.pad(2, true, 3, 100); rows != 5 || eager { // 5 tokens padded to 8: three more rows beside the 2
		t.Errorf("a mixed step of 5 tokens decodes on %d rows, eager %v; want 5", rows, eager)
	}
	g.Exact = true
	for b, want := range map[int]bool{2: false, 3: true} {
		if _, eager := g.pad(b, false, 0, 100); eager != want {
			t.Errorf("%d decodes without padding: eager %v", b, eager)
		}
	}
}

// V0 takes as many whole prompts into a step as its budget has tokens for.
func TestWholePromptsShareABudget(t *testing.T) {
	for budget, want := range map[int]int{299: 2, 300: 1} {
		l := dense(100)
		l.Policy, l.Chunked, l.PrefixCache, l.Budget = "prefill-first-whole", false, false, budget
		r := simulate(t, l, plain, &Replay{Requests: []Request{{ID: 0, Prompt: 150, Generate: 1}, {ID: 1, Prompt: 150, Generate: 1}}}, Options{})
		if r.Stats.Steps != want {
			t.Errorf("a budget of %d: %d steps, want %d", budget, r.Stats.Steps, want)
		}
	}
}

// In the step in which a prompt under way loses its blocks nothing is admitted, though its
// first piece would fit again.
func TestNothingIsAdmittedBesideAPreemption(t *testing.T) {
	for _, policy := range []string{"budget", "max-utilization"} {
		l := dense(8)
		l.Policy, l.PrefixCache, l.Budget = policy, false, 17
		var both, alone bool
		src := &Replay{Requests: []Request{{ID: 0, Prompt: 63, Generate: 40}, {ID: 1, Prompt: 96, Generate: 2}}}
		r := simulate(t, l, plain, src, Options{Watch: func(e Event) {
			both = both || e.Running == 2
			alone = alone || both && e.Running == 1 && e.Waiting == 1
		}})
		if r.Requests[1].Preemptions == 0 || !alone {
			t.Errorf("%s: %d preemptions, and none of them left the first request alone for a step", policy, r.Requests[1].Preemptions)
		}
	}
}

// TensorRT-LLM takes its share of what weights and the rest leave, vLLM of the whole device.
func TestShareOfMemory(t *testing.T) {
	for engine, ofFree := range map[string]bool{"trtllm": true, "vllm-0.14": false} {
		d := deploy(t, engine, "llama-3.1-8b", "h200", costmodel.Roofline, costmodel.Options{}, Settings{})
		rest := d.WeightBytes + d.PeakBytes + d.OverheadBytes + d.StateBytes
		want := 0.9*d.DeviceBytes - rest
		if ofFree {
			want = 0.9 * (d.DeviceBytes - rest)
		}
		near(t, engine+": cache", d.CacheBytes, want, 1e-12)
	}
}

// An Ask is 20 requests a client, at least 100, or 1,000 in an open loop; users are found by
// the search over clients.
func TestServed(t *testing.T) {
	l := dense(1000)
	d := &Deployment{Limits: l, Price: pricer(linear{step: 0.01, row: 1e-3})}
	ask := Ask{Prompt: Lengths{Mean: 50}, Generate: Lengths{Mean: 20}}
	for want, change := range map[int]func(*Ask){100: func(a *Ask) { a.Clients = 2 }, 200: func(a *Ask) { a.Clients = 10 }, 1000: func(a *Ask) { a.Rate = 5 }, 7: func(a *Ask) { a.Rate, a.Requests = 5, 7 }} {
		a := ask
		change(&a)
		s, err := d.Served(t.Context(), a)
		if err != nil || s.Completed != want || s.Users != -1 || s.Why == "" {
			t.Errorf("%+v: %d requests, %d users, %v; want %d", a, s.Completed, s.Users, err, want)
		}
	}
	ask.Clients, ask.SLO = 1, SLO{TPOT: 0.0185} // a step of 8 takes 18 ms, of 9 19 ms
	s, err := d.Served(t.Context(), ask)
	if err != nil || s.Users != 8 || s.Binds != "time per output token" {
		t.Errorf("%d users, bound by %q, %v; want 8", s.Users, s.Binds, err)
	}
	for _, bad := range []Ask{{}, {Clients: 1, Rate: 1}} {
		if _, err := d.Served(t.Context(), bad); err == nil {
			t.Errorf("%+v is served", bad)
		}
	}
}

// SGLang takes prompts into a step until their whole lengths reach max_prefill_tokens,
// whatever its chunk has room for.
func TestMostPromptTokensOfAStep(t *testing.T) {
	for most, want := range map[int]int{150: 2, 300: 2, 301: 1} {
		l := dense(100)
		l.Policy, l.PrefixCache, l.Budget, l.PromptMost = "prefill-first-chunked", false, 1000, most
		r := simulate(t, l, plain, &Replay{Requests: []Request{{ID: 0, Prompt: 150, Generate: 1}, {ID: 1, Prompt: 150, Generate: 1}}}, Options{})
		if r.Stats.Steps != want {
			t.Errorf("at most %d: %d steps, want %d", most, r.Stats.Steps, want)
		}
	}
}

// Times between tokens add up to the time from the first token to the last, preempted or
// not, under every scheduler.
func TestTimesBetweenTokensAddUp(t *testing.T) {
	for _, policy := range []string{"budget", "prefill-first-whole", "prefill-first-chunked", "no-evict", "max-utilization"} {
		preempted := 0
		for seed := range uint64(6) {
			l := dense(40)
			l.Policy, l.PrefixCache = policy, false
			l.Chunked = policy != "prefill-first-whole"
			load := Load{Prompt: Lengths{Mean: 100, Spread: 0.4, Shape: Normal}, Generate: Lengths{Mean: 120, Spread: 0.5, Shape: Normal}, Requests: 60, Stages: []Stage{{Rate: 4}}, Seed: seed}
			r := simulate(t, l, plain, load.Source(), Options{})
			want := 0.0
			for i := range r.Requests {
				if q := &r.Requests[i]; q.Status == Done {
					want += q.End - q.First
				}
			}
			near(t, policy+": sum of times between tokens", r.Stats.ITL.sum, want, 1e-9)
			preempted += r.Stats.Preemptions
		}
		if preempted == 0 && policy != "no-evict" {
			t.Errorf("%s: nothing was preempted: the test says less than it should", policy)
		}
	}
}
