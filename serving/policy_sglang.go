package serving

import "math"

// chunkedFirst is the scheduler of SGLang. If a request can be admitted, the step has prompts
// only, in chunks of at most Budget tokens together; otherwise it decodes. With mixed chunks, a
// step with prompts also decodes, for which each sequence takes a token of the budget. On
// admission, room is kept for a part of what the running sequences may still generate; where that
// guess was too small, the sequences with the fewest generated tokens are retracted
// (managers/schedule_policy.py PrefillAdder, managers/schedule_batch.py retract_decode).
type chunkedFirst struct{}

// retractSteps is for how many further steps there must be room after a retraction
// (SGLANG_RETRACT_DECODE_STEPS).
const retractSteps = 20

// promised returns for how many tokens of running sequences room is kept.
func (chunkedFirst) promised(r *Replica) float64 {
	sum := 0.0
	for _, q := range r.running {
		sum += r.ratio * float64(r.limits.clipped(q.left()))
	}
	return sum
}

func (l *Limits) clipped(n int) int {
	if l.Clip > 0 {
		return min(n, l.Clip)
	}
	return n
}

// patient returns after how many steps that number has become so small that the head of the queue
// is admitted: with every step the ratio falls, and each sequence has one token less to generate
// and one more stored.
func (c chunkedFirst) patient(r *Replica) int {
	l := r.limits
	if r.seats() >= l.Seqs {
		return 0
	}
	if l.Verified.Drafts > 0 { // how long sequences will be by then is not known
		return 1
	}
	q := r.waiting.peek()
	hit, queued := r.pool.hit(q, q.known())
	want := float64(q.known()-hit*r.pool.layout.block+l.clipped(q.left())) + float64(queued*r.pool.layout.block)
	const far = 64 // beyond this, the question is asked again
	for k := 1; k < far; k++ {
		ratio, promise, more := r.decayed(k), 0.0, 0
		for _, x := range r.plan.decodes {
			promise += ratio * float64(l.clipped(x.left()-k))
			more += l.Layout.Need(x.computed+k) - x.held.shared*r.pool.weight() - x.held.private
		}
		if want < float64((r.pool.free-more)*r.pool.layout.block)-promise {
			return k
		}
	}
	return far
}

// decayed returns the ratio after k more decode steps.
func (r *Replica) decayed(k int) float64 {
	x := r.limits.Ratio
	if x.Steps == 0 {
		return r.ratio
	}
	return max(x.Least, r.ratio-float64(k)*(x.Initial-x.Least)/float64(x.Steps))
}

func (c chunkedFirst) schedule(r *Replica) {
	l, p := r.limits, r.plan
	chunk, input := l.Budget, math.MaxInt
	if l.PromptMost > 0 {
		input = l.PromptMost
	}
	block := r.pool.layout.block
	free := r.pool.free * block
	if l.Side.Tokens > 0 {
		free = min(free, r.sideFree())
	}
	room := float64(free) - c.promised(r)
	if l.MixedChunk { // running sequences come first and are part of the step
		for _, q := range r.running {
			if q.decoding() && q.flying == 0 {
				chunk--
				input--
			}
		}
	}
	partial := false
	for _, q := range r.running { // at most one prompt is partly worked
		rest := q.rest()
		if q.decoding() || chunk <= 0 || rest <= 0 {
			continue
		}
		n := min(rest, chunk)
		if !r.pool.grow(q, l.Layout.NeedPrompt(q.at()+n)) {
			partial = partial || q.flying > 0
			continue
		}
		r.chunk(q, n)
		chunk -= n
		input -= n
		partial = n < rest
	}
	for !partial && r.waiting.len() > 0 {
		q := r.waiting.peek()
		if q.ready > p.visible {
			break
		}
		r.block(bySeats)
		if r.seats() >= l.Seqs || r.micro() {
			break
		}
		r.block(byBlocks)
		hit, queued := r.pool.hit(q, q.known())
		n := q.known() - hit*block
		// An engine without running sequences admits the head of the queue however much it may
		// generate.
		if alone := len(r.running) == 0 && len(r.zombies) == 0; !alone && float64(n+l.clipped(q.left()))+float64(queued*block) >= room {
			break
		}
		r.block(byBudget)
		if chunk <= 0 || n >= input && len(p.chunks) > 0 {
			break
		}
		part := n
		if l.Chunked {
			part = min(n, chunk)
		} else if n > chunk && len(p.chunks) > 0 {
			break
		}
		r.block(byBlocks)
		if l.Layout.NeedPrompt(hit*block+part)-hit*r.pool.weight()+queued > r.pool.free {
			break
		}
		room -= float64(n + l.clipped(q.left()))
		r.admit(q, hit)
		if !r.pool.grow(q, l.Layout.NeedPrompt(q.computed+part)) {
			r.unadmit(q)
			break
		}
		p.blocked, p.why = false, bySteps
		r.chunk(q, part)
		chunk -= part
		input -= n
		partial = part < n
	}
	if len(p.chunks) == 0 || l.MixedChunk {
		c.decode(r)
	}
}

// decode gives every sequence its next token, and retracts sequences where blocks run out.
// Sequences in a step that is being computed are left alone.
func (c chunkedFirst) decode(r *Replica) {
	l := r.limits
	more := func(steps int) (n, idle int) {
		for _, q := range r.running {
			if q.flying == 0 {
				n += max(0, l.Layout.Need(q.computed+steps)-q.held.shared*r.pool.weight()-q.held.private)
				idle++
			}
		}
		return n, idle
	}
	if n, _ := more(l.ahead()); n > r.pool.free || !r.sideFits(l.ahead()) {
		for {
			n, idle := more(retractSteps)
			if idle <= 1 || n <= r.pool.free && r.sideFits(retractSteps) {
				break
			}
			var worst *seq
			for _, q := range r.running {
				if q.flying == 0 && (worst == nil || q.made < worst.made || q.made == worst.made && q.Prompt > worst.Prompt) {
					worst = q
				}
			}
			r.preempt(worst)
			r.waiting.pop()
			r.waiting.push(worst) // retracted requests go to the end of the queue
		}
		made, most := 0, 0
		for _, q := range r.running {
			made += q.made + retractSteps
			most += q.Generate
		}
		if most > 0 {
			r.ratio = min(1, float64(made)/float64(most))
		}
		r.block(byBlocks)
	}
	for _, q := range r.running {
		if q.decoding() && q.flying == 0 && !r.micro() && r.pool.grow(q, l.Layout.Need(q.computed+l.ahead())) {
			r.decode(q)
		}
	}
}
