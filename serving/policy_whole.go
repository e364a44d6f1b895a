package serving

// wholeFirst is the scheduler of vLLM V0 without chunked prefill: a step has either whole prompts
// or decodes, and prompts come first (core/scheduler.py, _schedule_default).
type wholeFirst struct{}

func (wholeFirst) patient(*Replica) int { return 0 }

func (wholeFirst) schedule(r *Replica) {
	l, p := r.limits, r.plan
	budget := l.Budget
	for r.waiting.len() > 0 {
		q := r.waiting.peek()
		if q.ready > p.visible {
			break
		}
		r.block(bySeats)
		if r.seats() >= l.Seqs {
			break
		}
		hit, queued := r.pool.hit(q, q.known())
		n := q.known() - hit*r.pool.layout.block
		need := l.Layout.NeedPrompt(q.known())
		r.block(byBudget)
		if n > budget {
			break
		}
		r.block(byBlocks)
		if need-hit*r.pool.weight()+queued > r.pool.free-l.Watermark || !l.promised(r, q) {
			break
		}
		r.admit(q, hit)
		if !r.pool.grow(q, need) {
			r.unadmit(q)
			break
		}
		p.blocked, p.why = false, bySteps
		r.chunk(q, n)
		budget -= n
	}
	if len(p.chunks) > 0 {
		return
	}
	for i := 0; i < len(r.running); i++ {
		q := r.running[i]
		if !r.growPreempting(q, l.Layout.Need(q.computed+l.ahead())) {
			break
		}
		r.decode(q)
	}
	if p.preempts > 0 {
		r.block(byBlocks)
	}
}
