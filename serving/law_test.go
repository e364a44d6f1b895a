package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// Tokens in are tokens out; nobody is lost, served twice or served before arrival; the
// blocks held and free are all there are at every event.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, load := anyLimits(t), anyLoad(t)
		o := Options{Replicas: rapid.IntRange(1, 3).Draw(t, "replicas"), Router: Router(rapid.IntRange(0, 2).Draw(t, "router")), Apart: anyApart(t)}
		r := audited(t, l, plain, load.Source(), o)
		if len(r.Requests) != load.Requests {
			t.Fatalf("%d requests came out of %d", len(r.Requests), load.Requests)
		}
		m := r.Metrics(SLO{}, 0)
		if m.Completed+m.Timeouts+m.Unservable != load.Requests {
			t.Fatalf("%d done, %d timed out and %d refused of %d", m.Completed, m.Timeouts, m.Unservable, load.Requests)
		}
		tokens := 0.0
		for i, q := range r.Requests {
			if q.ID != i {
				t.Fatalf("request %d stands in place %d", q.ID, i)
			}
			if q.Status == Done {
				if q.Scheduled < q.Arrive || q.First <= q.Scheduled || q.End < q.First {
					t.Fatalf("request %d: arrived %g, scheduled %g, first token %g, end %g", i, q.Arrive, q.Scheduled, q.First, q.End)
				}
				own := plain.step + plain.token*float64(q.Prompt-q.Cached)
				if l.Stages > 1 { // pieces of a prompt follow each other through the stages
					own /= float64(l.Stages)
				}
				if q.First < q.Arrive+own-1e-9 {
					t.Fatalf("request %d has its first token %g s after arrival, its own prefill takes %g", i, q.First-q.Arrive, own)
				}
				tokens += float64(q.Generate - 1)
			}
		}
		if l.Verified.Drafts > 0 { // a step may make several
			if n := float64(r.Stats.VerifiedTokens); load.Timeout == 0 && r.Stats.Preemptions == 0 && n != tokens {
				t.Fatalf("%g tokens verified, want %g", n, tokens)
			}
			tokens = r.Stats.ITL.n
		}
		if load.Timeout == 0 && math.Abs(r.Stats.ITL.n-tokens) > 1e-6*tokens+1e-6 {
			t.Fatalf("%g gaps between tokens, want %g", r.Stats.ITL.n, tokens)
		}
		if load.Timeout == 0 && r.Stats.Preemptions == 0 && r.Stats.ComputedTokens+r.Stats.CachedTokens != r.Stats.PromptTokens {
			t.Fatalf("%d prompt tokens: %d computed, %d cached", r.Stats.PromptTokens, r.Stats.ComputedTokens, r.Stats.CachedTokens)
		}
	})
}

// Macro-steps give what the loop over steps gives.
func TestMacroStepsAreTheLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, load := anyLimits(t), anyLoad(t)
		p := plain
		if l.Verified.Drafts == 0 && rapid.Bool().Draw(t, "windows") {
			p.windows, p.seen = []int{64, 128}, 3e-8
		}
		apart := anyApart(t)
		if apart != nil { // of several, two whose steps end in the same instant hand over in any order
			apart.Prefill, apart.Decode = 1, 1
		}
		jumps := audited(t, l, p, load.Source(), Options{Apart: apart})
		single := audited(t, l, p, load.Source(), Options{Single: true, Apart: apart})
		if jumps.Stats.Steps != single.Stats.Steps || jumps.Stats.Preemptions != single.Stats.Preemptions {
			t.Fatalf("%d steps and %d preemptions in jumps, %d and %d one by one", jumps.Stats.Steps, jumps.Stats.Preemptions, single.Stats.Steps, single.Stats.Preemptions)
		}
		for i := range jumps.Requests {
			a, b := &jumps.Requests[i], &single.Requests[i]
			for _, x := range [][2]float64{{a.Arrive, b.Arrive}, {a.Scheduled, b.Scheduled}, {a.First, b.First}, {a.End, b.End}} {
				if math.Abs(x[0]-x[1]) > 1e-9*(1+math.Abs(x[1])) {
					t.Fatalf("request %d: %+v in jumps, %+v one by one", i, *a, *b)
				}
			}
		}
		if d := jumps.Stats.Busy() - single.Stats.Busy(); math.Abs(d) > 1e-6*single.Stats.Busy() {
			t.Fatalf("busy for %g s in jumps, %g one by one", jumps.Stats.Busy(), single.Stats.Busy())
		}
	})
}

// One client with fixed lengths takes what the cost model says of a prompt and a
// generation, and the engine's overhead.
func TestOneClientIsTheGeneration(t *testing.T) {
	for _, policy := range []string{"budget", "prefill-first-whole", "prefill-first-chunked", "no-evict", "max-utilization"} {
		const prompt, generate = 500, 3000
		l, load := oneClient(policy, prompt, generate)
		r := simulate(t, l, plain, load.Source(), Options{})
		ttft := l.Host.Request + plain.Mixed(&Step{Chunks: []Chunk{{prompt, 0}}}) + l.Host.Step + l.Host.Sequence + prompt*l.Host.Token + l.Host.Reply
		steps := plain.Run(&Step{Decodes: 1, Contexts: prompt + 1}, generate-1) + (generate-1)*(l.Host.Step+l.Host.Sequence)
		for i := range r.Requests {
			q := &r.Requests[i]
			near(t, policy+": time to first token", q.TTFT(), ttft, 1e-9)
			near(t, policy+": end to end", q.E2E(), ttft+steps, 1e-9)
		}
	}
}

// Little's law on drained runs: the time integral of the requests inside the engine is the
// sum of their times there.
func TestLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, load := anyLimits(t), anyLoad(t)
		load.Timeout = 0
		l.Host = Host{Request: 3e-3, Reply: 1e-3}
		r := audited(t, l, plain, load.Source(), Options{Replicas: 2, Apart: anyApart(t)})
		sum := 0.0
		for i := range r.Requests {
			if q := &r.Requests[i]; q.Status == Done {
				sum += q.E2E() - l.Host.Request - l.Host.Reply
			}
		}
		if math.Abs(r.Area-sum) > 1e-9*(1+sum) {
			t.Fatalf("∫N dt is %g, Σ times %g", r.Area, sum)
		}
	})
}

// A single seat is a queue of one server. With constant service D/D/1 below capacity
// nobody waits; with Poisson arrivals the mean wait is Pollaczek and Khinchine's,
// ρ·s/(2(1−ρ)).
func TestOneSeatIsMD1(t *testing.T) {
	l := dense(1000)
	l.Policy, l.Chunked, l.Seqs, l.PrefixCache = "prefill-first-whole", false, 1, false
	const prompt, generate = 100, 50
	service := plain.Mixed(&Step{Chunks: []Chunk{{prompt, 0}}}) + plain.Run(&Step{Decodes: 1, Contexts: prompt + 1}, generate-1)
	load := Load{Prompt: Lengths{Mean: prompt}, Generate: Lengths{Mean: generate}, Requests: 1000, Stages: []Stage{{Rate: 0.99 / service}}, Burstiness: math.Inf(1)}
	r := simulate(t, l, plain, load.Source(), Options{})
	near(t, "E2E of D/D/1", r.Metrics(SLO{}, 0).E2E.Mean, service, 1e-9)

	const rho = 0.7
	load.Burstiness, load.Stages[0].Rate, load.Requests = 1, rho/service, 20000
	mean, n := 0.0, 8.0
	for seed := range int(n) {
		load.Seed = uint64(seed)
		mean += simulate(t, l, plain, load.Source(), Options{}).Metrics(SLO{}, 0).Queue.Mean / n
	}
	near(t, "wait of M/D/1", mean, rho*service/(2*(1-rho)), 0.04)
}

// More clients, blocks or bandwidth, and a host that costs nothing, are never slower in
// the mean. Single runs may be: so means over seeds.
func TestMoreIsNotSlower(t *testing.T) {
	load := Load{Prompt: Lengths{Mean: 300, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 200, Shape: Normal, Spread: 0.3}, Requests: 200, Concurrency: 32}
	mean := func(l *Limits, p linear, load Load) float64 {
		sum := 0.0
		for seed := range 6 {
			load.Seed = uint64(seed)
			sum += simulate(t, l, p, load.Source(), Options{}).Metrics(SLO{}, 0).OutputThroughput
		}
		return sum / 6
	}
	for _, policy := range []string{"budget", "prefill-first-whole", "prefill-first-chunked", "no-evict", "max-utilization"} {
		last := 0.0
		for _, clients := range []int{1, 2, 4, 8, 16, 32} { // more clients
			l, x := dense(4000), load
			l.Policy, x.Concurrency, l.Chunked = policy, clients, policy != "prefill-first-whole"
			if v := mean(l, plain, x); v < last*0.999 {
				t.Errorf("%s: %d clients get %g tokens/s, half of them %g", policy, clients, v, last)
			} else {
				last = v
			}
		}
		last = 0
		for _, blocks := range []int{80, 160, 320, 640, 1280} {
			l := dense(blocks)
			l.Policy, l.Chunked = policy, policy != "prefill-first-whole"
			if v := mean(l, plain, load); v < last*0.999 {
				t.Errorf("%s: %d blocks give %g tokens/s, half of them %g", policy, blocks, v, last)
			} else {
				last = v
			}
		}
		l := dense(500)
		l.Policy, l.Chunked, l.Host = policy, policy != "prefill-first-whole", Host{Step: 1e-3, Sequence: 1e-5}
		base := mean(l, plain, load)
		fast := plain
		fast.step, fast.context = fast.step/2, fast.context/2
		if v := mean(l, fast, load); v < base {
			t.Errorf("%s: twice the bandwidth gives %g tokens/s instead of %g", policy, v, base)
		}
		l.Host = Host{}
		if v := mean(l, plain, load); v < base {
			t.Errorf("%s: a free host gives %g tokens/s instead of %g", policy, v, base)
		}
	}
}

// The prefix cache never makes an engine compute more tokens, and a prompt seen before is
// found: all whole blocks up to the last token but one.
func TestPrefixCache(t *testing.T) {
	l := dense(1000)
	seg := []Segment{{7, 100}}
	src := &Replay{Requests: []Request{{ID: 0, Prompt: 100, Generate: 5, Shared: seg}, {ID: 1, Arrive: 10, Prompt: 100, Generate: 5, Shared: seg}, {ID: 2, Arrive: 20, Prompt: 96, Generate: 5, Shared: []Segment{{8, 96}}}, {ID: 3, Arrive: 30, Prompt: 96, Generate: 5, Shared: []Segment{{8, 96}}}}}
	r := simulate(t, l, plain, src, Options{})
	for i, want := range []int{0, 96, 0, 80} { // 96 = 6 blocks of 16; the last token is computed
		if got := r.Requests[i].Cached; got != want {
			t.Errorf("request %d found %d tokens, want %d", i, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		l, load := anyLimits(t), anyLoad(t)
		load.Prefix, load.Groups, load.Timeout = 60, 3, 0
		l.PrefixCache = true
		if l.Layout.full != len(l.Layout.Groups) {
			return
		}
		l.Blocks = 100000
		with := audited(t, l, plain, load.Source(), Options{})
		l.PrefixCache = false
		without := audited(t, l, plain, load.Source(), Options{})
		if with.Stats.ComputedTokens > without.Stats.ComputedTokens {
			t.Fatalf("%d tokens computed with the cache, %d without", with.Stats.ComputedTokens, without.Stats.ComputedTokens)
		}
	})
}

// Blocks are evicted in the order they were freed, a sequence's last ones first.
func TestEviction(t *testing.T) {
	l := dense(20) // 320 positions
	at := func(id int, arrive float64, name uint64, prompt int) Request {
		return Request{ID: id, Arrive: arrive, Prompt: prompt, Generate: 1, Shared: []Segment{{name, prompt}}}
	}
	src := &Replay{Requests: []Request{
		at(0, 0, 1, 160), at(1, 1, 2, 144), // 10 and 9 blocks, one was never used
		at(2, 2, 3, 64),  // takes the blank one and the last three of the first
		at(3, 3, 2, 144), // computes its last token again, in a block that was the first's
		at(4, 4, 1, 160),
	}}
	r := simulate(t, l, plain, src, Options{})
	for i, want := range []int{0, 0, 0, 128, 96} {
		if got := r.Requests[i].Cached; got != want {
			t.Errorf("request %d found %d tokens, want %d", i, got, want)
		}
	}
}

// Chunked prefill under a budget no prompt fills is whole prefill.
func TestEndlessBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := anyLoad(t)
		l := dense(3000)
		l.Budget = 1 << 30
		a := audited(t, l, plain, load.Source(), Options{})
		l.Chunked = false
		b := audited(t, l, plain, load.Source(), Options{})
		for i := range a.Requests {
			if x, y := a.Requests[i].End, b.Requests[i].End; x != y {
				t.Fatalf("request %d ends at %g chunked, %g whole", i, x, y)
			}
		}
	})
}

// The same seed gives the same bytes, on one core and on many at once.
func TestSameSeedSameBytes(t *testing.T) {
	load := Load{Prompt: Lengths{Mean: 200, Shape: Lognormal, Spread: 1}, Generate: Lengths{Mean: 100, Shape: Lognormal, Spread: 1}, Requests: 400, Stages: []Stage{{Rate: 30}}, Prefix: 64, Groups: 4, Seed: 11}
	one := func() []byte {
		l := dense(300)
		l.Lookahead = true
		r := simulate(t, l, plain, load.Source(), Options{Replicas: 3, Router: PrefixAffinity})
		b, err := json.Marshal(r.Requests)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := one()
	runtime.GOMAXPROCS(4)
	got := make(chan []byte, 4)
	for range 4 {
		go func() { got <- one() }()
	}
	for range 4 {
		if !bytes.Equal(<-got, want) {
			t.Fatal("the same seed gave other bytes")
		}
	}
}

// Changing the rate keeps the lengths.
func TestCommonRandomNumbers(t *testing.T) {
	load := Load{Prompt: Lengths{Mean: 200, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 100, Shape: Normal, Spread: 0.3}, Requests: 50, Stages: []Stage{{Rate: 1}}}
	slow, fast := drain(load.Source()), []Request(nil)
	load.Stages[0].Rate = 4
	fast = drain(load.Source())
	for i := range slow {
		a, b := slow[i], fast[i]
		near(t, "a gap at four times the rate", 4*b.Arrive, a.Arrive, 1e-9)
		if a.Prompt != b.Prompt || a.Generate != b.Generate {
			t.Fatalf("request %d is %+v at rate 1, %+v at 4", i, a, b)
		}
	}
}

// Requests that arrive at the same time are alike: exchanging them changes no aggregate.
func TestEqualArrivals(t *testing.T) {
	l := dense(100000)
	var a []Request
	for i := range 40 {
		a = append(a, Request{ID: i, Prompt: 100, Generate: 20 + i})
	}
	b := append([]Request(nil), a...)
	for i := range 20 {
		b[i], b[39-i] = b[39-i], b[i]
	}
	l.Budget = 1 << 20
	x, y := simulate(t, l, plain, &Replay{Requests: a}, Options{}), simulate(t, l, plain, &Replay{Requests: b}, Options{})
	near(t, "duration", x.Duration, y.Duration, 1e-12)
	near(t, "mean E2E", x.Metrics(SLO{}, 0).E2E.Mean, y.Metrics(SLO{}, 0).E2E.Mean, 1e-12)
}

// With look-ahead a request that arrives during a step is admitted after the next one.
func TestLookahead(t *testing.T) {
	l := dense(1000)
	l.PrefixCache = false
	src := func() Source {
		return &Replay{Requests: []Request{{ID: 0, Prompt: 16, Generate: 200}, {ID: 1, Arrive: 0.0301, Prompt: 16, Generate: 2}}}
	}
	p := linear{step: 0.01}
	sync := simulate(t, l, p, src(), Options{})
	near(t, "scheduled, without look-ahead", sync.Requests[1].Scheduled, 0.04, 1e-9)
	l.Lookahead = true
	ahead := simulate(t, l, p, src(), Options{})
	near(t, "scheduled, with look-ahead", ahead.Requests[1].Scheduled, 0.05, 1e-9)
}

// V0 keeps 1 % of its blocks free when it admits, and preempts the last admitted.
func TestWatermark(t *testing.T) {
	l := dense(100)
	l.Policy, l.Chunked, l.PrefixCache, l.Watermark = "prefill-first-whole", false, false, 1
	src := func() Source {
		return &Replay{Requests: []Request{{ID: 0, Prompt: 50 * 16, Generate: 20}, {ID: 1, Prompt: 50 * 16, Generate: 20}}}
	}
	p := linear{step: 0.01}
	r := simulate(t, l, p, src(), Options{})
	if r.Requests[1].Scheduled < r.Requests[0].End {
		t.Error("the second request was admitted into the watermark")
	}
	l.Policy = "budget" // V1 has none by default, but keeps one that it is given
	if r = simulate(t, l, p, src(), Options{}); r.Requests[1].Scheduled < r.Requests[0].End {
		t.Error("a budget of tokens admitted the second request into the watermark")
	}
	l.Policy, l.Watermark = "prefill-first-whole", 0
	r = simulate(t, l, p, src(), Options{})
	if r.Requests[1].Scheduled != 0 || r.Requests[1].Preemptions != 1 || r.Requests[0].Preemptions != 0 {
		t.Errorf("without a watermark both start at once and the last is preempted, got %+v", r.Requests)
	}
}

// Where blocks run out SGLang retracts the sequence with the fewest outputs, of equal ones
// that with the longer prompt, and it joins the end of the queue.
func TestRetraction(t *testing.T) {
	l := dense(40)
	l.Policy, l.PrefixCache, l.Clip = "prefill-first-chunked", false, 1
	for name, c := range map[string]struct {
		second Request
		want   int // which is retracted
	}{
		"fewer outputs":                 {Request{ID: 1, Arrive: 0.5, Prompt: 160, Generate: 200}, 1},
		"fewer outputs, shorter prompt": {Request{ID: 1, Arrive: 0.5, Prompt: 100, Generate: 300}, 1},
		"as many, longer prompt":        {Request{ID: 1, Prompt: 200, Generate: 300}, 1},
		"as many, shorter prompt":       {Request{ID: 1, Prompt: 100, Generate: 300}, 0},
	} {
		src := &Replay{Requests: []Request{{ID: 0, Prompt: 160, Generate: 400}, c.second}}
		r := simulate(t, l, linear{step: 0.01}, src, Options{})
		for i, q := range r.Requests {
			if (q.Preemptions > 0) != (i == c.want) {
				t.Errorf("%s: request %d was retracted %d times, want request %d retracted alone", name, i, q.Preemptions, c.want)
			}
		}
	}
}

// A retraction sets the share of their answers that running sequences are expected to still
// make: what is made and 20 steps more, of what they may make.
func TestRetractionSetsTheRatio(t *testing.T) {
	l := dense(40) // 640 positions
	l.Policy, l.PrefixCache, l.Clip = "prefill-first-chunked", false, 1
	src := &Replay{Requests: []Request{{ID: 0, Prompt: 160, Generate: 400}, {ID: 1, Arrive: 0.5, Prompt: 160, Generate: 200}}}
	ratio := 0.0
	f, err := newFleet(l, pricer(linear{step: 0.01}), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.o.Watch = func(Event) {}
	f.replicas[0].tell = func(Event) {
		if r := f.replicas[0]; r.stats.Preemptions == 1 && ratio == 0 {
			ratio = r.ratio
		}
	}
	if err := f.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	// Both prompts and answers of which one is 50 tokens longer fill the pool when that one
	// has made 185 or so.
	if made := ratio*400 - 20; made < 175 || made > 190 {
		t.Errorf("a ratio of %.3f stands for %.0f tokens made, want about 185", ratio, made)
	}
}

// A request larger than the pool, an empty one and an overload end, and are told.
func TestRefusals(t *testing.T) {
	l := dense(100)
	src := &Replay{Requests: []Request{{ID: 0, Prompt: 5000, Generate: 10}, {ID: 1, Prompt: 0, Generate: 4}, {ID: 2, Prompt: 10, Generate: 0}, {ID: 3, Prompt: 10, Generate: 4}}}
	r := simulate(t, l, plain, src, Options{})
	for i, want := range []string{"longer than the cache", "an empty prompt", "no tokens to generate", ""} {
		if r.Requests[i].Why != want {
			t.Errorf("request %d: %q, want %q", i, r.Requests[i].Why, want)
		}
	}
	over := Load{Prompt: Lengths{Mean: 200}, Generate: Lengths{Mean: 100}, Requests: 2000, Stages: []Stage{{Rate: 1e6}}, Timeout: 3}
	r = simulate(t, l, plain, over.Source(), Options{})
	if m := r.Metrics(SLO{}, 0); m.Timeouts == 0 || m.Completed == 0 || m.Timeouts+m.Completed != 2000 {
		t.Errorf("%d done and %d timed out of 2000", m.Completed, m.Timeouts)
	}
	for _, bad := range []func(*Limits){func(l *Limits) { l.Blocks = 0 }, func(l *Limits) { l.Seqs = 0 }, func(l *Limits) { l.Budget = 0 }} {
		l := dense(100)
		bad(l)
		if _, err := Run(context.Background(), l, pricer(plain), src, Options{}); err == nil {
			t.Error("limits under which nothing runs were taken")
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	load := Load{Prompt: Lengths{Mean: 200}, Generate: Lengths{Mean: 100}, Requests: 2000, Concurrency: 4}
	if _, err := Run(ctx, dense(100), pricer(plain), load.Source(), Options{}); err == nil {
		t.Error("a cancelled run gave a result")
	}
}

// A fleet of one router's replicas serves as many as it has.
func TestRouters(t *testing.T) {
	load := Load{Prompt: Lengths{Mean: 200}, Generate: Lengths{Mean: 100}, Requests: 300, Stages: []Stage{{Rate: 20}}, Prefix: 512, Groups: 3}
	for _, router := range []Router{RoundRobin, LeastLoaded, PrefixAffinity} {
		r := simulate(t, dense(2000), plain, load.Source(), Options{Replicas: 3, Router: router})
		seen := map[int]int{}
		for i := range r.Requests {
			seen[r.Requests[i].Replica]++
		}
		if len(seen) != 3 {
			t.Errorf("%s used replicas %v", router, seen)
		}
		if router == RoundRobin && (seen[0] != 100 || seen[1] != 100) {
			t.Errorf("round-robin gave %v", seen)
		}
	}
}

func ExampleUnified() {
	// Phi-4-mini-flash under vLLM V1: 8 window layers, 1 full one, 9 of Mamba.
	l, _ := Unified([]CacheLayers{
		{Kind: WindowCache, Layers: 8, PerToken: 5120, Window: 512},
		{Kind: FullCache, Layers: 1, PerToken: 5120},
		{Kind: StateCache, Layers: 9, State: (5120*3 + 5120*16) * 2},
	}, 16, 2048)
	fmt.Printf("blocks of %d tokens, %.0f B each; 34,000 tokens hold %d\n", l.Groups[0].Block, l.BlockBytes, l.Need(34000))
	// Output: blocks of 48 tokens, 245760 B each; 34,000 tokens hold 814
}
