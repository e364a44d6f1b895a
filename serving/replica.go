package serving

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel"
)

// seq is a request inside a replica.
type seq struct {
	Request
	rec      *Record
	made     int // number of tokens generated
	computed int // number of positions in the cache
	verified int // number of steps that verified drafted tokens for it
	held     holding
	flying   int // tokens in the steps of a pipeline that are being computed
	running  bool
	gone     bool    // whether its client has given up
	ready    float64 // when the engine has it, in seconds
	last     float64 // time of its last token, if that came in a step that decoded nothing or before a preemption
	apart    bool    // whether last counts, and not the end of the last step that decoded

	sender *Replica // the replica that handed it over, and the sequence there
	sent   *seq
}

// known returns the number of tokens there are: of the prompt, and of the answer so far. All of
// them are in the cache, except the last one of an answer that is being generated.
func (q *seq) known() int { return q.Prompt + q.made }

// at returns the number of positions in the cache after the steps that are being computed.
func (q *seq) at() int { return q.computed + q.flying }

// rest returns the number of tokens that the next step may compute.
func (q *seq) rest() int { return q.known() - q.at() }

// decoding reports whether the next step computes nothing but the last token generated.
func (q *seq) decoding() bool { return q.made > 0 && q.computed == q.known()-1 }

func (q *seq) left() int { return q.Generate - q.made }

// A policy is the scheduler of an engine: it fills r.plan with the work of one step, and admits
// and preempts sequences where that is necessary.
type policy interface {
	schedule(r *Replica)
	// patient returns for how many decode steps a waiting request stays unadmitted if nothing
	// else happens; 0 stands for any number.
	patient(r *Replica) int
}

// Replica is one engine on one device or one tensor-parallel group. Where a deployment spans
// several groups of devices, a replica is one of the groups (see gang). In a pipeline, a replica
// has several plans at once, each with other sequences.
//
// A replica's clock advances by plans. A plan with prompt tokens is one step. A plan that only
// decodes has as many steps as end before the first of these events: a sequence is complete,
// blocks run out, a window is full, the graphs' longest context is reached. An arrival shortens
// the plan to where the engine would look at its queue again.
type Replica struct {
	id     int
	limits *Limits
	price  Pricer
	policy policy
	pool   *Pool
	tell   func(Event)

	running  []*seq // in the order of admission
	waiting  queue
	zombies  []*seq  // sequences that have ended; their blocks and seats are free once the next step is scheduled
	leaving  int     // number of running sequences whose clients gave up during the plan
	reserved int     // blocks reserved for running sequences (scheduling without eviction)
	now      float64 // time at which the plan starts, or at which the last one ended
	previous float64 // time at which the step before started
	gang     *gang
	plans    []plan  // as many as steps may be computed at once
	plan     *plan   // the plan that is being made, or that ends
	ratio    float64 // SGLang's new_token_ratio

	windows []int
	base    map[int]float64 // seconds of a decode step with a context of 1, by number of sequences

	// The next fields are of replicas that only work prompts or only decode: requests whose
	// prompts were worked here and whose blocks are kept until another replica has their
	// contents, and requests handed to this replica, which wait for room or are being sent.
	hands                      bool
	sending, incoming, landing []*seq
	handed                     []*seq  // in the last plan
	full                       bool    // whether there was no room for the first of incoming
	linked                     float64 // time until which the link is busy
	depart                     func(q *seq, now float64)

	single, quick bool // from Options
	seed          uint64
	odds          *odds // how many tokens a step generates; nil where nothing is drafted

	stats    Stats
	lastTick float64 // end of the last step that decoded
	done     []*seq  // sequences that ended in the last plan
}

// plan is what is being computed.
type plan struct {
	active   bool
	quiet    bool // whether steps after it may be like it
	prompts  bool // whether it has pieces of prompts, of any replica of the gang
	fixed    bool // in a pipeline: whether its number of steps is settled
	steps    int
	start    float64
	end      float64
	seconds  float64
	work     float64 // in a pipeline: the sum of the times of its stages
	step     Step
	decodes  []*seq
	chunks   []*seq // sequence of each of step.Chunks
	visible  float64
	blocked  bool // whether a waiting request was looked at and not admitted
	why      reason
	maxReach int // longest context among the sequences that decode
	preempts int
	gained   []int    // see foresee
	made     [][2]int // for foreseen steps: how many tokens each of decodes generates before the last step, and in all
	foreseen int
}

func newReplica(id int, l *Limits, p Pricer, tell func(Event)) *Replica {
	r := &Replica{id: id, limits: l, price: p, policy: l.policy(), pool: newPool(l.Layout, l.Blocks, l.PrefixCache), tell: tell, windows: p.Windows(), base: map[int]float64{}, ratio: l.Ratio.Initial, odds: l.Verified.odds()}
	r.plans = make([]plan, l.slots())
	for i := range r.plans {
		r.plans[i].step.Seen = make([]float64, len(r.windows))
		r.plans[i].step.Growing = make([]float64, len(r.windows))
	}
	r.plan = &r.plans[0]
	r.previous = math.Inf(-1)
	r.stats.ITL = newHistogram()
	return r
}

// load returns how many requests the replica has.
func (r *Replica) load() int {
	return len(r.running) + r.waiting.len() + len(r.incoming) + len(r.landing)
}

// prepare schedules the next plan at the time now and reports whether there is any work.
func (r *Replica) prepare(slot int, now float64) bool {
	r.plan = &r.plans[slot]
	if len(r.incoming) > 0 {
		if !r.limits.Lookahead {
			r.bury()
		}
		r.receive(now)
	}
	p := r.plan
	*p = plan{start: now, step: Step{Seen: p.step.Seen, Growing: p.step.Growing, Chunks: p.step.Chunks[:0]}, decodes: p.decodes[:0], chunks: p.chunks[:0], gained: p.gained[:0], made: p.made[:0]}
	if len(r.running) == 0 && r.waiting.len() == 0 {
		return false
	}
	r.now = now
	p.visible = now
	if r.limits.Lookahead && len(r.running) > 0 {
		p.visible = r.previous
	}
	if !r.limits.Lookahead {
		r.bury()
	}
	r.schedule()
	if p.idle() && (len(r.zombies) > 0 || p.visible < now || p.preempts > 0) {
		// An engine that has nothing to run schedules again at once.
		r.bury()
		p.visible = now
		p.blocked, p.preempts, p.why = false, 0, bySteps
		r.schedule()
	}
	late := len(r.zombies) > 0
	r.bury()
	if p.idle() {
		return false
	}
	r.fill()
	stalled := len(p.decodes) < len(r.running) // a sequence had to wait for tokens or blocks, and may go on in the next step
	p.quiet = !r.single && len(p.chunks) == 0 && p.preempts == 0 && !stalled && !(late && r.waiting.len()+len(r.incoming) > 0)
	return true
}

// idle reports whether a plan has no work.
func (p *plan) idle() bool { return len(p.decodes) == 0 && len(p.chunks) == 0 }

// take decides how many steps the plan has, and, where alone is true and no other replica is
// waited for, how long they take.
func (r *Replica) take(alone bool) {
	p := r.plan
	p.steps = 1
	if alone && p.quiet {
		p.steps = r.reach()
	}
	if p.steps > 1 {
		r.foresee()
		p.seconds = r.run(p.steps)
	} else {
		p.seconds = r.price.Mixed(&p.step) + r.overhead(&p.step)
	}
}

func (r *Replica) schedule() {
	p := r.plan
	p.decodes, p.chunks, p.step.Chunks = p.decodes[:0], p.chunks[:0], p.step.Chunks[:0]
	r.policy.schedule(r)
}

// bury frees what ended sequences have held until now.
func (r *Replica) bury() {
	for _, q := range r.zombies {
		r.pool.release(q, q.computed, false)
		r.reserved -= r.limits.reserve(q)
	}
	r.zombies = r.zombies[:0]
}

// seats returns how many sequences the engine counts as running.
func (r *Replica) seats() int { return len(r.running) + len(r.zombies) + len(r.landing) }

// block notes why the head of the queue is not admitted.
func (r *Replica) block(why reason) { r.plan.blocked, r.plan.why = true, why }

// decode schedules one token of a sequence that has the blocks for it.
func (r *Replica) decode(q *seq) { r.plan.decodes = append(r.plan.decodes, q) }

// chunk schedules n tokens of a prompt.
func (r *Replica) chunk(q *seq, n int) {
	r.plan.chunks = append(r.plan.chunks, q)
	r.plan.step.Chunks = append(r.plan.step.Chunks, Chunk{n, q.at()})
	r.pool.register(q, q.at()+n)
}

// withdraw removes the piece of prompt of a sequence that is preempted in the same step.
func (r *Replica) withdraw(q *seq) (tokens int) {
	p := r.plan
	for i, x := range p.chunks {
		if x == q {
			tokens = p.step.Chunks[i].New
			p.chunks = append(p.chunks[:i], p.chunks[i+1:]...)
			p.step.Chunks = append(p.step.Chunks[:i], p.step.Chunks[i+1:]...)
			return tokens
		}
	}
	for i, x := range p.decodes {
		if x == q {
			p.decodes = append(p.decodes[:i], p.decodes[i+1:]...)
			return 1
		}
	}
	return 0
}

// preempt frees the blocks of a running sequence and puts it in front of the queue; all of its
// tokens are computed again.
func (r *Replica) preempt(q *seq) (tokens int) {
	tokens = r.withdraw(q)
	for i := len(r.running) - 1; i >= 0; i-- {
		if r.running[i] == q {
			r.running = append(r.running[:i], r.running[i+1:]...)
			break
		}
	}
	r.pool.release(q, q.computed, true)
	r.reserved -= r.limits.reserve(q)
	q.computed, q.running = 0, false
	if !q.apart {
		q.last, q.apart = r.lastTick, true
	}
	q.rec.Preemptions++
	r.stats.Preemptions++
	r.plan.preempts++
	r.waiting.pushFront(q)
	return tokens
}

// admit makes the head of the queue a running sequence, with those positions that the cache
// already holds.
func (r *Replica) admit(q *seq, positions int) {
	r.waiting.pop()
	r.pool.begin(q, positions)
	q.computed = positions * r.pool.layout.block
	q.running = true
	r.running = append(r.running, q)
	r.reserved += r.limits.reserve(q)
	if !q.rec.seen {
		q.rec.seen = true
		q.rec.Scheduled = r.now
		q.rec.Cached = min(q.computed, q.Prompt)
		r.stats.PromptTokens += q.Prompt
		r.stats.CachedTokens += q.rec.Cached
	}
}

// fill adds up the work of the planned step.
func (r *Replica) fill() {
	p := r.plan
	s := &p.step
	s.Decodes, s.Contexts = len(p.decodes), 0
	clear(s.Seen)
	clear(s.Growing)
	sum, most := 0, 0
	for _, q := range p.decodes {
		n := q.computed + 1
		sum += n
		most = max(most, n)
	}
	s.Contexts = float64(sum)
	for i, w := range r.windows {
		seen, growing := 0, 0
		for _, q := range p.decodes {
			n := q.computed + 1
			seen += costmodel.Seen(w, n)
			if more, ok := costmodel.Grows(w, n); ok && more > 1 {
				growing++
			}
		}
		s.Seen[i], s.Growing[i] = float64(seen), float64(growing)
	}
	p.maxReach = most
	s.Drafts = r.limits.Verified.Drafts
	s.Padded, s.Eager = r.limits.Graphs.pad(s.Decodes*r.limits.ahead(), len(s.Chunks) > 0, r.newTokens(), most)
}

func (r *Replica) newTokens() int {
	n := 0
	for _, c := range r.plan.step.Chunks {
		n += c.New
	}
	return n
}

// finish ends a plan: sequences get their tokens, prompts advance, and complete sequences leave.
func (r *Replica) finish(slot int) {
	r.plan = &r.plans[slot]
	p := r.plan
	p.active = false
	k := p.steps
	r.land()
	r.account()
	r.now = p.end
	r.previous = p.start
	if k > 1 && r.limits.Lookahead {
		r.previous = p.start + r.run(k-1)
	}
	r.done, r.handed = r.done[:0], r.handed[:0]
	ends := false
	for i, q := range p.decodes {
		before, n := r.makes(i)
		if k > 1 { // what the last of the steps was given
			r.pool.grow(q, r.limits.Layout.Need(q.computed+before+r.limits.ahead()))
		}
		if r.odds != nil {
			r.stats.VerifySteps += k
			r.stats.VerifiedTokens += n
			q.verified += k
		}
		q.computed += n
		q.made += n
		if r.gang.pipe != nil {
			q.last, q.apart = p.end, true
		}
		if q.made >= q.Generate {
			ends = true
			r.end(q, p.end)
		}
	}
	for i, q := range p.chunks {
		q.computed += p.step.Chunks[i].New
		if q.computed == q.known() { // the prompt is complete, and its last position gives a token
			if q.made == 0 {
				q.rec.First = p.end + r.limits.Host.Reply
			} else {
				r.stats.ITL.add(p.end-q.last, 1)
			}
			q.last, q.apart = p.end, true
			q.made++
			r.pool.grow(q, r.limits.Layout.Need(q.computed))
			if q.made >= q.Generate {
				ends = true
				r.end(q, p.end)
			}
		}
	}
	if len(p.decodes) > 0 {
		r.lastTick = p.end
		r.ratio = r.decayed(k)
	}
	if r.leaving > 0 {
		left := 0
		for _, q := range r.running {
			switch {
			case !q.gone || !q.running:
			case q.flying > 0:
				left++
			default:
				ends = true
				r.end(q, p.end)
			}
		}
		r.leaving = left
	}
	if ends {
		keep := r.running[:0]
		for _, q := range r.running {
			if q.running {
				keep = append(keep, q)
			}
		}
		r.running = keep
	}
	if r.tell != nil {
		r.tell(Event{Time: r.now, Replica: r.id, Running: len(r.running), Waiting: r.waiting.len(), Used: r.pool.total - r.pool.free, Blocks: r.pool.total})
	}
}

// end takes a running sequence out at time t, answered or given up; its blocks and seat follow
// when the next step has been scheduled.
func (r *Replica) end(q *seq, t float64) {
	if r.hands && !q.gone && q.rec.Generate > q.made {
		r.hand(q)
		return
	}
	q.running = false
	r.zombies = append(r.zombies, q)
	if q.gone { // told when its client left
		return
	}
	q.rec.Status, q.rec.End = Done, t+r.limits.Host.Reply
	r.done = append(r.done, q)
}

// unadmit puts a request back into the queue for which there turned out to be too few blocks.
func (r *Replica) unadmit(q *seq) {
	r.running = r.running[:len(r.running)-1]
	r.pool.release(q, q.computed, true)
	r.reserved -= r.limits.reserve(q)
	q.computed, q.running = 0, false
	r.waiting.pushFront(q)
}
