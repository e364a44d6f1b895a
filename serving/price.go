package serving

import (
	"github.com/OWNER/ridgeline/costmodel"
)

// costPricer prices steps of a compiled model on one group of devices, pipeline stage by stage.
type costPricer struct {
	p        []costmodel.Pricer
	windows  []int
	own      []int // index of each of the model's windows in that list; nil where a draft model adds none
	mix      costmodel.Mix
	launches float64 // kernels of a step
	launch   float64 // seconds between two launches outside a graph
	draft    *drafter

	seen, growing []float64
}

// eagerLaunch is how long it takes to launch a kernel by itself, in seconds: the difference
// between all-reduces launched one by one and from a CUDA graph, as found by package calibrate.
// Launches run ahead of kernels, so that a step without a graph takes the longer of both times.
const eagerLaunch = 18e-6

// pricerOf returns a function that makes pricers of a model's steps without any engine, whose
// times this package adds. It also returns how many kernels a step has.
func pricerOf(c *costmodel.Compiled, f costmodel.Fidelity, s *costmodel.Speculation) (func() Pricer, float64, error) {
	x, err := bare(c)
	if err != nil {
		return nil, 0, err
	}
	base := costPricer{windows: x.Windows()}
	for _, stage := range x.Stages() {
		base.p = append(base.p, stage.At(f))
		base.launches += launchesOf(stage)
	}
	if f == costmodel.Calibrated {
		base.launch = eagerLaunch
	}
	if err := base.withDraft(s, f); err != nil {
		return nil, 0, err
	}
	if base.draft != nil {
		base.launches += base.draft.tokens * launchesOf(s.Draft.Compiled)
	}
	return func() Pricer {
		y := base
		y.p = nil
		for _, p := range base.p {
			y.p = append(y.p, costmodel.Remember(p))
		}
		if d := base.draft; d != nil {
			its := *d
			its.price = costmodel.Remember(d.price)
			y.draft = &its
		}
		return &y
	}, base.launches, nil
}

// bare compiles a model again without an engine's overhead.
func bare(c *costmodel.Compiled) (*costmodel.Compiled, error) {
	if c.Options.Engine == "ideal" {
		return c, nil
	}
	o := c.Options
	o.Engine = "ideal"
	return costmodel.Compile(c.Model, c.Hardware, o)
}

// launchesOf returns how many kernels a step has.
func launchesOf(c *costmodel.Compiled) (n float64) {
	for _, g := range c.DecodeOps() {
		n += float64(g.Count * max(g.Shape.Passes, 1))
	}
	return n
}

func (c *costPricer) Windows() []int { return c.windows }

func (c *costPricer) fill(s *Step) *costmodel.Mix {
	m := &c.mix
	m.Decodes, m.Contexts, m.Seen, m.Growing, m.Padded = s.Decodes, s.Contexts, s.Seen, s.Growing, s.Padded
	m.Drafts, m.Advance = s.Drafts, s.Advance
	if c.own != nil {
		c.seen, c.growing = pick(c.seen, s.Seen, c.own), pick(c.growing, s.Growing, c.own)
		m.Seen, m.Growing = c.seen, c.growing
	}
	m.Chunks = m.Chunks[:0]
	for _, x := range s.Chunks {
		m.Chunks = append(m.Chunks, costmodel.Call{Batch: 1, New: x.New, Past: x.Past})
	}
	return m
}

func (c *costPricer) Mixed(s *Step) float64 {
	m := c.fill(s)
	t := 0.0
	for _, p := range c.p {
		t += p.Mixed(m)
	}
	if c.draft != nil {
		t += c.draft.seconds(s, m, 1)
	}
	if s.Eager {
		t = max(t, c.launches*c.launch)
	}
	return t
}

func (c *costPricer) Run(s *Step, k int) float64 {
	m := c.fill(s)
	t := 0.0
	for _, p := range c.p {
		t += p.Run(m, k)
	}
	if c.draft != nil {
		t += c.draft.seconds(s, m, k)
	}
	if s.Eager {
		t = max(t, float64(k)*c.launches*c.launch)
	}
	return t
}

// Stages returns the number of pipeline stages.
func (c *costPricer) Stages() int { return len(c.p) }

// Stage returns the time of k steps in one of the stages, in seconds.
func (c *costPricer) Stage(i int, s *Step, k int) float64 {
	m := c.fill(s)
	t := 0.0
	if len(m.Chunks) > 0 {
		t = c.p[i].Mixed(m)
	} else {
		t = c.p[i].Run(m, k)
	}
	if s.Eager {
		t = max(t, float64(k)*c.launches*c.launch/float64(len(c.p)))
	}
	return t
}
