// Package plan finds how to serve a load: which model on which devices, split over how many,
// in which formats, under which engine, in how many replicas, at what price.
//
// Units: seconds, tokens, bytes, USD; prices are of one device and hour, costs of a
// deployment per hour.
//
// A plan has two stages. Every deployment of the space is estimated in closed form (see
// Estimate) and gets a bound below which its cost cannot lie; in the order of that bound the
// serving simulator confirms deployments, each with the fewest replicas that meet the
// objective, until the next bound is no better than what has been found or the finalists are
// used up. In the first case the answer is that of simulating the whole space (Plan.Proven).
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

// Model is a model to serve and the name under which an engine loads it.
type Model struct {
	Name  string // as it is loaded: a repository or a path
	Model *arch.Model
}

// Device is hardware there is, and what it costs.
type Device struct {
	Profile *hardware.Profile
	Count   int
	Price   float64 // USD an hour of one; 0: not known
}

// Space is what may vary. An empty list is the default, in which what a model or a device
// cannot be split into is passed over; a value that is given must be possible somewhere.
type Space struct {
	TP, PP, EP, DP []int
	Weights        []string // formats, "" is as the checkpoint has them
	KV             []string // formats, "" is the activations'
	Engines        []string
	MaxBatch       []int // most sequences of a replica; 0 is the engine's default
	Chunk          []int // most tokens of a step; 0 is the engine's default
	Drafts         []Drafted
	Apart          []Ratio // of replicas for prompts to replicas that decode
}

// Problem is what is to be planned.
type Problem struct {
	Models    []Model
	Devices   []Device
	Space     Space
	Options   costmodel.Options // of every deployment, beside what varies
	Settings  serving.Settings  // the same of engines
	Fidelity  costmodel.Fidelity
	Objective Objective

	// Load has the lengths. Rate is requests a second, or Users clients that ask again when
	// they are answered; else Trace is replayed.
	Load  serving.Load
	Rate  float64
	Users int
	Trace *serving.Trace
	Speed float64 // divides the trace's arrivals; 0 is 1

	Finalists int    // deployments that are simulated at most; 0 is 10
	Requests  int    // of a simulated replica; 0 is 400
	Seeds     int    // runs of which each figure is the mean; 0 is 3
	Seed      uint64 // of the first

	// Progress, where set, is told how far the stages are.
	Progress func(stage string, done, total int)
}

// Stages of a plan, as Problem.Progress names them.
const (
	Estimating = "deployments"
	Simulating = "simulations"
)

// base is a model on a device, split and stored in one way, before an engine runs it.
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

// Candidate is a deployment, estimated.
type Candidate struct {
	Model, Device          string
	TP, PP, EP, DP         int
	GPUs                   int // of one replica
	Weights, KV            string
	Engine                 string
	Draft                  Drafted
	Ratio                  Ratio // of replicas; GPUs are of such a group, and Replicas counts groups
	MaxBatch, Chunk        int   // as given; 0 is the engine's default
	Seqs, Budget           int   // in force
	Replicas               int   // that the estimate needs; 0 where even all devices are too few
	Cost                   float64
	Bound                  float64 // no number of replicas that meets the objective costs less
	TTFT, TPOT, Batch, Use float64 // estimated: mean seconds, sequences at once, share of the time computing
	Measured               []Measured
	Why                    string // not to be had at all: what is missing
	Missing                float64

	at       *base
	least    int // replicas of the bound
	most     int // replicas the devices allow
	settings serving.Settings
	profile  *serving.Profile
}

// Confirmed is a candidate as the simulator finds it.
type Confirmed struct {
	*Candidate
	Replicas int // the fewest that meet the objective; the most there are where none does
	Meets    bool
	// Measured are the figures of the objective, mean over seeds with its 90 % interval. Slow
	// has them with every kernel at the slow bound of its calibration, where there is one.
	Measured []Measured
	Slow     []Measured
	Binds    Measured

	Rate         float64 // requests a second of all replicas
	InputTokens  float64 // a second
	OutputTokens float64
	TTFT, TPOT   float64 // means
	Busy         float64 // share of the time in which replicas compute
	PromptShare  float64 // of that time
	Cost         float64 // USD an hour, or GPUs where no price is known
	InputCost    float64 // USD a million tokens; NaN where no price is known
	OutputCost   float64
	Watts        float64 // devices at their TDP while they compute
	Joules       float64 // a token, input and output, at most
	Command      string  // that starts one replica
}

// GPUsInAll is the devices of all replicas.
func (c *Confirmed) GPUsInAll() int { return c.Replicas * c.GPUs }

// Plan is the answer.
type Plan struct {
	Deployments int // of the space
	Impossible  int // of those: do not fit, or not servable
	Best        *Confirmed
	Finalists   []*Confirmed // by cost, those that meet the objective first
	Front       []*Confirmed // that nothing beats on cost and on what binds
	Nearest     *Candidate   // where nothing could be simulated
	Unseen      int          // deployments not simulated whose bound is below the best's cost
	Proven      bool         // that nothing in the space is cheaper
	Stopped     bool         // before all of it was done
	Priced      bool         // costs are USD
}

// ErrNothing is a space without any deployment.
var ErrNothing = errors.New("no deployment is possible")

func (p *Problem) priced() bool {
	for _, d := range p.Devices {
		if d.Price <= 0 {
			return false
		}
	}
	return true
}

// hour is what a device costs: USD where all prices are known, else one GPU.
func (p *Problem) hour(device int) float64 {
	if p.priced() {
		return p.Devices[device].Price
	}
	return 1
}

// Check reports what is wrong with a problem before any work is done.
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
		return errors.New("no objective: give a limit, as in --ttft 'p95<500ms' or --tpot 'p95<20ms'")
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

// defaults fills in what the space leaves open.
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

// each makes every base once with each value of an axis.
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

// upTo is 0, 1, … n−1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// axis is one thing in which bases differ: what it is of a base, and the values asked for.
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

// bases lists the ways to split and store each model on each device. A value that was given
// and that no model and device takes is an error, with the first reason.
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
				return nil, fmt.Errorf("--vary %s=%s: %w", a.name, g, reason[v])
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNothing, firstErr)
	}
	return out, nil
}

// compile makes a base's cost model.
func (p *Problem) compile(b *base) (err error) {
	d := p.Devices[b.device]
	if b.tp < 1 || b.pp < 1 || b.ep < 1 || b.dp < 1 {
		return errors.New("must be 1 or more")
	}
	if b.gpus > d.Count {
		return fmt.Errorf("%d devices for one replica, and there are %d %s", b.gpus, d.Count, d.Profile.Name)
	}
	o := p.Options
	o.Engine = "ideal" // what an engine adds is the simulator's
	o.TP = b.tp
	if err := split(&o, b); err != nil {
		return err
	}
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

// Estimates are the deployments of a problem's space, each estimated, by their bound.
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
			return nil, fmt.Errorf("--vary engine: %w", err)
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

// byBound orders candidates: possible ones first, by what they cost at least, then by
// estimated cost, then by what they are.
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
