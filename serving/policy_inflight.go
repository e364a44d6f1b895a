package serving

// inFlight is the scheduler of TensorRT-LLM. Running sequences decode, and prompts join the same
// step (_torch/pyexecutor/scheduler.py, GuaranteedNoEvictPolicy and MaxUtilizationPolicy).
// Without eviction, a request is admitted only when there are enough blocks for all that it and
// the running requests may ever need. With eviction, as many requests are admitted as fit now,
// and the one started last is paused where blocks run out.
type inFlight struct{ evict bool }

func (inFlight) patient(*Replica) int { return 0 }

func (f inFlight) schedule(r *Replica) {
	l, p := r.limits, r.plan
	budget := l.Budget
	for i := 0; i < len(r.running) && !r.micro(); i++ {
		q := r.running[i]
		n := q.rest()
		if n <= 0 {
			continue
		}
		if n > budget {
			if !l.Chunked || budget <= 0 {
				continue
			}
			n = budget
		}
		if q.decoding() {
			n = l.ahead()
		}
		need := l.Layout.Need(q.at() + n)
		if !q.decoding() {
			need = max(need, l.Layout.NeedPrompt(q.at()+n))
		}
		if !r.growPreempting(q, need) {
			break
		}
		if q.decoding() {
			r.decode(q)
		} else {
			r.chunk(q, n)
		}
		budget -= n
	}
	if p.preempts > 0 {
		r.block(byBlocks)
		return
	}
	for r.waiting.len() > 0 {
		q := r.waiting.peek()
		if q.ready > p.visible {
			return
		}
		if r.seats() >= l.Seqs || r.micro() {
			r.block(bySeats)
			return
		}
		r.block(byBudget)
		if budget <= 0 {
			return
		}
		hit, queued := r.pool.hit(q, q.known())
		past := hit * r.pool.layout.block
		n := q.known() - past
		if n > budget {
			if !l.Chunked {
				return
			}
			n = budget
		}
		r.block(byBlocks)
		need := l.Layout.NeedPrompt(past + n)
		if !f.evict && r.reserved+l.most(q.Prompt, q.Generate) > l.Blocks {
			return
		}
		if need-hit*r.pool.weight()+queued > r.pool.free {
			return
		}
		r.admit(q, hit)
		if !r.pool.grow(q, need) {
			r.unadmit(q)
			return
		}
		p.blocked, p.why = false, bySteps
		r.chunk(q, n)
		budget -= n
	}
}
