package serving

import (
	"context"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/internal/ceil"
)

// linear is a pricer whose times are linear in everything, so that sums are exact by hand.
type linear struct {
	step, row, context, seen, token, pair float64
	windows                               []int
	parts                                 []float64 // of a pipeline: each stage's share of everything
}

func (l linear) Stages() int { return len(l.parts) }

func (l linear) Stage(i int, s *Step, k int) float64 {
	if len(s.Chunks) > 0 {
		return l.parts[i] * l.Mixed(s)
	}
	return l.parts[i] * l.Run(s, k)
}

// over shares the times out to the stages of a pipeline: the last has twice as much as each other.
func (l linear) over(stages int) linear {
	if l.parts != nil {
		return l
	}
	for i := range max(stages, 1) {
		n := 1.0
		if i == stages-1 {
			n = 2
		}
		l.parts = append(l.parts, n/float64(stages+1))
	}
	return l
}

func (l linear) Windows() []int { return l.windows }

func (l linear) Mixed(s *Step) float64 {
	t := l.Run(s, 1)
	if s.Decodes == 0 {
		t = l.step
	}
	for _, c := range s.Chunks {
		n, p := float64(c.New), float64(c.Past)
		t += l.token*n + l.pair*(n*p+n*(n+1)/2)
	}
	return t
}

func (l linear) Run(s *Step, k int) float64 {
	n, b := float64(k), float64(s.Decodes)
	tri := n * (n - 1) / 2
	if s.Advance > 0 {
		tri *= s.Advance
	}
	t := n*(l.step+l.row*max(b*float64(1+s.Drafts), float64(s.Padded))) + l.context*(n*s.Contexts+b*tri)
	for i := range l.windows {
		t += l.seen * (n*s.Seen[i] + s.Growing[i]*tri)
	}
	return t
}

var plain = linear{step: 5e-3, row: 1e-5, context: 1e-8, token: 4e-5, pair: 1e-9}

func pricer(l linear) func() Pricer { return func() Pricer { return l } }

// dense is one full group of pages of 16.
func dense(blocks int) *Limits {
	l, err := Unified([]CacheLayers{{Kind: FullCache, Layers: 4, PerToken: 100}}, 16, 2048)
	if err != nil {
		panic(err)
	}
	return &Limits{Engine: "test", Policy: "budget", Layout: l, Blocks: blocks, Seqs: 64, Budget: 2048, Chunked: true, PrefixCache: true}
}

func simulate(t testing.TB, l *Limits, p linear, src Source, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), l, pricer(p.over(l.Stages)), src, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// anyLimits draws an engine of any kind whose pool is small enough to matter.
func anyLimits(t *rapid.T) *Limits {
	l := dense(rapid.IntRange(40, 400).Draw(t, "blocks"))
	l.Policy = rapid.SampledFrom([]string{"budget", "prefill-first-whole", "prefill-first-chunked", "no-evict", "max-utilization"}).Draw(t, "policy")
	l.Seqs = rapid.IntRange(1, 40).Draw(t, "seqs")
	l.Budget = rapid.IntRange(64, 1024).Draw(t, "budget")
	l.Chunked = rapid.Bool().Draw(t, "chunked")
	if !l.Chunked {
		l.Budget = 2048
	}
	l.Lookahead = rapid.Bool().Draw(t, "lookahead")
	l.ReserveFull = rapid.Bool().Draw(t, "reserve")
	l.PrefixCache = rapid.Bool().Draw(t, "cache")
	l.Watermark = rapid.IntRange(0, 3).Draw(t, "watermark")
	if rapid.Bool().Draw(t, "hybrid") {
		h, err := Unified([]CacheLayers{{Kind: FullCache, Layers: 2, PerToken: 100}, {Kind: WindowCache, Layers: 3, PerToken: 100, Window: 96}, {Kind: StateCache, Layers: 2, State: 3000}}, 16, l.Budget)
		if err != nil {
			t.Fatal(err)
		}
		l.Layout, l.PrefixCache = h, false
		l.Blocks *= 2
	}
	if rapid.IntRange(0, 3).Draw(t, "speculates") == 0 {
		l.Verified = Verified{Drafts: rapid.IntRange(1, 5).Draw(t, "drafts"), Acceptance: rapid.Float64Range(0, 1).Draw(t, "acceptance")}
	}
	if l.Policy == "prefill-first-chunked" {
		l.Ratio = Ratio{0.7, 0.1, 100}
		l.Clip = 100
		l.MixedChunk = l.Chunked && rapid.Bool().Draw(t, "mixed")
		l.PromptMost = rapid.SampledFrom([]int{0, 100, 300}).Draw(t, "most of prompts")
		if rapid.Bool().Draw(t, "windows aside") {
			l.Side = SidePool{Tokens: l.Blocks * l.Layout.block * 4 / 5, Window: rapid.SampledFrom([]int{40, 200}).Draw(t, "window"), Chunk: l.Budget}
		}
	}
	if l.Policy == "prefill-first-whole" && rapid.Bool().Draw(t, "limit") {
		l.Graphs = Graphs{Sizes: []int{1, 2, 4, 8, 16, 24, 32}, MaxContext: 200}
	} else {
		l.Graphs = Graphs{Sizes: []int{1, 2, 4, 8, 16, 24, 32}}
	}
	if rapid.IntRange(0, 2).Draw(t, "several devices") == 0 {
		anyDevices(t, l)
	}
	return l
}

// anyDevices draws groups of devices and pipeline stages for an engine.
func anyDevices(t *rapid.T, l *Limits) {
	l.Together = rapid.IntRange(1, 3).Draw(t, "together")
	l.Groups = l.Together * rapid.IntRange(1, 2).Draw(t, "gangs")
	l.InTurn = rapid.Bool().Draw(t, "in turn")
	if l.Stages = rapid.IntRange(1, 4).Draw(t, "stages"); l.Stages == 1 {
		return
	}
	l.Lookahead, l.Verified = false, Verified{}
	if l.Policy == "prefill-first-whole" {
		l.Virtual, l.Groups, l.Together = true, 1, 1
	} else if rapid.Bool().Draw(t, "limit of a microbatch") {
		l.Micro = ceil.Div(l.Seqs, l.Stages)
	}
}

func anyLoad(t *rapid.T) *Load {
	l := &Load{Prompt: Lengths{Mean: float64(rapid.IntRange(1, 300).Draw(t, "prompt")), Shape: Normal, Spread: 0.4},
		Generate: Lengths{Mean: float64(rapid.IntRange(1, 150).Draw(t, "generate")), Shape: Lognormal, Spread: 0.6},
		Requests: rapid.IntRange(1, 120).Draw(t, "n"), Seed: rapid.Uint64().Draw(t, "seed")}
	if rapid.Bool().Draw(t, "open") {
		l.Stages = []Stage{{Rate: rapid.Float64Range(0.5, 200).Draw(t, "rate")}}
		l.Burstiness = rapid.SampledFrom([]float64{0, 0.3, 4}).Draw(t, "burst")
	} else {
		l.Concurrency = rapid.IntRange(1, 60).Draw(t, "clients")
		l.Stagger = rapid.SampledFrom([]float64{0, 0.002}).Draw(t, "stagger")
	}
	if rapid.Bool().Draw(t, "shared") {
		l.Prefix, l.Groups = rapid.IntRange(1, 200).Draw(t, "prefix"), rapid.IntRange(1, 5).Draw(t, "groups")
	}
	if rapid.IntRange(0, 3).Draw(t, "impatient") == 0 {
		l.Timeout = rapid.Float64Range(0.05, 5).Draw(t, "timeout")
	}
	return l
}

// anyApart draws replicas for prompts and for decoding, more often none.
func anyApart(t *rapid.T) *Apart {
	if rapid.IntRange(0, 2).Draw(t, "apart") > 0 {
		return nil
	}
	by := rapid.SampledFrom([]float64{0, 1e-6, 1e-4, 3e-3}).Draw(t, "seconds a token")
	return &Apart{Prefill: rapid.IntRange(1, 3).Draw(t, "prefill"), Decode: rapid.IntRange(1, 3).Draw(t, "decode"), Seconds: func(n int) float64 { return by * float64(n) }}
}

// watch checks a replica's books whenever a plan ends.
type watch struct {
	f     *fleet
	tb    interface{ Fatalf(string, ...any) }
	clock float64
}

func (w *watch) check(e Event) {
	if e.Time < w.clock-1e-12 {
		w.tb.Fatalf("the clock went back from %g to %g", w.clock, e.Time)
	}
	w.clock = max(w.clock, e.Time)
	r := w.f.replicas[e.Replica]
	free := 0
	for n := r.pool.queue.next; n != &r.pool.queue; n = n.next {
		free += r.pool.ids(n)
		if n.refs != 0 {
			w.tb.Fatalf("a block in the free queue is held")
		}
	}
	held := 0
	nodes := map[*node]bool{}
	for _, q := range slices.Concat(r.running, r.zombies, r.sending, r.landing) {
		held += q.held.private
		if q.held.private < 0 || q.held.shared < 0 {
			w.tb.Fatalf("a sequence holds %d blocks alone and %d shared", q.held.private, q.held.shared)
		}
		for _, n := range q.held.nodes {
			if n != nil && !nodes[n] {
				nodes[n] = true
				held += r.pool.ids(n)
			}
		}
	}
	if free != r.pool.free || held+free != r.pool.total {
		w.tb.Fatalf("%d blocks held, %d in the queue, %d counted free: want %d in all", held, free, r.pool.free, r.pool.total)
	}
	if len(r.running)+len(r.zombies) > r.limits.Seqs+len(r.zombies) {
		w.tb.Fatalf("%d sequences run, of at most %d", len(r.running), r.limits.Seqs)
	}
	if r.limits.Policy == "no-evict" && r.stats.Preemptions > 0 {
		w.tb.Fatalf("an engine that does not evict has preempted")
	}
}

func audited(t interface {
	Fatalf(string, ...any)
	Fatal(...any)
}, l *Limits, p linear, src Source, o Options) *Result {
	w := &watch{tb: t}
	o.Watch = w.check
	f, err := newFleet(l, pricer(p.over(l.Stages)), src, o)
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	if err := f.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.collect()
	return f.out
}

// oneClient is a policy with a host that takes time, and a client that asks three times for the
// same lengths.
func oneClient(policy string, prompt, generate float64) (*Limits, Load) {
	l := dense(4000)
	l.Policy, l.Host = policy, Host{Step: 1e-3, Sequence: 1e-5, Token: 1e-7, Request: 4e-3, Reply: 2e-3}
	l.PrefixCache, l.Chunked = false, policy != "prefill-first-whole"
	l.Budget = 4096
	return l, Load{Prompt: Lengths{Mean: prompt}, Generate: Lengths{Mean: generate}, Requests: 3, Concurrency: 1}
}

func near(t testing.TB, what string, got, want, rel float64) {
	t.Helper()
	if math.Abs(got-want) > rel*math.Abs(want) {
		t.Errorf("%s is %.12g, want %.12g", what, got, want)
	}
}

func drain(s Source) (out []Request) {
	for {
		if _, ok := s.Peek(); !ok {
			return out
		}
		out = append(out, s.Take())
	}
}

// A client that gives up asks again then, not when the engine's step is over, and nothing is told
// of its request afterwards: a prompt of ten seconds runs when three clients' patience of one ends.
func TestClientsAskAgainWhenTheyGiveUp(t *testing.T) {
	l := dense(3000)
	l.Host = Host{Request: 0.25}
	p := plain
	p.step, p.token = 10, 0
	load := &Load{Prompt: Lengths{Mean: 16}, Generate: Lengths{Mean: 4}, Requests: 4, Concurrency: 1, Timeout: 1}
	r := audited(t, l, p, load.Source(), Options{})
	for i := range r.Requests {
		q := &r.Requests[i]
		if q.Status != TimedOut || q.Arrive != float64(i) || q.End != float64(i)+1 {
			t.Errorf("request %d: %v, asked at %g, ended at %g", i, q.Status, q.Arrive, q.End)
		}
	}
	l.Host.Request = 1.5 // gone before the engine has it
	r = audited(t, l, p, load.Source(), Options{})
	for i := range r.Requests {
		q := &r.Requests[i]
		if q.Status != TimedOut || q.End != float64(i)+1 || q.Replica >= 0 {
			t.Errorf("request %d: %v, ended at %g, on replica %d", i, q.Status, q.End, q.Replica)
		}
	}
}
