package serving

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel"
)

// seq is a request inside a replica.
type seq struct {
	Request
	rec      *Record
	made     int // tokens generated
	computed int // positions in the cache
	verified int // steps that verified drafts for it
	held     holding
	flying   int // tokens in steps under way, of a pipeline
	running  bool
	gone     bool    // given up by its client
	ready    float64 // when the engine has it
	last     float64 // its last token, if that came in a step that decoded nothing, or before a preemption
	apart    bool    // last counts, instead of the last step that decoded

	sender *Replica // handed over by, and as what it stands there
	sent   *seq
}

// known is the tokens there are: prompt and answer so far. All but the last of a running
// answer are in the cache.
func (q *seq) known() int { return q.Prompt + q.made }

// at is the positions that are in the cache when the steps under way are done.
func (q *seq) at() int { return q.computed + q.flying }

// rest is the tokens that a next step may compute.
func (q *seq) rest() int { return q.known() - q.at() }

// decoding reports whether all that the next step computes is the last token made.
func (q *seq) decoding() bool { return q.made > 0 && q.computed == q.known()-1 }

func (q *seq) left() int { return q.Generate - q.made }

// A policy is an engine's scheduler: it fills r.plan with the work of one step, having
// admitted and preempted as it must.
type policy interface {
	schedule(r *Replica)
	// patient is how many decode steps a waiting request that was not admitted stays
	// unadmitted if nothing else happens; 0 means for ever.
	patient(r *Replica) int
}

// Replica is one engine on one device or tensor-parallel group. Of a deployment over several groups
// of devices it is one group's (see gang); a pipeline has several plans under way, each on
// sequences of its own.
//
// Its clock advances by plans. A plan with prompt tokens is one step. A plan that only
// decodes is as many steps as end before the first of: a completion, blocks running out,
// a window filling, the graphs' limit of context; an arrival cuts it where the engine
// would look at its queue again.
type Replica struct {
	id     int
	limits *Limits
	price  Pricer
	policy policy
	pool   *Pool
	tell   func(Event)

	running  []*seq // in the order of admission
	waiting  queue
	zombies  []*seq  // finished, their blocks and seats held until the next step is scheduled
	leaving  int     // running sequences whose clients gave up during the plan
	reserved int     // blocks promised to running sequences (no-evict)
	now      float64 // start of the plan, or its end while nothing is planned
	previous float64 // start of the step before
	gang     *gang
	plans    []plan  // as many as steps may be under way at once
	plan     *plan   // the one that is made, or that ends
	ratio    float64 // SGLang's new_token_ratio

	windows []int
	base    map[int]float64 // seconds of a decode step of so many sequences at context 1

	// Of replicas apart: requests whose prompts were worked here and that are held until they
	// are elsewhere; those handed to this replica, waiting for room or on their way.
	hands                      bool
	sending, incoming, landing []*seq
	handed                     []*seq  // in the last plan
	full                       bool    // the first of incoming found no room
	linked                     float64 // until when the link is taken
	depart                     func(q *seq, now float64)

	single, quick bool // Options
	seed          uint64
	powers        []uint64 // of the acceptance; nil where nothing is drafted

	stats    Stats
	lastTick float64 // end of the last step that decoded
	done     []*seq  // ended in the last plan
}

// plan is what is being computed.
type plan struct {
	active   bool
	quiet    bool // steps after it may be alike
	prompts  bool // it has pieces of prompts, of any replica of the gang
	fixed    bool // of a pipeline: how many steps it has stands
	steps    int
	start    float64
	end      float64
	seconds  float64
	work     float64 // of a pipeline: what its stages take in sum
	step     Step
	decodes  []*seq
	chunks   []*seq // beside step.Chunks
	visible  float64
	blocked  bool // somebody waits who could have been looked at, and was not admitted
	why      reason
	maxReach int // longest context among the decodes
	preempts int
	gained   []float64 // see foresee
	made     [][2]int  // what each of decodes makes before the last step and in all, of foreseen steps
	foreseen int
}

func newReplica(id int, l *Limits, p Pricer, tell func(Event)) *Replica {
	r := &Replica{id: id, limits: l, price: p, policy: l.policy(), pool: newPool(l.Layout, l.Blocks, l.PrefixCache), tell: tell, windows: p.Windows(), base: map[int]float64{}, ratio: l.Ratio.Initial, powers: l.Verified.powers()}
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

// load is how many requests the replica has.
func (r *Replica) load() int {
	return len(r.running) + r.waiting.len() + len(r.incoming) + len(r.landing)
}

// prepare schedules the next plan at time now and reports whether there is anything to do.
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
	stalled := len(p.decodes) < len(r.running) // somebody ran out of budget or blocks, and may go on in the next step
	p.quiet = !r.single && len(p.chunks) == 0 && p.preempts == 0 && !stalled && !(late && r.waiting.len()+len(r.incoming) > 0)
	return true
}

// idle reports whether a plan has no work.
func (p *plan) idle() bool { return len(p.decodes) == 0 && len(p.chunks) == 0 }

// take decides how many steps the plan has, and how long they take where nobody else is waited for.
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

// bury frees what finished sequences held until now.
func (r *Replica) bury() {
	for _, q := range r.zombies {
		r.pool.release(q, q.computed, false)
		r.reserved -= r.limits.reserve(q)
	}
	r.zombies = r.zombies[:0]
}

// seats is how many sequences the engine counts as running.
func (r *Replica) seats() int { return len(r.running) + len(r.zombies) + len(r.landing) }

// block notes why the head of the queue is not admitted.
func (r *Replica) block(why reason) { r.plan.blocked, r.plan.why = true, why }

// decode schedules one token of a sequence whose blocks are there.
func (r *Replica) decode(q *seq) { r.plan.decodes = append(r.plan.decodes, q) }

// chunk schedules n tokens of a prompt.
func (r *Replica) chunk(q *seq, n int) {
	r.plan.chunks = append(r.plan.chunks, q)
	r.plan.step.Chunks = append(r.plan.step.Chunks, Chunk{n, q.at()})
	r.pool.register(q, q.at()+n)
}

// withdraw takes back the chunk of a sequence that is preempted in the same step.
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

// preempt takes a running sequence's blocks away and puts it in front of the queue; all
// its tokens are computed again.
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

// admit moves the head of the queue to the running ones with what the cache has of it.
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

// fill computes the sums of the planned step.
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

// finish ends a plan: tokens are made, prompts advance, completed sequences leave.
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
		if r.powers != nil {
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
			r.end(q, Done, p.end)
		}
	}
	for i, q := range p.chunks {
		q.computed += p.step.Chunks[i].New
		if q.computed == q.known() { // the prompt is done: its last row gives a token
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
				r.end(q, Done, p.end)
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
				r.end(q, TimedOut, q.Arrive+q.Timeout)
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

// end takes a running sequence out; its blocks and seat follow when the next step has
// been scheduled.
func (r *Replica) end(q *seq, s Status, t float64) {
	if r.hands && s == Done && q.rec.Generate > q.made {
		r.hand(q)
		return
	}
	q.running = false
	q.rec.Status = s
	q.rec.End = t
	if s == Done {
		q.rec.End += r.limits.Host.Reply
	}
	r.zombies = append(r.zombies, q)
	r.done = append(r.done, q)
}

// unadmit puts back a request whose blocks turned out not to be there.
func (r *Replica) unadmit(q *seq) {
	r.running = r.running[:len(r.running)-1]
	r.pool.release(q, q.computed, true)
	r.reserved -= r.limits.reserve(q)
	q.computed, q.running = 0, false
	r.waiting.pushFront(q)
}
