package sweep

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
)

// result holds the figures of one row.
type result struct {
	priced bool // whether the row has figures
	fits   bool
	reason string // why a row has no figures, why it does not fit, or what a reader should know about it
	beyond string // that the model was made for shorter sequences than the row's
	fig    [len(figures)]float64
}

func (r *result) status() string {
	switch {
	case !r.priced:
		return "invalid"
	case !r.fits:
		return "does_not_fit"
	}
	return "ok"
}

// engine computes rows. A model is built and compiled once for each combination of the parameters
// that it depends on, and the workers share it.
type engine struct {
	g       *Grid
	compile []int // axes on which a compiled model depends, ascending
	load    []int // the other axes
	fixed   point // what is the same in all rows

	mu    sync.Mutex
	cache map[string]*entry
}

type entry struct {
	once   sync.Once
	c      *costmodel.Compiled
	params float64
	err    error
}

// maxEntries is the largest number of compiled models that are kept; past it all are dropped,
// which bounds the memory used.
const maxEntries = 4096

// newEngine makes the engine of a normalised grid.
func newEngine(g *Grid) *engine {
	e := &engine{g: g, cache: map[string]*entry{}, fixed: point{fidelity: costmodel.Usual}}
	for i, a := range g.Axes {
		if p, _ := parameterOf(a.Name); p.role == loadParam {
			e.load = append(e.load, i)
		} else {
			e.compile = append(e.compile, i)
		}
	}
	for _, p := range parameters {
		if s := g.fixed[p.name]; s != nil {
			s(&e.fixed)
		}
	}
	return e
}

// worker holds what one goroutine keeps between rows.
type worker struct {
	e    *engine
	at   []int
	key  []byte
	last string
	ent  *entry

	prefills [1 << prefillBits]prefill
}

// prefill is the time of some prompts on a compiled model. It is kept because the same prompts
// come again with every number of generated tokens, and take longer to price than everything else
// in a row.
type prefill struct {
	ent           *entry
	fidelity      costmodel.Fidelity
	batch, prompt int
	seconds       float64
}

// prefillBits is the logarithm, to base 2, of how many such times a worker keeps.
const prefillBits = 8

// prefill returns the time of the prompts of a row, in seconds.
func (w *worker) prefill(p costmodel.Pricer, f costmodel.Fidelity, load costmodel.Workload) float64 {
	k := prefill{ent: w.ent, fidelity: f, batch: load.Batch, prompt: load.Prompt}
	slot := &w.prefills[(uint64(load.Batch)<<32^uint64(load.Prompt))*0x9e3779b97f4a7c15>>(64-prefillBits)]
	k.seconds = slot.seconds
	if *slot != k {
		k.seconds = p.Prefill(load)
		*slot = k
	}
	return k.seconds
}

func (e *engine) worker() *worker { return &worker{e: e, at: make([]int, len(e.g.Axes))} }

// row computes one row of the grid. Where the context has ended, the result must not be used.
func (w *worker) row(ctx context.Context, i int) result {
	e := w.e
	e.g.place(i, w.at)
	w.key = w.key[:0]
	for _, a := range e.compile {
		w.key = strconv.AppendInt(append(w.key, ','), int64(w.at[a]), 36)
	}
	if w.ent == nil || string(w.key) != w.last {
		w.last = string(w.key)
		w.ent = e.entry(w.last)
		w.ent.once.Do(func() { e.build(ctx, w.ent, w.at) })
	}
	if w.ent.err != nil {
		return result{reason: oneLine(w.ent.err.Error())}
	}
	p := point{load: e.fixed.load, fidelity: e.fixed.fidelity, ask: e.fixed.ask}
	for _, a := range e.load {
		e.g.varied[a][w.at[a]](&p)
	}
	return w.price(ctx, &p)
}

func (e *engine) entry(key string) *entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n, ok := e.cache[key]; ok {
		return n
	}
	if len(e.cache) >= maxEntries {
		e.cache = map[string]*entry{}
	}
	n := &entry{}
	e.cache[key] = n
	return n
}

// price prices a compiled model for a load. A batch of 0 stands for the largest that fits.
func (w *worker) price(ctx context.Context, pt *point) result {
	n := w.ent
	load := pt.load
	p := priced{at: n.c.At(pt.fidelity), params: n.params, devices: float64(n.c.Devices())}
	r := result{priced: true}
	if p.load, r.fits = n.c.Fill(load); load.Batch == 0 && !r.fits {
		r.reason = "not even one sequence fits"
	}
	if err := p.load.Check(); err != nil {
		return result{reason: err.Error()}
	}
	p.memory = n.c.Memory(p.load)
	if !r.fits && r.reason == "" {
		r.reason = fmt.Sprintf("does not fit: %.3g GB missing, largest batch %d", p.memory.MissingBytes/1e9, p.memory.MaxBatch)
	}
	if n.c.BeyondContext(p.load) > 0 {
		r.beyond = fmt.Sprintf("%s is made for %d positions", n.c.Model.Name, n.c.Model.MaxContext)
		if r.reason == "" {
			r.reason = "beyond the context: " + r.beyond
		}
	}
	p.prefill, p.decode = w.prefill(p.at, pt.fidelity, p.load), p.at.Generation(p.load)
	asked := figures[:analytic]
	if pt.ask.engine != nil {
		var err error
		if p.served, err = n.serve(ctx, pt, p.load); err != nil {
			return result{reason: oneLine(err.Error())}
		}
		asked = figures[:]
	}
	for i := range asked {
		r.fig[i] = asked[i].of(&p)
	}
	return r
}

// serve simulates the row's engine with as many clients as its batch.
func (n *entry) serve(ctx context.Context, pt *point, load costmodel.Workload) (*serving.Served, error) {
	d, err := serving.Deploy(pt.ask.engine, n.c, pt.fidelity, serving.Settings{})
	if err != nil {
		return nil, err
	}
	length := func(mean int) serving.Lengths {
		l := serving.Lengths{Mean: float64(mean), Spread: pt.ask.spread}
		if l.Spread > 0 {
			l.Shape = serving.Normal
		}
		return l
	}
	s, err := d.Served(ctx, serving.Ask{Clients: load.Batch, Prompt: length(load.Prompt), Generate: length(load.Generate), SLO: pt.ask.slo})
	switch {
	case err != nil:
		return nil, err
	case s.Completed == 0:
		return nil, fmt.Errorf("%s serves no request of %d + %d tokens", pt.ask.engine.Name, load.Prompt, load.Generate)
	}
	if math.IsNaN(s.TPOT.Mean) { // there is no time per token where every answer has one token
		s.TPOT = serving.Summary{}
	}
	return s, nil
}

// build makes and compiles the model of the row whose axes have the values at the indexes at.
func (e *engine) build(ctx context.Context, n *entry, at []int) {
	p := e.fixed
	p.changes = append([]change(nil), e.fixed.changes...)
	for _, a := range e.compile {
		e.g.varied[a][at[a]](&p)
	}
	m, err := p.model.build(ctx, p.changes, e.g.IsoParams)
	if err != nil {
		n.err = err
		return
	}
	n.params = float64(m.Params().Total)
	n.c, n.err = costmodel.Compile(m, p.device, p.options)
}
