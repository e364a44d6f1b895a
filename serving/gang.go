package serving

import "fmt"

// gang is a set of replicas of one deployment that step together: groups of devices that share
// experts and therefore wait for each other. Each has a scheduler, a queue and a cache of its own
// (vLLM's data-parallel ranks, v1/engine/core.py DPEngineCoreProc; SGLang's dp attention,
// managers/scheduler.py prepare_mlp_sync_batch; TensorRT-LLM's attention_dp). The slowest replica
// decides how long a step takes; one without work waits. A replica that does not share experts is
// a gang of one.
//
// In a pipeline, a gang computes as many steps at once as there are stages, each step with
// sequences that are in none of the others (vLLM V1: v1/engine/core.py step_with_batch_queue;
// SGLang: event_loop_pp; TensorRT-LLM: _executor_loop_pp). Steps pass through the stages one
// after the other:
//
//	leaves(i, stage) = max(leaves(i, stage−1), leaves(i−1, stage)) + seconds(i, stage)
type gang struct {
	lanes []*Replica
	slots int // number of steps computed at once
	pipe  *pipe
}

// pipe holds the stages of a pipeline. The first stage stands for the host that schedules steps.
type pipe struct {
	free  []float64 // when each stage has finished all it was given
	gangs []*gang   // the gangs that share the pipeline: vLLM V0's virtual engines, otherwise one
}

// Staged is a pricer of a pipeline.
type Staged interface {
	Pricer
	// Stages returns the number of stages; Mixed is the time of one step in all of them together.
	Stages() int
	// Stage returns the time in stage i of k steps that follow each other, or of one step where
	// it has pieces of prompts.
	Stage(i int, s *Step, k int) float64
}

// slots returns how many steps of a replica may be computed at once.
func (l *Limits) slots() int {
	if l.Virtual {
		return 1
	}
	return max(l.Stages, 1)
}

// Schedulers returns how many schedulers a deployment has, each with a queue, seats and blocks of
// its own: Seqs, Budget and Blocks are those of one.
func (l *Limits) Schedulers() int {
	n := max(l.Groups, 1)
	if l.Virtual {
		n *= max(l.Stages, 1)
	}
	return n
}

// checkLanes returns an error for groups and stages that cannot be simulated.
func (l *Limits) checkLanes(p Pricer) error {
	if l.Stages <= 1 {
		return nil
	}
	if s, ok := p.(Staged); !ok || s.Stages() != l.Stages {
		return fmt.Errorf("a pipeline of %d stages needs a price for each", l.Stages)
	}
	if l.Lookahead || l.Verified.Drafts > 0 {
		return fmt.Errorf("in a pipeline nothing is scheduled ahead or drafted")
	}
	return nil
}

// enlist forms the gangs of one deployment from its replicas.
func enlist(l *Limits, lanes []*Replica) (gangs []*gang) {
	together := max(l.Together, 1)
	var p *pipe
	for i := 0; i < len(lanes); i += together {
		g := &gang{lanes: lanes[i : i+together], slots: l.slots()}
		if l.Stages > 1 {
			if !l.Virtual || i%l.Stages == 0 {
				p = &pipe{free: make([]float64, 1+l.Stages)}
			}
			g.pipe = p
			p.gangs = append(p.gangs, g)
		}
		for _, r := range g.lanes {
			r.gang = g
		}
		gangs = append(gangs, g)
	}
	return gangs
}

// active reports whether a step is being computed in a slot. Either all replicas of the gang have
// one there or none.
func (g *gang) active(slot int) bool { return g.lanes[0].plans[slot].active }

// end returns when that step ends.
func (g *gang) end(slot int) float64 { return g.lanes[0].plans[slot].end }

// begin schedules steps at the time now until all slots are taken or no replica has work.
func (g *gang) begin(now float64) {
	for slot := range g.slots {
		if !g.active(slot) && !g.next(slot, now) {
			return
		}
	}
}

// next schedules one step.
func (g *gang) next(slot int, now float64) bool {
	alone := true
	if g.pipe != nil {
		if !g.ready() {
			return false
		}
		alone = g.pipe.yield(now)
	}
	working := 0
	var worker *Replica
	for _, r := range g.lanes {
		if r.prepare(slot, now) {
			working++
			worker = r
		}
	}
	if working == 0 {
		return false
	}
	alone = alone && working == 1
	if working == 1 && g.pipe == nil {
		worker.take(alone)
		p := worker.plan
		g.set(slot, p.steps, p.seconds, p.start+p.seconds)
		return true
	}
	steps, seconds := 1, 0.0
	if g.pipe == nil {
		for _, r := range g.lanes {
			if !r.plan.idle() {
				r.take(false)
				seconds = max(seconds, r.plan.seconds)
			}
		}
		g.set(slot, 1, seconds, now+seconds)
		return true
	}
	if alone && worker.plan.quiet {
		steps = worker.reach()
	}
	work, end := 0.0, now
	for i := range g.pipe.free {
		took := g.stage(i, steps)
		work += took
		end = max(end, g.pipe.free[i]) + took
		g.pipe.free[i] = end
	}
	g.set(slot, steps, end-now, end)
	for _, r := range g.lanes {
		r.plan.work = work
		r.launch(steps)
	}
	return true
}

// ready reports whether a sequence is in none of the steps being computed.
func (g *gang) ready() bool {
	for _, r := range g.lanes {
		if r.waiting.len()+len(r.incoming) > 0 {
			return true
		}
		for _, q := range r.running {
			if q.flying == 0 || q.rest() > 0 {
				return true
			}
		}
	}
	return false
}

// set gives all replicas of the gang the same steps.
func (g *gang) set(slot, steps int, seconds, end float64) {
	prompts := false
	for _, r := range g.lanes {
		prompts = prompts || len(r.plans[slot].chunks) > 0
	}
	for _, r := range g.lanes {
		p := &r.plans[slot]
		p.active, p.steps, p.seconds, p.end, p.prompts = true, steps, seconds, end, prompts
	}
}

// stage returns the time that k steps of the plans just made take in a stage; stage 0 is the
// host.
func (g *gang) stage(i, k int) (seconds float64) {
	for _, r := range g.lanes {
		if !r.plan.idle() {
			seconds = max(seconds, r.stage(i, k))
		}
	}
	return seconds
}

func (r *Replica) stage(i, k int) float64 {
	s, kernels := &r.plan.step, r.limits.Host.Kernel*r.limits.Kernels
	if i == 0 {
		return float64(k) * (r.overhead(s) - kernels)
	}
	if k == 0 {
		return 0
	}
	s.Advance = r.advance(k)
	return r.price.(Staged).Stage(i-1, s, k) + float64(k)*kernels/float64(r.limits.Stages)
}

// yield ends plans of several steps after the step being computed, so that others can enter the
// pipeline. It reports whether the pipeline is empty.
func (p *pipe) yield(now float64) (empty bool) {
	empty = true
	for _, g := range p.gangs {
		for slot := range g.slots {
			if !g.active(slot) {
				continue
			}
			empty = false
			g.stop(slot, now)
		}
	}
	return empty
}

// stop ends a plan of several steps of a pipeline after the step that is being computed at time
// t. From then on its sequences have the blocks they need, and the stages are free when that step
// has passed through them.
func (g *gang) stop(slot int, t float64) {
	r := g.worker(slot)
	if r == nil || r.plan.fixed || r.plan.steps <= 1 {
		return
	}
	p := r.plan
	k := r.stepsUntil(t)
	before := r.run(k - 1)
	at := p.start + before
	for i := range g.pipe.free {
		at += r.stage(i, k) - r.stage(i, k-1)
		g.pipe.free[i] = at
	}
	work := r.run(k)
	g.set(slot, k, work, p.start+work)
	for _, x := range g.lanes {
		x.plans[slot].work, x.plans[slot].fixed = work, true
	}
	for _, q := range p.decodes {
		r.pool.grow(q, r.limits.Layout.Need(q.computed+k))
		q.flying = k
	}
}

// worker returns the replica whose plan has several steps; no other replica of the gang has work
// meanwhile.
func (g *gang) worker(slot int) *Replica {
	for _, r := range g.lanes {
		if p := &r.plans[slot]; p.active && !p.idle() {
			r.plan = p
			return r
		}
	}
	return nil
}

// cut ends plans of decode steps early: after the first step that ends at t or later, or one step
// later where the engine schedules one step ahead. While the head of the queue waits for a seat
// or for blocks, an arrival changes nothing and the plan goes on, unless always is true.
func (r *Replica) cut(t float64, always bool) {
	g := r.gang
	if g.pipe != nil {
		for slot := range g.slots {
			// With slots to spare others yield when there is something to schedule. An engine that
			// computes one step at a time looks at its queue when that step is over.
			if g.active(slot) && (always || g.slots == 1 && !r.plans[slot].blocked) {
				g.stop(slot, t)
			}
		}
		return
	}
	if !g.active(0) {
		return
	}
	w := g.worker(0)
	p := w.plan
	if p.steps <= 1 || w == r && p.blocked && !always || t >= p.end {
		return
	}
	if k := w.stepsUntil(t); k < p.steps {
		if r.limits.Lookahead && !always && len(r.running) > 0 {
			k++
		}
		if k < p.steps {
			seconds := w.run(k)
			g.set(0, k, seconds, p.start+seconds)
		}
	}
}

// launch marks the sequences of the plan as being computed in a pipeline.
func (r *Replica) launch(steps int) {
	p := r.plan
	for _, q := range p.decodes {
		q.flying += steps
	}
	for i, q := range p.chunks {
		q.flying += p.step.Chunks[i].New
	}
}

// land counts what the steps gave to those sequences, and marks them as free for the next step.
func (r *Replica) land() {
	if r.gang.pipe == nil {
		return
	}
	p := r.plan
	for _, q := range p.decodes {
		q.flying -= p.steps
	}
	for i, q := range p.chunks {
		q.flying -= p.step.Chunks[i].New
	}
}

// micro reports whether the step being scheduled has as many sequences as a step of a pipeline
// may have.
func (r *Replica) micro() bool {
	m := r.limits.Micro
	return m > 0 && len(r.plan.decodes)+len(r.plan.chunks) >= m
}
