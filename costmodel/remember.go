package costmodel

// Remember returns a pricer that gives the same times as p and keeps those that do not depend on
// any context. A simulation asks for the same steps again and again, and the time of everything
// but attention and recurrences depends only on the number of rows and sequences. The pricer is
// for one goroutine.
func Remember(p Pricer) Pricer {
	if all, ok := p.(*together); ok {
		x := &together{c: all.c, f: all.f}
		for _, s := range all.stages {
			x.stages = append(x.stages, Remember(s))
		}
		return x
	}
	c, ok := p.(*calibrated)
	if !ok {
		return p
	}
	r := &remembering{calibrated: c, decodes: map[[3]float64]float64{}, mixed: map[flatStep]load{}}
	for i := range c.mixed {
		k := &c.mixed[i]
		if k.price == asAttention || k.price == asRecurrent || k.op.Only != EveryPhase {
			r.varies = append(r.varies, k)
		} else {
			r.flat = append(r.flat, k)
		}
	}
	r.window = 1 << 62
	for _, w := range c.of.finite {
		r.window = min(r.window, max(w, -w))
	}
	return r
}

type remembering struct {
	*calibrated
	decodes      map[[3]float64]float64
	mixed        map[flatStep]load
	varies, flat []*kernel
	window       int // smallest, of windows and chunks
}

// flatStep holds everything that the time of a mixed step without attention and recurrences
// depends on, as long as no chunk is longer than a window.
type flatStep struct{ decodes, padded, drafts, chunks, tokens int }

func (r *remembering) Run(m *Mix, steps int) float64 {
	if m.Decodes <= 0 || steps <= 0 {
		return 0
	}
	b := float64(m.Decodes)
	key := [3]float64{b, m.rows(), m.queries()}
	steady, ok := r.decodes[key]
	if !ok {
		if m.Drafts > 0 {
			steady = r.verifySteady(m)
		} else {
			steady = r.steady(b, m.rows())
		}
		r.decodes[key] = steady
	}
	if m.jumps() {
		return steady*float64(steps) + r.verifyAttention(m, steps)
	}
	return steady*float64(steps) + r.attention(m, steps)
}

func (r *remembering) Mixed(m *Mix) float64 {
	if len(m.Chunks) == 0 {
		return r.Run(m, 1)
	}
	c := r.calibrated
	s := flatStep{decodes: m.Decodes, padded: max(m.Padded, m.Decodes), drafts: m.Drafts}
	for _, x := range m.Chunks {
		if x.New > r.window {
			return c.Mixed(m)
		}
		s.chunks += x.Batch
		s.tokens += x.Batch * x.New
	}
	flat, ok := r.mixed[s]
	if !ok {
		flat = load{seconds: c.prompts + c.engine.Sequence*float64(m.Decodes)}
		flat.add(c.mixedSum(r.flat, m))
		r.mixed[s] = flat
	}
	flat.add(c.mixedSum(r.varies, m))
	return flat.total()
}
