package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"ridgeline/arch"
	"ridgeline/arch/family"
	"ridgeline/arch/solve"
	"ridgeline/costmodel"
	"ridgeline/execution"
	"ridgeline/hardware"
	"ridgeline/models"
	"ridgeline/precision"
)

// figures are the columns a row computes, in order.
var figures = []string{"params", "weights_bytes", "cache_bytes_per_token", "cache_read_bytes_per_token",
	"state_bytes_per_sequence", "cache_bytes", "missing_bytes", "max_batch", "ttft_seconds", "tpot_seconds",
	"first_step_seconds", "last_step_seconds", "request_seconds", "tokens_per_second", "tokens_per_second_at_max_batch"}

// Figures lists what a row computes: base units, cache_bytes is one sequence's cache and
// state at full context.
func Figures() []string { return append([]string(nil), figures...) }

func figureIndex(name string) int {
	for i, f := range figures {
		if f == name {
			return i
		}
	}
	return -1
}

// result is one row.
type result struct {
	priced bool // figures are there
	fits   bool
	batch  int
	reason string // why a row has no figures, or does not fit
	fig    [15]float64
}

// engine evaluates rows. Models are built and compiled once for each combination of the
// parameters they depend on, and shared by the workers.
type engine struct {
	g       *Grid
	compile []int // axes that a compiled point depends on, ascending
	load    map[string]int

	mu    sync.Mutex
	cache map[string]*entry
}

type entry struct {
	once   sync.Once
	c      *costmodel.Compiled
	params float64
	err    error
}

// maxEntries bounds the memory of compiled points; past it the cache starts again.
const maxEntries = 4096

func newEngine(g *Grid) *engine {
	e := &engine{g: g, load: map[string]int{}, cache: map[string]*entry{}}
	for i, a := range g.Axes {
		if params[a.Name].role == loadParam {
			e.load[a.Name] = i
		} else {
			e.compile = append(e.compile, i)
		}
	}
	return e
}

// value is the value of a parameter in the row at the place, "" if it has none.
func (e *engine) value(name string, at []int) string {
	for i := range e.g.Axes {
		if e.g.Axes[i].Name == name {
			return e.g.Axes[i].Values[at[i]]
		}
	}
	return e.g.Fixed[name]
}

// worker is what one goroutine keeps between rows.
type worker struct {
	e    *engine
	at   []int
	key  []byte
	last string
	ent  *entry
}

func (e *engine) worker() *worker { return &worker{e: e, at: make([]int, len(e.g.Axes))} }

// row evaluates one row of the grid.
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
		return result{reason: w.ent.err.Error()}
	}
	return w.price(w.ent)
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

// price evaluates a compiled point for the row's workload.
func (w *worker) price(n *entry) result {
	var load costmodel.Workload
	for _, p := range []struct {
		name string
		to   *int
	}{{"prompt", &load.Prompt}, {"generate", &load.Generate}, {"batch", &load.Batch}} {
		v := w.e.value(p.name, w.at)
		if v == "max" {
			continue
		}
		x, err := strconv.Atoi(v)
		if err != nil {
			return result{reason: fmt.Sprintf("%s %s is out of range", p.name, v)}
		}
		*p.to = x
	}
	f, err := costmodel.ParseFidelity(w.e.value("fidelity", w.at))
	if err != nil {
		return result{reason: err.Error()}
	}
	c := n.c
	largest := c.MaxBatch(load.Prompt, load.Generate)
	r := result{priced: true}
	if w.e.value("batch", w.at) == "max" {
		if load.Batch = max(largest, 1); largest == 0 {
			r.reason = "not even one sequence fits"
		}
	}
	if err := load.Check(); err != nil {
		return result{reason: err.Error()}
	}
	r.batch = load.Batch
	m := c.Memory(load.Batch, load.Prompt, load.Generate)
	r.fits = m.Fits
	if !m.Fits && r.reason == "" {
		r.reason = fmt.Sprintf("does not fit: %.3g GB missing, largest batch %d", m.MissingBytes/1e9, largest)
	}
	pre := c.Prefill(f, load.Batch, load.Prompt).Seconds
	gen := c.Generation(f, load.Batch, load.Prompt, load.Generate)
	g := float64(load.Generate)
	atMax := 0.0
	if largest > 0 {
		atMax = float64(largest) * g / c.Generation(f, largest, load.Prompt, load.Generate)
	}
	r.fig = [15]float64{n.params, m.WeightsBytes, m.CacheBytesPerToken, m.CacheReadBytesPerToken,
		m.StateBytesPerSequence, m.BytesPerSequence, m.MissingBytes, float64(largest), pre, gen / g,
		c.DecodeStep(f, load.Batch, load.Prompt+1), c.DecodeStep(f, load.Batch, load.Prompt+load.Generate),
		pre + gen, float64(load.Batch) * g / gen, atMax}
	return r
}

// build makes and compiles the model of the row at the place.
func (e *engine) build(ctx context.Context, n *entry, at []int) {
	m, err := e.model(ctx, at)
	if err != nil {
		n.err = err
		return
	}
	hw, err := hardware.Open(e.value("on", at))
	if err != nil {
		n.err = err
		return
	}
	o, err := e.options(at)
	if err != nil {
		n.err = err
		return
	}
	n.params = float64(m.Params().Total)
	n.c, n.err = costmodel.Compile(m, hw, o)
}

func (e *engine) options(at []int) (o costmodel.Options, err error) {
	keep := func(err2 error) {
		if err == nil {
			err = err2
		}
	}
	dtype := func(name string) (d precision.DType) {
		if v := e.value(name, at); v != "" {
			var err error
			d, err = precision.Parse(v)
			keep(err)
		}
		return d
	}
	o.Weights, o.KV, o.State, o.Compute = dtype("weights"), dtype("kv"), dtype("state"), dtype("compute")
	if v := e.value("tp", at); v != "" {
		o.TP, err = strconv.Atoi(v)
	}
	if v := e.value("kv_read", at); v != "" {
		var err error
		o.KVRead, err = execution.ParseKVRead(v)
		keep(err)
	}
	if v := e.value("diff_kernel", at); v != "" {
		var err error
		o.Diff, err = execution.ParseDiffKernel(v)
		keep(err)
	}
	if v := e.value("prefill", at); v != "" {
		var err error
		o.Prefill, err = execution.ParsePrefillMode(v)
		keep(err)
	}
	if v := e.value("memory_fraction", at); v != "" {
		var err error
		o.MemoryFraction, err = strconv.ParseFloat(v, 64)
		keep(err)
	}
	return o, err
}

// model builds the row's model: a family spec takes every parameter; anything else is
// opened first and changed where that has a meaning.
func (e *engine) model(ctx context.Context, at []int) (*arch.Model, error) {
	var over [][2]string
	for _, name := range ParamNames() {
		if name != "model" && params[name].role == modelParam {
			if v := e.value(name, at); v != "" {
				over = append(over, [2]string{name, v})
			}
		}
	}
	base := e.value("model", at)
	if len(over) == 0 && e.g.IsoParams == 0 {
		return models.Open(base)
	}
	fam, o, err := models.OpenFamily(base)
	if errors.Is(err, models.ErrNotFamily) {
		if e.g.IsoParams > 0 {
			return nil, fmt.Errorf("iso-params solves the width of family specs; %s is none", base)
		}
		m, err := models.Open(base)
		for i := 0; err == nil && i < len(over); i++ {
			m, err = adjust(m, over[i][0], over[i][1])
		}
		return m, err
	}
	if err != nil {
		return nil, err
	}
	for _, v := range over {
		if err := o.Set(v[0], v[1]); err != nil {
			return nil, err
		}
	}
	if e.g.IsoParams == 0 {
		m, err := family.Build(fam, o)
		if err == nil {
			m.Name = o.Spec(fam)
		}
		return m, err
	}
	s := solve.Search{Family: fam, Options: o, Step: 2, Cost: func(m *arch.Model) (float64, error) { return float64(m.Params().Total), nil }}
	m, err := s.Least(ctx, e.g.IsoParams)
	var small *solve.TooSmall
	var large *solve.TooLarge
	switch {
	case errors.As(err, &small):
		return nil, fmt.Errorf("no width gives %.4g parameters: the least, %d, has %.4g", e.g.IsoParams, small.Least, small.Cost)
	case errors.As(err, &large):
		return nil, fmt.Errorf("no width up to %d has %.4g parameters", large.Limit, e.g.IsoParams)
	}
	return m, err
}

// adjust changes one parameter of a model that no family made.
func adjust(m *arch.Model, name, value string) (*arch.Model, error) {
	if name == "gmu_ratio" {
		r, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, err
		}
		return family.WithGMURatio(m, r)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return nil, fmt.Errorf("%s %s: only family specs take it", name, value)
	}
	if !slices.Contains(varied, name) {
		return nil, fmt.Errorf("%s: only family specs take it (%s is none)", name, m.Name)
	}
	out := m.Clone()
	touched := false
	out.MapMixers(func(_ int, p arch.Mixer) arch.Mixer {
		p, did := arch.Vary(p, name, n)
		touched = touched || did
		return p
	})
	if !touched {
		return nil, fmt.Errorf("%s: no layer of %s has one", name, m.Name)
	}
	if name == "window" && n <= 0 {
		return nil, fmt.Errorf("window %d: must be positive", n)
	}
	return out, out.Check()
}

// varied are the parameters that can be changed in a model no family made.
var varied = []string{"window", "kv_heads", "head_dim", "d_state"}

// oneLine keeps a reason on one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
