package serving

// budgeted is the scheduler of vLLM V1. A step has a budget of tokens. First come the running
// sequences in the order in which they were admitted (a decode counts as a prompt of one token),
// then the queue (v1/core/sched/scheduler.py, schedule). Where blocks run out, the sequence
// admitted last is preempted, and nothing is admitted in that step.
type budgeted struct{}

func (budgeted) patient(*Replica) int { return 0 }

func (budgeted) schedule(r *Replica) {
	l, p := r.limits, r.plan
	budget := l.Budget
	for i := 0; i < len(r.running) && budget > 0; i++ {
		q := r.running[i]
		n := q.rest()
		if n <= 0 {
			continue // its last token is being computed
		}
		if l.Threshold > 0 {
			n = min(n, l.Threshold)
		}
		n = min(n, budget)
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
		if r.seats() >= l.Seqs {
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
		if l.Threshold > 0 {
			n = min(n, l.Threshold)
		}
		if !l.Chunked && n > budget {
			return
		}
		n = min(n, budget)
		r.block(byBlocks)
		need := l.Layout.NeedPrompt(past + n)
		want := need
		if l.ReserveFull {
			want = l.Layout.NeedPrompt(q.known())
		}
		if want-hit*r.pool.weight()+queued > r.pool.free-l.Watermark || !l.promised(r, q) {
			return
		}
		r.admit(q, hit)
		if !r.pool.grow(q, need) { // a node may hold more than was found of it
			r.unadmit(q)
			return
		}
		p.blocked, p.why = false, bySteps
		r.chunk(q, n)
		budget -= n
	}
}

// growPreempting gives q the blocks that it needs, and preempts sequences from the one admitted
// last on where blocks are missing. It returns false where q itself was preempted. Sequences in a
// step that is being computed are left alone; if that step has a piece of q's prompt, q waits.
func (r *Replica) growPreempting(q *seq, need int) bool {
	for !r.pool.grow(q, need) {
		last := r.lastIdle(q)
		if last == nil {
			return false
		}
		r.preempt(last)
		if last == q {
			return false
		}
	}
	return true
}

// lastIdle returns the sequence admitted last, from q on, that is in no step being computed.
func (r *Replica) lastIdle(q *seq) *seq {
	for i := len(r.running) - 1; i >= 0; i-- {
		x := r.running[i]
		if x.flying == 0 {
			return x
		}
		if x == q {
			break
		}
	}
	return nil
}
