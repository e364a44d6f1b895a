package claims

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/serving"
)

// The engines under which claims about serving are simulated: the version that the paper ran, and
// the newest.
const (
	claimEngine = "vllm-0.7"
	todayEngine = "vllm"
)

// spread is the standard deviation of the paper's lengths divided by their mean. The paper says
// "30 % variance"; should it really mean the variance, the value is spreadIfVariance.
const (
	spread           = 0.3
	spreadIfVariance = 0.5477
)

// Serving is a closed loop that a claim asks a Simulator to run: each client sends a request,
// waits for the answer and sends the next one. Lengths are normally distributed with the paper's
// spread, and clients begin 2 ms after one another, unless Aligned is set.
type Serving struct {
	Model    *arch.Model
	Hardware *hardware.Profile
	Deploy   costmodel.Options // kernels, formats and the kind of prefill
	Fidelity costmodel.Fidelity
	Engine   string
	Prompt   int // mean number of tokens
	Generate int
	Clients  int // 0 stands for as many as fit the engine's cache at the mean length
	// The next fields say how the run differs from the engine's rules.
	AnyGraph bool    // CUDA graphs whatever the context
	Endless  bool    // whether the cache never runs out
	Promised bool    // whether a request waits until all cache blocks that it may ever need are free, so that no sequence is preempted
	Aligned  bool    // whether all clients begin at the same time and all lengths are equal
	Host     float64 // factor on the engine's host times; 0 stands for 1
	Spread   float64 // standard deviation of lengths divided by their mean, if not the paper's
	Seed     uint64
}

// Served is the result of a run. Times are in seconds and are means over its requests.
type Served struct {
	Clients    int
	Throughput float64 // generated tokens a second over the whole run
	Latency    float64 // from sending a request to its last token
	TTFT, TPOT float64
	Preempted  int
	Requests   int
	Eager      float64 // share of the steps that ran outside a CUDA graph
	Fit        int     // number of sequences of the mean length that fit the engine's cache
}

// Simulator runs closed loops. Several goroutines call it at once.
type Simulator func(context.Context, Serving) (Served, error)

// requestsEach is how many requests each client of a simulated run sends. The beginning and the
// end of a run, with fewer clients busy, are then a twentieth of it.
const requestsEach = 20

// NewSimulator returns the simulator with which claims are audited: package serving, with prices
// from package costmodel.
func NewSimulator() Simulator {
	type key struct {
		model  *arch.Model
		hw     *hardware.Profile
		deploy costmodel.Options
		engine string
		f      costmodel.Fidelity
	}
	var mu sync.Mutex
	deployed := map[key]*serving.Deployment{}
	deployment := func(s *Serving) (*serving.Deployment, error) {
		mu.Lock()
		defer mu.Unlock()
		k := key{s.Model, s.Hardware, s.Deploy, s.Engine, s.Fidelity}
		if d, ok := deployed[k]; ok {
			return d, nil
		}
		p, err := serving.EngineNamed(s.Engine)
		if err != nil {
			return nil, err
		}
		o := s.Deploy
		o.Engine = "ideal" // the simulation adds the engine's own times
		c, err := costmodel.Compile(s.Model, s.Hardware, o)
		if err != nil {
			return nil, err
		}
		d, err := serving.Deploy(p, c, s.Fidelity, serving.Settings{Host: p.Host})
		if err != nil {
			return nil, err
		}
		deployed[k] = d
		return d, nil
	}
	return func(ctx context.Context, s Serving) (Served, error) {
		d, err := deployment(&s)
		if err != nil {
			return Served{}, err
		}
		l := *d.Limits
		out := Served{Clients: s.Clients, Fit: math.MaxInt32}
		if need := l.Layout.Need(s.Prompt + s.Generate); need > 0 {
			out.Fit = l.Blocks / need
		}
		if out.Clients == 0 {
			out.Clients = min(out.Fit, l.Seqs)
		}
		if s.AnyGraph {
			l.Graphs.MaxContext = 0
		}
		if s.Endless {
			l.Blocks, l.Watermark = math.MaxInt32, 0
		}
		l.Promised = s.Promised
		if s.Host > 0 {
			h := &l.Host
			for _, t := range []*float64{&h.Step, &h.Kernel, &h.Sequence, &h.Token, &h.Request, &h.Tokenise, &h.Reply} {
				*t *= s.Host
			}
		}
		shape := serving.Lengths{Shape: serving.Normal, Spread: spread}
		if s.Spread > 0 {
			shape.Spread = s.Spread
		}
		load := serving.Load{Prompt: shape, Generate: shape, Concurrency: out.Clients, Stagger: 2e-3}
		if s.Aligned {
			load = serving.Load{Concurrency: out.Clients}
		}
		load.Seed = s.Seed
		load.Prompt.Mean, load.Generate.Mean = float64(s.Prompt), float64(s.Generate)
		load.Requests = min(max(requestsEach*out.Clients, 40), max(40*requestsEach, 4*out.Clients))
		if out.Clients == 0 {
			return out, fmt.Errorf("%s on %s: not one sequence of %d tokens fits", s.Model.Name, s.Hardware.Name, s.Prompt+s.Generate)
		}
		r, err := serving.Run(ctx, &l, d.Price, load.Source(), serving.Options{Quick: true})
		if err != nil {
			return out, err
		}
		m := r.Metrics(serving.SLO{}, 0)
		if m.Completed == 0 {
			return out, fmt.Errorf("%s on %s under %s: no request of %d + %d tokens can be served", s.Model.Name, s.Hardware.Name, s.Engine, s.Prompt, s.Generate)
		}
		out.Throughput, out.Latency, out.TTFT, out.TPOT = m.OutputThroughput, m.E2E.Mean, m.TTFT.Mean, m.TPOT.Mean
		out.Preempted, out.Requests = r.Stats.Preemptions, m.Completed
		out.Eager = float64(r.Stats.EagerSteps) / float64(max(r.Stats.Steps, 1))
		return out, nil
	}
}

// asPublished returns options with the kernels of the paper's run: FlashAttention-2 reads K and V
// once for each query head in layers with a window, and differential attention takes four plain
// passes.
func asPublished(o costmodel.Options) costmodel.Options {
	o.KVRead, o.Diff = execution.PackedUnlessWindowed, execution.FourPass
	return o
}
