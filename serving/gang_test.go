package serving

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
)

// One client finds a pipeline empty: it takes what its stages take one after the other, as it does
// on one device that does all of it.
func TestOneClientOfAPipeline(t *testing.T) {
	for _, policy := range []string{"budget", "prefill-first-whole", "prefill-first-chunked", "no-evict", "max-utilization"} {
		const prompt, generate = 500, 3000
		l, load := oneClient(policy, prompt, generate)
		want := simulate(t, l, plain, load.Source(), Options{})
		for _, stages := range []int{2, 5} {
			l.Stages, l.Virtual = stages, policy == "prefill-first-whole"
			got := simulate(t, l, plain, load.Source(), Options{})
			for i := range got.Requests {
				near(t, policy+": time to first token", got.Requests[i].TTFT(), want.Requests[i].TTFT(), 1e-9)
				near(t, policy+": end to end", got.Requests[i].E2E(), want.Requests[i].E2E(), 1e-9)
			}
			near(t, policy+": busy devices", got.Stats.Busy(), want.Stats.Busy()/float64(stages), 1e-9)
		}
	}
}

// As many clients as stages, each in a microbatch of its own, by hand: of four stages that take a
// fifth, a fifth, a fifth and two fifths of a step, the last is never free, and a token of each
// client comes every four times two fifths of a step. With two clients it is free in between, and
// nobody waits.
func TestSlowestStageDecides(t *testing.T) {
	l := dense(4000)
	l.Stages = 4
	p := linear{step: 0.01, token: 1e-5}
	for clients, want := range map[int]float64{1: 0.01, 2: 0.01, 3: 3 * 0.4 * 0.01, 4: 4 * 0.4 * 0.01} {
		load := Load{Prompt: Lengths{Mean: 16}, Generate: Lengths{Mean: 2001}, Requests: clients, Concurrency: clients, Stagger: 1e-3}
		m := simulate(t, l, p, load.Source(), Options{}).Metrics(SLO{}, 0)
		near(t, fmt.Sprintf("time per token of %d clients", clients), m.TPOT.Mean, want, 2e-3)
	}
}

// A prompt's pieces follow each other through the stages without waiting for the answer of the
// one in front: four pieces of 10 ms over two equal stages take (4 + 1) · 5 ms.
func TestPiecesFollowEachOther(t *testing.T) {
	for _, policy := range []string{"budget", "prefill-first-chunked", "max-utilization"} {
		l := dense(4000)
		l.Policy, l.Stages, l.Budget, l.Clip = policy, 2, 100, 10
		p := linear{token: 1e-4, parts: []float64{0.5, 0.5}}
		r := simulate(t, l, p, &Replay{Requests: []Request{{Prompt: 400, Generate: 1}}}, Options{})
		if got, want := r.Requests[0].TTFT(), 5*0.005; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: the first token comes after %g s, want %g", policy, got, want)
		}
	}
}

// The host schedules one microbatch at a time: one that takes longer than any stage decides.
func TestHostIsAStage(t *testing.T) {
	l := dense(4000)
	l.Stages, l.Host = 2, Host{Step: 0.02, Kernel: 1e-6}
	l.Kernels = 1000 // of both stages
	p := linear{step: 0.01, parts: []float64{0.5, 0.5}}
	load := Load{Prompt: Lengths{Mean: 16}, Generate: Lengths{Mean: 2001}, Requests: 2, Concurrency: 2, Stagger: 1e-3}
	m := simulate(t, l, p, load.Source(), Options{}).Metrics(SLO{}, 0)
	near(t, "time per token of two", m.TPOT.Mean, 2*0.02, 2e-3)
	load.Requests, load.Concurrency = 1, 1
	m = simulate(t, l, p, load.Source(), Options{}).Metrics(SLO{}, 0)
	near(t, "time per token of one", m.TPOT.Mean, 0.02+0.01+1e-3, 1e-9)
}

// Groups that share no experts are replicas: the same records to the bit.
func TestGroupsWithoutExpertsAreReplicas(t *testing.T) {
	load := Load{Prompt: Lengths{Mean: 200, Shape: Normal, Spread: 0.4}, Generate: Lengths{Mean: 100, Shape: Lognormal, Spread: 0.6}, Requests: 200, Stages: []Stage{{Rate: 40}}, Seed: 5}
	l := dense(300)
	l.Lookahead = true
	want := simulate(t, l, plain, load.Source(), Options{Replicas: 3})
	l.Groups, l.InTurn = 3, true
	got := simulate(t, l, plain, load.Source(), Options{})
	for i := range want.Requests {
		if a, b := fmt.Sprint(got.Requests[i]), fmt.Sprint(want.Requests[i]); a != b {
			t.Fatalf("request %d: %s in groups, %s in replicas", i, a, b)
		}
	}
}

// Groups that share experts wait for each other, by hand: while one works a prompt of 0.1 s the
// other's token takes as long, and a group without requests lengthens nothing.
func TestGroupsWait(t *testing.T) {
	l := dense(4000)
	l.Groups, l.Together, l.InTurn, l.PrefixCache = 2, 2, true, false
	p := linear{step: 0.01, token: 1e-4}
	qs := []Request{{ID: 0, Prompt: 1, Generate: 5}, {ID: 1, Arrive: 0.0205, Prompt: 1000, Generate: 3}}
	r := simulate(t, l, p, &Replay{Requests: qs}, Options{})
	// The first: a prompt and two tokens alone (0.0101, 0.0201, 0.0301), then one beside the other's
	// prompt (0.11 s), one beside its first decode.
	near(t, "end of the first", r.Requests[0].End, 0.0301+0.11+0.01, 1e-9)
	near(t, "first token of the second", r.Requests[1].First, 0.0301+0.11, 1e-9)
	near(t, "end of the second", r.Requests[1].End, 0.0301+0.11+0.02, 1e-9)
	l.Together = 1
	r = simulate(t, l, p, &Replay{Requests: qs}, Options{})
	near(t, "end of the first by itself", r.Requests[0].End, 0.0101+4*0.01, 1e-9)
	near(t, "first token of the second by itself", r.Requests[1].First, 0.0205+0.11, 1e-9)
}

// The next request goes to the group with the fewest, one that waits counting as four.
func TestLeastBusyGroup(t *testing.T) {
	rs := []*Replica{{running: make([]*seq, 5)}, {running: make([]*seq, 2)}, {running: make([]*seq, 3)}}
	rs[1].waiting.push(&seq{})
	if got := leastBusy(rs); got != rs[2] {
		t.Error("three that run are less than two and one that waits")
	}
}

// More groups and more equal stages are never slower in the mean, under a load that keeps them busy.
func TestMoreDevicesAreNotSlower(t *testing.T) {
	load := Load{Prompt: Lengths{Mean: 300, Shape: Normal, Spread: 0.3}, Generate: Lengths{Mean: 200, Shape: Normal, Spread: 0.3}, Requests: 200, Concurrency: 64}
	mean := func(l *Limits) float64 {
		sum, p := 0.0, plain
		p.parts = slices.Repeat([]float64{1 / float64(max(l.Stages, 1))}, max(l.Stages, 1))
		for seed := range 3 {
			load.Seed = uint64(seed)
			sum += simulate(t, l, p, load.Source(), Options{}).Metrics(SLO{}, 0).OutputThroughput
		}
		return sum / 3
	}
	for _, policy := range []string{"budget", "prefill-first-whole", "prefill-first-chunked", "no-evict", "max-utilization"} {
		for _, what := range []string{"groups", "groups that wait", "stages"} {
			last := 0.0
			for _, n := range []int{1, 2, 4} {
				l := dense(1500 * n)
				l.Policy, l.Chunked = policy, policy != "prefill-first-whole"
				switch what {
				case "stages":
					l.Stages, l.Virtual = n, !l.Chunked
					if l.Virtual {
						l.Blocks /= n
					}
				case "groups":
					l.Groups = n
				default:
					l.Groups, l.Together = n, n
				}
				v := mean(l)
				if v < last {
					t.Errorf("%s: %d %s give %g tokens/s, half as many %g", policy, n, what, v, last)
				}
				last = v
			}
		}
	}
}

// A deployment of one client over stages and groups takes what the cost model says of a
// generation.
func TestDeployedOverDevices(t *testing.T) {
	for _, o := range []costmodel.Options{{PP: 2}, {PP: 4, TP: 2}, {DP: 2, EP: 2}, {DP: 4, EP: 4, PP: 2}} {
		m := "llama-3.1-8b"
		if o.EP > 1 {
			m = "mixtral-8x7b"
		}
		d := deploy(t, "ideal", m, "h100-sxm", costmodel.Roofline, o, Settings{})
		c := compiled(t, m, "h100-sxm", o)
		load := Load{Prompt: Lengths{Mean: 1000}, Generate: Lengths{Mean: 500}, Requests: 1, Concurrency: 1}
		r, err := Run(context.Background(), d.Limits, d.Price, load.Source(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := c.At(costmodel.Roofline)
		w := costmodel.Workload{Prompt: 1000, Generate: 499, Batch: 1}
		near(t, c.Ranks()+": answer", r.Requests[0].End-r.Requests[0].First, at.Generation(w), 5e-3) // stages sum in pieces
		// A prompt's step gives its first token too: the head for one row is in both.
		near(t, c.Ranks()+": prompt", r.Requests[0].TTFT(), at.Mixed(&costmodel.Mix{Chunks: []costmodel.Call{{Batch: 1, New: 1000}}, Seen: make([]float64, len(c.Windows())), Growing: make([]float64, len(c.Windows()))}), 1e-9)
	}
}

// Blocks are those of the stage that has room for the fewest: a model of which one half keeps no
// cache has as many as if that half were not there.
func TestFullestStageDecides(t *testing.T) {
	for _, m := range []string{"llama-3.1-70b", "phi4-mini-flash", "nemotron-h-56b"} {
		o := costmodel.Options{PP: 2}
		d := deploy(t, "ideal", m, "h200", costmodel.Roofline, o, Settings{})
		n := 0
		for _, stage := range compiled(t, m, "h200", o).Stages() {
			full, one := *d, *d.Limits
			one.Stages = 1
			full.Limits = &one
			if err := full.layOut(stage, 16, Settings{}); err != nil {
				t.Fatal(err)
			}
			if err := full.memory(stage, Settings{}); err != nil {
				t.Fatal(err)
			}
			fits := one.Blocks / max(one.Layout.Need(8192), 1)
			if has := d.Limits.Blocks / d.Limits.Layout.Need(8192); has > fits {
				t.Errorf("%s: room for %d sequences, and a stage has room for %d", m, has, fits)
			} else if float64(has) > 0.97*float64(fits) { // seats that states leave none for are not in the profile run
				n++
			}
		}
		if n == 0 {
			t.Errorf("%s: no stage has as little room as the deployment", m)
		}
	}
}

// What engines make of groups and stages, as their sources have it.
func TestEnginesOverDevices(t *testing.T) {
	for _, x := range []struct {
		engine, model string
		o             costmodel.Options
		seqs, budget  int
		micro         int
		lanes, stages int
	}{
		{"vllm-0.14", "mixtral-8x7b", costmodel.Options{DP: 4, EP: 4}, 1024, 8192, 0, 4, 1},
		{"sglang", "mixtral-8x7b", costmodel.Options{DP: 4, EP: 4}, 512, 2048, 0, 4, 1},
		{"sglang", "llama-3.1-8b", costmodel.Options{DP: 4}, 2048, 8192, 0, 4, 1},
		{"trtllm", "mixtral-8x7b", costmodel.Options{DP: 4, EP: 4}, 2048, 8192, 0, 4, 1},
		{"vllm-0.14", "llama-3.1-8b", costmodel.Options{PP: 4}, 1024, 8192, 0, 1, 4},
		{"sglang", "llama-3.1-8b", costmodel.Options{PP: 4}, 2048, 8192, 512, 1, 4},
		{"trtllm", "llama-3.1-8b", costmodel.Options{PP: 4}, 8192, 8192, 2048, 1, 4},
		{"vllm-0.7", "llama-3.1-8b", costmodel.Options{PP: 4}, 256, 131072, 0, 4, 4},
	} {
		l := deploy(t, x.engine, x.model, "h200", costmodel.Roofline, x.o, Settings{}).Limits
		if x.engine == "vllm-0.7" {
			x.budget = l.Budget
		}
		if l.Seqs != x.seqs || l.Budget != x.budget || l.Micro != x.micro || l.Schedulers() != x.lanes || l.Stages != x.stages || l.Stages > 1 && l.Lookahead {
			t.Errorf("%s of %s, %+v: %d sequences, %d tokens, %d a microbatch, %d schedulers, %d stages, ahead %v", x.engine, x.model, x.o, l.Seqs, l.Budget, l.Micro, l.Schedulers(), l.Stages, l.Lookahead)
		}
	}
	p, err := EngineNamed("sglang")
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]Settings{"mixed chunks": {MixedChunk: ptr(true)}, "drafts": {Speculation: &costmodel.Speculation{Draft: costmodel.NGram(), Tokens: 2}}} {
		if _, err := Deploy(p, compiled(t, "llama-3.1-8b", "h200", costmodel.Options{PP: 2}), costmodel.Roofline, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("in a pipeline: %v, want an error with %q", err, want)
		}
	}
	one := deploy(t, "vllm-0.7", "llama-3.1-8b", "h200", costmodel.Roofline, costmodel.Options{}, Settings{KVBlocks: ptr(1000)}).Limits.Blocks
	if four := deploy(t, "vllm-0.7", "llama-3.1-8b", "h200", costmodel.Roofline, costmodel.Options{PP: 4}, Settings{KVBlocks: ptr(1000)}).Limits.Blocks; four != one/4 {
		t.Errorf("a virtual engine has %d blocks of %d", four, one)
	}
	for _, x := range []struct {
		engine, model string
		o             costmodel.Options
		want          string
	}{
		{"vllm-0.7", "llama-3.1-8b", costmodel.Options{DP: 2}, "no data-parallel groups"},
		{"vllm-0.14", "mixtral-8x7b", costmodel.Options{DP: 2}, "by tensor parallelism"},
		{"vllm-0.14", "mixtral-8x7b", costmodel.Options{TP: 4, EP: 2}, "over all 4 devices"},
		{"sglang", "mixtral-8x7b", costmodel.Options{DP: 4, EP: 2}, "over all 4 devices"},
		{"trtllm", "mixtral-8x7b", costmodel.Options{TP: 2, DP: 2, EP: 4}, "a group of its own"},
		{"trtllm", "mixtral-8x7b", costmodel.Options{DP: 2}, "by tensor parallelism"},
	} {
		p, err := EngineNamed(x.engine)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Deploy(p, compiled(t, x.model, "h200", x.o), costmodel.Roofline, Settings{}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s of %s, %+v: %v, want an error with %q", x.engine, x.model, x.o, err, x.want)
		}
	}
}

// One of two virtual engines that decodes alone looks at its queue when a step is over, not when
// its plan is: a request that comes meanwhile is scheduled at the same time as in the loop over
// single steps.
func TestVirtualEnginesLookAtTheirQueues(t *testing.T) {
	l := dense(100)
	l.Policy, l.Chunked, l.Seqs = "prefill-first-whole", false, 4
	l.Virtual, l.Groups, l.Together, l.Stages, l.InTurn = true, 1, 1, 2, true
	src := func() *Replay {
		return &Replay{Requests: []Request{{ID: 0, Prompt: 10, Generate: 60}, {ID: 1, Arrive: 0.0001, Prompt: 10, Generate: 1}, {ID: 2, Arrive: 0.1003, Prompt: 10, Generate: 3}}}
	}
	jumps := audited(t, l, plain, src(), Options{})
	single := audited(t, l, plain, src(), Options{Single: true})
	for i := range jumps.Requests {
		a, b := &jumps.Requests[i], &single.Requests[i]
		if math.Abs(a.Scheduled-b.Scheduled) > 1e-9 || math.Abs(a.End-b.End) > 1e-9 {
			t.Errorf("request %d: scheduled at %g and ended at %g in jumps, %g and %g one by one", i, a.Scheduled, a.End, b.Scheduled, b.End)
		}
	}
	if q := &jumps.Requests[2]; q.Replica != jumps.Requests[0].Replica || q.Scheduled > q.Arrive+2*plain.step {
		t.Errorf("request 2 came at %g to engine %d and was scheduled at %g", q.Arrive, q.Replica, q.Scheduled)
	}
}
