package costmodel

import (
	"slices"

	"github.com/OWNER/ridgeline/internal/ceil"
)

// together prices a deployment of several groups of devices, each with pipeline stages. Groups
// run the same step at the same time, each with its share of the sequences, rounded up. The
// sequences of a group are cut into m microbatches that follow each other through the stages;
// a sequence's next token starts when its last one has left the last stage:
//
//	step     max(Σ_s t_s, m · max_s t_s)              t_s: of one microbatch in stage s, with
//	prefill  Σ_s t_s + (m − 1) · max_s t_s            what it sends to the next stage
//
// What is sent is waited for: nothing overlaps but the stages. The idle share of the devices,
// the bubble, is 1 − m·Σ_s t_s / (stages · step).
type together struct {
	c      *Compiled
	f      Fidelity
	stages []Pricer
}

func (c *Compiled) together(f Fidelity) Pricer {
	p := &together{c: c, f: f}
	for _, s := range c.stages {
		p.stages = append(p.stages, s.alone(f))
	}
	return p
}

// perGroup is the workload of the group with the most sequences.
func (c *Compiled) perGroup(w Workload) Workload {
	return w.WithBatch(ceil.Div(w.Batch, c.dp))
}

// perDevice is the workload of that group's largest microbatch: the sequences that a stage works
// on at once.
func (c *Compiled) perDevice(w Workload) Workload {
	w = c.perGroup(w)
	return w.WithBatch(ceil.Div(w.Batch, c.microbatches(w.Batch)))
}

// microbatches is how many microbatches follow each other through the stages of a group that has
// the given number of sequences.
func (c *Compiled) microbatches(group int) int {
	if c.pp == 1 {
		return 1
	}
	m := c.Options.Microbatches
	if m == 0 {
		m = c.pp
	}
	return max(min(m, group), 1)
}

// passes adds up what the stages take and finds the longest.
type passes struct{ sum, slowest float64 }

func (p *passes) add(t float64) {
	p.sum += t
	p.slowest = max(p.slowest, t)
}

// cycle is the seconds from one token of a sequence to its next, with m microbatches.
func (p *passes) cycle(m int) float64 { return max(p.sum, float64(m)*p.slowest) }

func (p *together) Fidelity() Fidelity { return p.f }
func (p *together) Basis() string      { return p.c.alone(p.f).Basis() }

func (p *together) Step(batch, context int) float64 {
	w := Workload{Batch: batch}
	var t passes
	for _, s := range p.stages {
		t.add(s.Step(p.c.perDevice(w).Batch, context))
	}
	return t.cycle(p.c.microbatches(p.c.perGroup(w).Batch))
}

// pieces is into how many parts a generation is cut at most: within a part the same stage is
// taken to be the slowest. A law holds it to the loop within 0.5 %; but chunks of a few positions,
// or a run of steps, which is one part, at contexts that few, may be off by up to a fifth.
const pieces = 24

func (p *together) Generation(w Workload) float64 {
	if w.Generate <= 0 {
		return 0
	}
	m, each := p.c.microbatches(p.c.perGroup(w).Batch), p.c.perDevice(w)
	if len(p.stages) == 1 {
		return p.stages[0].Generation(each)
	}
	t, size := 0.0, ceil.Div(w.Generate, pieces)
	for done := 0; done < w.Generate; done += size {
		var of passes
		for _, s := range p.stages {
			of.add(s.Generation(Workload{Prompt: w.Prompt + done, Generate: min(size, w.Generate-done), Batch: each.Batch}))
		}
		t += of.cycle(m)
	}
	return t
}

func (p *together) Prefill(w Workload) float64 {
	if w.Prompt <= 0 {
		return 0
	}
	m := p.c.microbatches(p.c.perGroup(w).Batch)
	var t passes
	for _, s := range p.stages {
		t.add(s.Prefill(p.c.perDevice(w)))
	}
	return t.sum + float64(m-1)*t.slowest
}

// Mixed gives each sequence's piece of a prompt to the group, and in it to the microbatch, that
// has the fewest tokens of prompts so far. The step lasts as long as the busiest stage or the
// longest microbatch, whichever is longer.
func (p *together) Mixed(m *Mix) float64 {
	if len(m.Chunks) == 0 {
		return p.Run(m, 1)
	}
	own := deal(m.Chunks, p.c.dp)[0]
	calls := 0
	for _, x := range own {
		calls += x.Batch
	}
	n := p.c.microbatches(ceil.Div(m.Decodes, p.c.dp) + calls)
	rest := p.part(m, n)
	chunks := deal(own, n)
	through := make([]float64, n) // seconds of each microbatch in all stages
	t := 0.0
	for _, s := range p.stages {
		busy := 0.0
		for k := range through {
			x := rest
			x.Chunks = chunks[k]
			if x.Decodes == 0 && len(x.Chunks) == 0 {
				continue
			}
			took := s.Mixed(&x)
			busy += took
			through[k] += took
		}
		t = max(t, busy)
	}
	return max(t, slices.Max(through))
}

func (p *together) Run(m *Mix, steps int) float64 {
	if m.Decodes <= 0 || steps <= 0 {
		return 0
	}
	n := p.c.microbatches(ceil.Div(m.Decodes, p.c.dp))
	x := p.part(m, n)
	var t passes
	for _, s := range p.stages {
		t.add(s.Run(&x, steps))
	}
	return t.cycle(n)
}

// part is the step of the largest of n microbatches of the group with the most sequences,
// without pieces of prompts; contexts are shared out evenly.
func (p *together) part(m *Mix, n int) Mix {
	x := *m
	x.Chunks = nil
	if m.Decodes == 0 {
		return x
	}
	x.Decodes = ceil.Div(ceil.Div(m.Decodes, p.c.dp), n)
	if m.Padded > 0 {
		x.Padded = ceil.Div(ceil.Div(m.Padded, p.c.dp), n)
	}
	share := float64(x.Decodes) / float64(m.Decodes)
	x.Contexts *= share
	x.Seen, x.Growing = slices.Clone(m.Seen), slices.Clone(m.Growing)
	for i := range x.Seen {
		x.Seen[i] *= share
	}
	for i := range x.Growing {
		x.Growing[i] *= share
	}
	return x
}

// deal divides pieces of prompts among n receivers, sequence by sequence: each goes to the
// receiver with the fewest tokens so far. The receiver with the most comes first in the result.
func deal(chunks []Call, n int) [][]Call {
	if n == 1 {
		return [][]Call{chunks}
	}
	tokens, of := make([]int, n), make([][]Call, n)
	for _, x := range chunks {
		each := x
		each.Batch = 1
		for range x.Batch {
			least := 0
			for k := range tokens {
				if tokens[k] < tokens[least] {
					least = k
				}
			}
			tokens[least] += x.New
			of[least] = append(of[least], each)
		}
	}
	most := 0
	for k := range tokens {
		if tokens[k] > tokens[most] {
			most = k
		}
	}
	of[0], of[most] = of[most], of[0]
	return of
}

// Ops lists the operations that one microbatch runs on its way through all stages.
func (p *together) Ops(w Workload) []OpCost { return p.list(w, Pricer.Ops) }

func (p *together) PrefillOps(w Workload) []OpCost { return p.list(w, Pricer.PrefillOps) }

func (p *together) list(w Workload, ops func(Pricer, Workload) []OpCost) (out []OpCost) {
	each := p.c.perDevice(w)
	for _, s := range p.stages {
		out = append(out, ops(s, each)...)
	}
	return shares(out)
}

// Interval assumes that the times of all stages are wrong by the same factor.
func (p *together) Interval(w Workload) (low, high float64, ok bool) {
	each := p.c.perDevice(w)
	var l, h, t float64
	for _, s := range p.stages {
		x, y, known := s.Interval(each)
		if !known {
			return 0, 0, false
		}
		l, h, t = l+x, h+y, t+s.Generation(each)/float64(w.Generate)
	}
	mean := p.Generation(w) / float64(w.Generate)
	return mean * l / t, mean * h / t, true
}
