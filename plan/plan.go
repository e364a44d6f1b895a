// Package plan finds how to serve a load: which model, on which devices, divided over how many of
// them, in which formats, under which engine, in how many replicas, and at what price.
//
// Units: seconds, tokens, bytes, USD. A price is of one device for an hour; a cost is of a
// deployment for an hour.
//
// A plan has two stages. First, every deployment of the space is estimated by formulas (see
// Estimates), which also give a lower bound of its cost. Then, in the order of those bounds, the
// serving simulator confirms deployments, each with the smallest number of replicas that meets
// the objective. It stops when the next bound is no better than what has been found, or when it
// has simulated as many finalists as were asked for. In the first case, the answer is the one
// that simulating the whole space would give (Plan.Proven).
package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/serving"
)

// Model is a model to serve, and the name under which an engine loads it.
type Model struct {
	Name  string // the repository or path from which an engine loads it
	Model *arch.Model
}

// Device is a kind of device, how many there are, and what they cost.
type Device struct {
	Profile *hardware.Profile
	Count   int
	Price   float64 // USD for one device and hour; 0 where it is not known
}

// Space says what may vary. For an empty list, default values are tried, and those that a model
// or a device cannot be divided into are left out. A value that is given must be possible for
// some model and device.
type Space struct {
	TP, PP, EP, DP []int
	Weights        []string // formats, "" is as the checkpoint has them
	KV             []string // formats, "" is the activations'
	Engines        []string
	MaxBatch       []int // the largest number of sequences of a replica; 0 stands for the engine's default
	Chunk          []int // the most tokens of a step; 0 stands for the engine's default
	Drafts         []Drafted
	Apart          []Ratio // replicas for prompts to replicas that decode
}

// Problem is what to plan.
type Problem struct {
	Models    []Model
	Devices   []Device
	Space     Space
	Options   costmodel.Options // options of every deployment, apart from what varies
	Settings  serving.Settings  // settings of every engine, apart from what varies
	Fidelity  costmodel.Fidelity
	Objective Objective

	// Load has the lengths of requests. Rate is in requests a second; Users is a number of
	// clients, each of which sends its next request after an answer. Where both are 0, Trace is
	// replayed.
	Load  serving.Load
	Rate  float64
	Users int
	Trace *serving.Trace
	Speed float64 // factor by which the trace is replayed faster; 0 stands for 1

	Finalists int    // the largest number of deployments to simulate; 0 stands for 10
	Requests  int    // number of requests to simulate for a replica; 0 stands for 400
	Seeds     int    // number of runs whose mean each figure is; 0 stands for 3
	Seed      uint64 // seed of the first run

	// Progress, if it is not nil, is called with how much of a stage is done.
	Progress func(stage string, done, total int)
}

// The stages of a plan, as Problem.Progress is told.
const (
	Estimating = "deployments"
	Simulating = "simulations"
)

// base is a model on a device, divided and stored in one way, without an engine.
type base struct {
	model  int
	device int
	tp     int
	pp     int
	ep     int
	dp     int
	gpus   int
	weight string
	kv     string
	draft  Drafted

	c *costmodel.Compiled
	s *costmodel.Speculation
	t *tables
}

// Candidate is a deployment with its estimate.
type Candidate struct {
	Model, Device          string
	TP, PP, EP, DP         int
	GPUs                   int // devices of one replica
	Weights, KV            string
	Engine                 string
	Draft                  Drafted
	Ratio                  Ratio // of replicas for prompts and for decoding; where it is set, GPUs are those of a whole group, and Replicas counts groups
	MaxBatch, Chunk        int   // as given; 0 stands for the engine's default
	Seqs, Budget           int   // the values of MaxBatch and Chunk that apply
	Replicas               int   // how many the estimate needs; 0 where even all devices are too few
	Cost                   float64
	Bound                  float64 // a cost below which no number of replicas meets the objective
	TTFT, TPOT, Batch, Use float64 // estimates: mean seconds, sequences at once, share of the time computing
	Measured               []Measured
	Why                    string // what makes the deployment impossible, "" where it is possible
	Missing                float64

	at       *base
	least    int // number of replicas that the bound assumes
	most     int // number of replicas for which there are devices
	settings serving.Settings
	profile  *serving.Profile
}

// Confirmed is a candidate with the results of its simulation.
type Confirmed struct {
	*Candidate
	Replicas int // the fewest that meet the objective; where no number does, as many as there are devices for
	Meets    bool
	// Measured holds the figures of the objective: means over seeds with 90 % intervals. Slow
	// holds them with every kernel as slow as its calibration's interval allows, where there is
	// one.
	Measured []Measured
	Slow     []Measured
	Binds    Measured

	Rate         float64 // requests a second of all replicas together
	InputTokens  float64 // prompt tokens a second
	OutputTokens float64
	TTFT, TPOT   float64 // means in seconds
	Busy         float64 // share of the time in which replicas compute
	PromptShare  float64 // share of that time spent on prompts
	Cost         float64 // USD an hour, or the number of GPUs where no price is known
	InputCost    float64 // USD for a million prompt tokens; NaN where no price is known
	OutputCost   float64
	Watts        float64 // power of devices that draw their TDP while they compute
	Joules       float64 // most energy for one token, prompt or generated
	Command      string  // command that starts one replica
}

// GPUsInAll returns the number of devices of all replicas.
func (c *Confirmed) GPUsInAll() int { return c.Replicas * c.GPUs }

// Plan is the answer to a Problem.
type Plan struct {
	Deployments int // number of deployments in the space
	Impossible  int // how many of those do not fit, or cannot serve such requests
	Best        *Confirmed
	Finalists   []*Confirmed // those that meet the objective first, the cheapest first
	Front       []*Confirmed // deployments for which no other is better in cost and in the figure nearest to its limit
	Nearest     *Candidate   // the nearest estimate, where nothing could be simulated
	Unseen      int          // number of deployments that were not simulated though their bound is below the best's cost
	Proven      bool         // whether it is proven that no deployment of the space is cheaper
	Stopped     bool         // whether the search ended before it was complete
	Priced      bool         // whether costs are in USD
}

// ErrNothing says that a space has no possible deployment.
var ErrNothing = errors.New("no deployment is possible")

func (p *Problem) priced() bool {
	for _, d := range p.Devices {
		if d.Price <= 0 {
			return false
		}
	}
	return true
}

// hour returns what a device costs for an hour: USD where all prices are known, else 1, so that
// costs count GPUs.
func (p *Problem) hour(device int) float64 {
	if p.priced() {
		return p.Devices[device].Price
	}
	return 1
}

// Check returns an error if something is wrong with a problem, before any work is done.
func (p *Problem) Check() error {
	kinds := 0
	for _, has := range []bool{p.Rate > 0, p.Users > 0, p.Trace != nil} {
		if has {
			kinds++
		}
	}
	switch {
	case len(p.Models) == 0 || len(p.Devices) == 0:
		return errors.New("a plan needs a model and devices")
	case kinds != 1:
		return errors.New("give one load: a rate, a number of users, or a trace")
	case len(p.Objective.Limits) == 0:
		return errors.New("no objective: give a limit, as in ttft p95<500ms or tpot p95<20ms")
	case p.Objective.Goodput < 0 || p.Objective.Goodput > 1:
		return fmt.Errorf("goodput %g: must be a share from 0 to 1", p.Objective.Goodput)
	case p.Finalists < 0 || p.Requests < 0 || p.Seeds < 0:
		return errors.New("finalists, requests and seeds must not be negative")
	}
	for _, d := range p.Devices {
		if d.Count < 1 {
			return fmt.Errorf("%s: %d devices: must be 1 or more", d.Profile.Name, d.Count)
		}
		if d.Price < 0 || math.IsNaN(d.Price) || math.IsInf(d.Price, 0) {
			return fmt.Errorf("%s: price %g: must be positive", d.Profile.Name, d.Price)
		}
	}
	return nil
}

// space returns the problem's space with defaults for the lists that are empty.
func (p *Problem) space() Space {
	s := p.Space
	or := func(v *[]int, d ...int) {
		if len(*v) == 0 {
			*v = d
		}
	}
	or(&s.TP, 1, 2, 4, 8)
	or(&s.PP, 1)
	or(&s.EP, 1)
	or(&s.DP, 1)
	or(&s.MaxBatch, 0)
	or(&s.Chunk, 0)
	if len(s.Weights) == 0 {
		s.Weights = []string{""}
	}
	if len(s.KV) == 0 {
		s.KV = []string{""}
	}
	if len(s.Drafts) == 0 {
		s.Drafts = []Drafted{{}}
	}
	if len(s.Apart) == 0 {
		s.Apart = []Ratio{{}}
	}
	if len(s.Engines) == 0 {
		s.Engines = []string{serving.DefaultEngine}
	}
	return s
}

// each returns every base once with each value of an axis.
func each[T any](bases []base, values []T, set func(*base, T)) []base {
	var out []base
	for _, b := range bases {
		for _, v := range values {
			set(&b, v)
			out = append(out, b)
		}
	}
	return out
}

// upTo lists 0, 1, … n−1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// ValueError is a value of a space that no deployment can have, of the parameter that it is of.
type ValueError struct {
	Parameter, Value string
	Err              error
}

func (e *ValueError) Error() string { return fmt.Sprintf("%s=%s: %v", e.Parameter, e.Value, e.Err) }

// Unwrap returns why no deployment can.
func (e *ValueError) Unwrap() error { return e.Err }

// axis is something in which bases differ: how to read its value from a base, and the values that
// were asked for.
type axis struct {
	name  string
	of    func(*base) string
	given []string
}

func numbers(name string, of func(*base) int, given []int) axis {
	a := axis{name: name, of: func(b *base) string { return strconv.Itoa(of(b)) }}
	for _, n := range given {
		a.given = append(a.given, strconv.Itoa(n))
	}
	return a
}

func drafts(given []Drafted) axis {
	a := axis{name: "draft", of: func(b *base) string { return b.draft.String() }}
	for _, d := range given {
		a.given = append(a.given, d.String())
	}
	return a
}

// bases lists the ways to divide and store each model on each device. Where a value was given
// that is impossible for every model and device, it returns an error with the first reason.
func (p *Problem) bases(ctx context.Context) ([]*base, error) {
	s := p.space()
	all := each([]base{{}}, upTo(len(p.Models)), func(b *base, v int) { b.model = v })
	all = each(all, upTo(len(p.Devices)), func(b *base, v int) { b.device = v })
	all = each(all, s.TP, func(b *base, v int) { b.tp = v })
	all = each(all, s.PP, func(b *base, v int) { b.pp = v })
	all = each(all, s.EP, func(b *base, v int) { b.ep = v })
	all = each(all, s.DP, func(b *base, v int) { b.dp = v })
	all = each(all, s.Weights, func(b *base, v string) { b.weight = v })
	all = each(all, s.KV, func(b *base, v string) { b.kv = v })
	all = each(all, s.Drafts, func(b *base, v Drafted) { b.draft = v })
	axes := []axis{
		numbers("tp", func(b *base) int { return b.tp }, p.Space.TP),
		numbers("pp", func(b *base) int { return b.pp }, p.Space.PP),
		numbers("ep", func(b *base) int { return b.ep }, p.Space.EP),
		numbers("dp", func(b *base) int { return b.dp }, p.Space.DP),
		{"weights", func(b *base) string { return b.weight }, p.Space.Weights},
		{"kv", func(b *base) string { return b.kv }, p.Space.KV},
		drafts(p.Space.Drafts),
	}
	type value struct{ axis, value string }
	possible, reason := map[value]bool{}, map[value]error{}
	var out []*base
	var firstErr error
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := &all[i]
		b.gpus = b.tp * b.pp * b.dp
		err := p.compile(b)
		for _, a := range axes {
			v := value{a.name, a.of(b)}
			if err == nil {
				possible[v] = true
			} else if reason[v] == nil {
				reason[v] = err
			}
		}
		if err == nil {
			out = append(out, b)
		} else if firstErr == nil {
			firstErr = err
		}
	}
	for _, a := range axes {
		for _, g := range a.given {
			if v := (value{a.name, g}); !possible[v] {
				return nil, &ValueError{a.name, g, reason[v]}
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNothing, firstErr)
	}
	return out, nil
}

// compile makes the cost model of a base.
func (p *Problem) compile(b *base) (err error) {
	d := p.Devices[b.device]
	if b.tp < 1 || b.pp < 1 || b.ep < 1 || b.dp < 1 {
		return errors.New("must be 1 or more")
	}
	if b.gpus > d.Count {
		return fmt.Errorf("%d devices for one replica, and there are %d %s", b.gpus, d.Count, d.Profile.Name)
	}
	o := p.Options
	o.Engine = "ideal" // the simulator adds the engine's own times
	o.TP, o.PP, o.EP, o.DP = b.tp, b.pp, b.ep, b.dp
	if b.weight != "" {
		if o.Weights, err = formats.Parse(b.weight); err != nil {
			return err
		}
	}
	if b.kv != "" {
		if o.KV, err = precision.Parse(b.kv); err != nil {
			return err
		}
	}
	if b.c, err = costmodel.Compile(p.Models[b.model].Model, d.Profile, o); err != nil {
		return err
	}
	b.s, err = b.draft.of(b.c)
	return err
}

// Estimates lists the deployments of a problem's space with their estimates, ordered by their
// bounds.
func (p *Problem) Estimates(ctx context.Context) ([]*Candidate, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	bases, err := p.bases(ctx)
	if err != nil {
		return nil, err
	}
	s := p.space()
	var profiles []*serving.Profile
	for _, e := range s.Engines {
		x, err := serving.EngineNamed(e)
		if err != nil {
			return nil, &ValueError{"engine", e, err}
		}
		profiles = append(profiles, x)
	}
	per := len(profiles) * len(s.MaxBatch) * len(s.Chunk) * len(s.Apart)
	out := make([]*Candidate, len(bases)*per)
	w := p.mean()
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(bases)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(bases) || ctx.Err() != nil {
					return
				}
				b := bases[i]
				b.t = newTables(b.c, b.s, p.Fidelity, w)
				n := i * per
				for _, e := range profiles {
					for _, batch := range s.MaxBatch {
						for _, chunk := range s.Chunk {
							if ctx.Err() != nil {
								return
							}
							for _, ratio := range s.Apart {
								out[n] = p.candidate(b, e, batch, chunk, ratio)
								n++
							}
						}
					}
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.Progress != nil {
		p.Progress(Estimating, len(out), len(out))
	}
	slices.SortStableFunc(out, byBound)
	return out, nil
}

// byBound orders candidates: possible ones first, then by lower bound of their cost, then by
// estimated cost, then by their settings.
func byBound(a, b *Candidate) int {
	switch {
	case (a.Why == "") != (b.Why == ""):
		if a.Why == "" {
			return -1
		}
		return 1
	case a.Bound != b.Bound:
		return cmp.Compare(a.Bound, b.Bound)
	case a.Cost != b.Cost:
		return cmp.Compare(a.Cost, b.Cost)
	}
	return cmp.Compare(a.TPOT, b.TPOT)
}
