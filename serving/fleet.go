package serving

import (
	"context"
	"fmt"
	"math"
	"sort"
)

// Source produces the requests of a run.
type Source interface {
	// Peek returns the time at which the next known request arrives; ok is false where no request
	// is known, now or ever.
	Peek() (at float64, ok bool)
	// Take returns that request and removes it.
	Take() Request
	// Ended tells a closed loop that the client of a request is free again.
	Ended(*Record)
}

// Event is the state of a replica at the end of a plan.
type Event struct {
	Time             float64
	Replica          int
	Running, Waiting int
	Used, Blocks     int
}

// Options say how to make a run.
type Options struct {
	Replicas int    // number of replicas; 0 stands for 1
	Apart    *Apart // replicas for prompts and for decoding in place of Replicas, if not nil
	Router   Router // says which replica gets a request
	// Watch, if it is not nil, is called with a replica's state at the end of each of its plans.
	Watch func(Event)
	// Progress, if it is not nil, is called from time to time with the number of requests that
	// have ended.
	Progress func(ended int)
	// Single makes every step an event of its own. Results must be the same as without it.
	Single bool
	// Seed is the seed of what engines draw at random: which drafted tokens are accepted.
	Seed uint64
	// Quick leaves out the account of where the time went.
	Quick bool
	// Stop, if it is not nil, is called after every request that ended, and ends the run when it
	// returns true.
	Stop func(*Record) bool
}

// Run simulates the requests of a source on replicas of one engine. price makes a pricer for each
// replica.
func Run(ctx context.Context, l *Limits, price func() Pricer, src Source, o Options) (*Result, error) {
	f, err := newFleet(l, price, src, o)
	if err != nil {
		return nil, err
	}
	if err := f.run(ctx); err != nil {
		return nil, err
	}
	f.collect()
	return f.out, nil
}

func newFleet(l *Limits, price func() Pricer, src Source, o Options) (*fleet, error) {
	f := &fleet{limits: l, src: src, o: o, out: &Result{}}
	if err := l.check(); err != nil {
		return nil, err
	}
	n := max(o.Replicas, 1)
	if o.Apart != nil {
		n = o.Apart.Prefill + o.Apart.Decode
	}
	for i := range n {
		var lanes []*Replica
		for range l.Schedulers() {
			r := newReplica(len(f.replicas), l, price(), o.Watch)
			r.single, r.quick, r.seed = o.Single, o.Quick, o.Seed
			r.hands = o.Apart != nil && i < o.Apart.Prefill
			r.depart = func(q *seq, now float64) { f.depart(r, q, now) }
			f.replicas = append(f.replicas, r)
			lanes = append(lanes, r)
		}
		f.gangs = append(f.gangs, enlist(l, lanes)...)
	}
	if err := l.checkLanes(f.replicas[0].price); err != nil {
		return nil, err
	}
	return f, nil
}

// check returns an error for limits under which nothing could run.
func (l *Limits) check() error {
	switch {
	case l.Layout == nil:
		return fmt.Errorf("the engine has no cache layout")
	case l.Blocks < 1 && len(l.Layout.Groups) > 0:
		return fmt.Errorf("no room for the cache: not one block of %.3g bytes fits", l.Layout.BlockBytes)
	case l.Seqs < 1:
		return fmt.Errorf("max_num_seqs is %d: want 1 or more", l.Seqs)
	case l.Budget < 1:
		return fmt.Errorf("max_num_batched_tokens is %d: want 1 or more", l.Budget)
	}
	return nil
}

type fleet struct {
	limits   *Limits
	replicas []*Replica // replicas of one deployment follow one another
	gangs    []*gang
	src      Source
	o        Options
	out      *Result

	last     float64   // time up to which Area has been added up
	coming   deadlines // requests that have arrived and are still in the front end
	deadline deadlines // times at which clients give up
	stopped  bool
	turn     int
	records  []*Record
	live     map[*Record]*seq

	handed   int       // requests handed over to replicas that decode
	flights  int       // how many of those have been sent
	underway deadlines // when what was sent arrives
	landings map[*Record]*seq
}

// run is the event loop. Events at the same time are handled in this order: plans that end, in
// the order of their replicas; caches that arrive at a decode replica; requests that arrive, in
// the order of the source; requests that reach the engine; clients that give up. Then replicas
// make new plans.
func (f *fleet) run(ctx context.Context) error {
	for n := 0; ; n++ {
		if n&255 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if f.o.Progress != nil {
				f.o.Progress(f.out.ended)
			}
		}
		if f.stopped {
			return nil
		}
		t := math.Inf(1)
		for _, g := range f.gangs {
			for slot := range g.slots {
				if g.active(slot) {
					t = min(t, g.end(slot))
				}
			}
		}
		if at, ok := f.src.Peek(); ok {
			t = min(t, at)
		}
		if len(f.coming) > 0 {
			t = min(t, f.coming[0].at)
		}
		if len(f.underway) > 0 {
			t = min(t, f.underway[0].at)
		}
		for len(f.deadline) > 0 && f.live[f.deadline[0].rec] == nil {
			f.deadline.pop()
		}
		if len(f.deadline) > 0 {
			t = min(t, f.deadline[0].at)
		}
		if math.IsInf(t, 1) {
			for _, r := range f.replicas {
				if r.load() > 0 {
					return fmt.Errorf("the engine stands still with %d requests: a bug", r.load())
				}
			}
			return nil
		}
		for _, r := range f.replicas {
			f.out.Area += float64(r.load()) * (t - f.last)
		}
		f.last = t
		for _, g := range f.gangs {
			for slot := range g.slots {
				if g.active(slot) && g.end(slot) <= t {
					f.finish(g, slot, t)
				}
			}
		}
		for len(f.underway) > 0 && f.underway[0].at <= t {
			f.land(f.underway.pop().rec, t)
		}
		for {
			at, ok := f.src.Peek()
			if !ok || at > t {
				break
			}
			f.arrive(f.src.Take())
		}
		for len(f.coming) > 0 && f.coming[0].at <= t {
			f.deliver(f.coming.pop().rec, t)
		}
		for len(f.deadline) > 0 && f.deadline[0].at <= t {
			d := f.deadline.pop()
			f.giveUp(d.rec)
		}
		for _, g := range f.gangs {
			g.begin(t)
		}
	}
}

// finish ends the plans that a gang has in a slot.
func (f *fleet) finish(g *gang, slot int, t float64) {
	for _, r := range g.lanes {
		r.finish(slot)
		for _, q := range r.done {
			f.ended(q.rec)
		}
		for _, q := range r.handed {
			f.handOver(r, q, t)
		}
	}
}

func (f *fleet) arrive(q Request) {
	rec := &Record{Request: q, Replica: -1}
	f.records = append(f.records, rec)
	if why := f.limits.servable(q.Prompt, q.Generate); why != "" {
		rec.Status, rec.End, rec.Why = Unservable, q.Arrive, why
		f.ended(rec)
		return
	}
	h := &f.limits.Host
	reach := h.Request + h.Tokenise*float64(q.Prompt)
	if q.Timeout > 0 && q.Timeout < reach { // the client is gone before the engine has its request
		f.expect(&seq{Request: q, rec: rec})
		return
	}
	f.coming.push(deadline{q.Arrive + reach, len(f.records), rec})
}

// expect notes when a client gives up, if ever.
func (f *fleet) expect(s *seq) {
	if s.Timeout <= 0 {
		return
	}
	if f.live == nil {
		f.live = map[*Record]*seq{}
	}
	f.live[s.rec] = s
	f.deadline.push(deadline{s.Arrive + s.Timeout, len(f.records), s.rec})
}

// deliver gives a request that has passed the front end to a replica.
func (f *fleet) deliver(rec *Record, t float64) {
	q := &rec.Request
	r := f.route(q)
	rec.Replica = r.id
	s := &seq{Request: *q, rec: rec, ready: t}
	if r.hands {
		s.Generate = 1 // another replica generates the remaining tokens
	}
	r.cut(t, false)
	r.waiting.push(s)
	f.expect(s)
}

// giveUp ends a request whose client has stopped waiting.
func (f *fleet) giveUp(rec *Record) {
	q := f.live[rec]
	if q == nil {
		return
	}
	if rec.Replica < 0 {
		f.left(rec)
		return
	}
	r := f.replicas[rec.Replica]
	if q.running {
		q.gone = true
		r.leaving++
		r.cut(rec.Arrive+rec.Timeout, true)
		f.left(rec) // at once: its client may ask again before the engine's step is over
		return
	}
	if f.forgo(r, q) {
		return
	}
	if r.waiting.remove(q) {
		if o := q.held.own; o != nil && o.prev != nil { // what it left behind when it was preempted
			o.have *= r.pool.weight()
			o.own = false
		}
		r.cut(rec.Arrive+rec.Timeout, true)
		f.left(rec)
	}
}

// left ends a request whose client waits no longer, when it gives up.
func (f *fleet) left(rec *Record) {
	rec.Status, rec.End = TimedOut, rec.Arrive+rec.Timeout
	f.ended(rec)
}

func (f *fleet) ended(rec *Record) {
	f.out.ended++
	delete(f.live, rec)
	f.out.Duration = max(f.out.Duration, rec.End)
	f.src.Ended(rec)
	if f.o.Stop != nil && f.o.Stop(rec) {
		f.stopped = true
	}
}

type deadline struct {
	at  float64
	seq int
	rec *Record
}

// deadlines is a heap ordered by time and then by arrival.
type deadlines []deadline

func (h deadlines) less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}

func (h *deadlines) push(d deadline) {
	*h = append(*h, d)
	x := *h
	for i := len(x) - 1; i > 0; {
		up := (i - 1) / 2
		if !x.less(i, up) {
			break
		}
		x[i], x[up] = x[up], x[i]
		i = up
	}
}

func (h *deadlines) pop() deadline {
	x := *h
	top := x[0]
	n := len(x) - 1
	x[0] = x[n]
	x[n] = deadline{}
	x = x[:n]
	*h = x
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && x.less(c+1, c) {
			c++
		}
		if !x.less(c, i) {
			break
		}
		x[i], x[c] = x[c], x[i]
		i = c
	}
	return top
}

// collect sorts the records by ID and adds up the counts.
func (f *fleet) collect() {
	out := f.out
	out.Requests = make([]Record, len(f.records))
	for i, r := range f.records {
		out.Requests[i] = *r
	}
	sort.SliceStable(out.Requests, func(i, j int) bool { return out.Requests[i].ID < out.Requests[j].ID })
	out.Stats.ITL = newHistogram()
	for _, r := range f.replicas {
		out.Stats.add(&r.stats)
		out.Stats.PeakCache = max(out.Stats.PeakCache, float64(r.pool.peak)/float64(max(r.pool.total, 1)))
	}
}
