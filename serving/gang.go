package serving

import "fmt"

// gang is the replicas of one deployment that step together: groups of devices that share experts
// and so wait for each other, each with a scheduler, a queue and a cache of its own (vLLM's
// data-parallel ranks, v1/engine/core.py DPEngineCoreProc; SGLang's dp attention,
// managers/scheduler.py prepare_mlp_sync_batch; TensorRT-LLM's attention_dp). The slowest of them
// decides how long a step takes; one that has nothing to do waits. A replica by itself is a gang
// of one.
//
// In a pipeline a gang has as many steps under way as there are stages, each on sequences that are
// in no other (vLLM V1: v1/engine/core.py step_with_batch_queue; SGLang: event_loop_pp;
// TensorRT-LLM: _executor_loop_pp). They pass the stages one behind the other:
//
//	leaves(i, stage) = max(leaves(i, stage−1), leaves(i−1, stage)) + seconds(i, stage)
type gang struct {
	lanes []*Replica
	slots int // steps under way at once
	pipe  *pipe
}

// pipe is the stages of a pipeline, of which the first is the host that schedules for them.
type pipe struct {
	free  []float64 // when each has done what was given to it
	gangs []*gang   // that share it: vLLM V0's virtual engines, else one
}

// Staged is a pricer of a pipeline.
type Staged interface {
	Pricer
	// Stages is how many there are; what one step takes in all of them is Mixed.
	Stages() int
	// Stage is the time in one of them of k steps that follow each other; of one step where it
	// has pieces of prompts.
	Stage(i int, s *Step, k int) float64
}

// slots is how many steps of a replica may be under way at once.
func (l *Limits) slots() int {
	if l.Virtual {
		return 1
	}
	return max(l.Stages, 1)
}

// lanes is how many replicas with a scheduler of their own make a deployment.
func (l *Limits) lanes() int {
	n := max(l.Groups, 1)
	if l.Virtual {
		n *= max(l.Stages, 1)
	}
	return n
}

// checkLanes refuses groups and stages that cannot be simulated.
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

// enlist makes the gangs of one deployment of its replicas.
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

// active reports whether a step is under way in a slot; all replicas have one or none.
func (g *gang) active(slot int) bool { return g.lanes[0].plans[slot].active }

// end is when it ends.
func (g *gang) end(slot int) float64 { return g.lanes[0].plans[slot].end }

// begin schedules steps at time now until all slots are taken or nobody has anything to do.
func (g *gang) begin(now float64) {
	for slot := range g.slots {
		if !g.active(slot) && !g.next(slot, now) {
			return
		}
	}
}

// next schedules a step.
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

// ready reports whether any sequence is in no step under way.
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

// set gives all replicas the same steps.
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

// stage is what k steps of the plans just made take in a stage; 0 is the host.
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

// yield lets others into the pipeline: plans of several steps end with the step that is under way.
// It reports whether the pipeline is empty.
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

// stop ends a plan of several steps of a pipeline with the step that is under way at time t: its
// sequences have their blocks from then on, and the stages are free when that step has left them.
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

// worker is the replica whose plan has several steps, which no other works beside.
func (g *gang) worker(slot int) *Replica {
	for _, r := range g.lanes {
		if p := &r.plans[slot]; p.active && !p.idle() {
			r.plan = p
			return r
		}
	}
	return nil
}

// cut ends plans of decode steps early: at the first step that ends at t or later, or
// where the engine looks one step ahead, the one after it. While the queue's head waits for
// a seat or blocks an arrival changes nothing, unless always is set.
func (r *Replica) cut(t float64, always bool) {
	g := r.gang
	if g.pipe != nil {
		for slot := range g.slots {
			if g.active(slot) && always {
				g.stop(slot, t)
			}
		}
		return // others yield when there is something to schedule
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

// launch marks the sequences of the plan as under way in a pipeline.
func (r *Replica) launch(steps int) {
	p := r.plan
	for _, q := range p.decodes {
		q.flying += steps
	}
	for i, q := range p.chunks {
		q.flying += p.step.Chunks[i].New
	}
}

// land takes them back: what they were given counts.
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

// micro reports whether the step being scheduled has as many sequences as one of a pipeline may.
func (r *Replica) micro() bool {
	m := r.limits.Micro
	return m > 0 && len(r.plan.decodes)+len(r.plan.chunks) >= m
}
