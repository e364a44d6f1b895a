package serving

import (
	"context"
	"fmt"
	"math"
	"sort"
)

// Source gives the requests of a run.
type Source interface {
	// Peek is when the next request arrives, of those already known; ok is false where
	// none is, for now or for ever.
	Peek() (at float64, ok bool)
	// Take is that request.
	Take() Request
	// Ended tells a closed loop that one of its clients is free.
	Ended(*Record)
}

// Event is a replica's state at the end of a plan.
type Event struct {
	Time             float64
	Replica          int
	Running, Waiting int
	Used, Blocks     int
}

// Options say how a run is made.
type Options struct {
	Replicas int    // 0 is 1
	Apart    *Apart // replicas for prompts and for decoding instead, if set
	Router   Router // which replica takes a request
	// Watch is called with every replica's state whenever one of its plans ends.
	Watch func(Event)
	// Progress is called now and then with the requests that have ended.
	Progress func(ended int)
	// Single makes every step an event of its own: the loop that macro-steps must equal.
	Single bool
	// Seed is of what engines draw: which drafted tokens are accepted.
	Seed uint64
	// Quick leaves out where the time went.
	Quick bool
	// Stop ends the run early when it returns true; it is asked after every ended request.
	Stop func(*Record) bool
}

// Run simulates a source on replicas of one engine. price makes a pricer for each replica.
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
		for range l.lanes() {
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

// check refuses limits under which nothing could run.
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
	replicas []*Replica // those of one deployment beside each other
	gangs    []*gang
	src      Source
	o        Options
	out      *Result

	last     float64   // time up to which the load has been integrated
	coming   deadlines // arrived, on their way through the front end
	deadline deadlines // when clients give up
	stopped  bool
	turn     int
	records  []*Record
	live     map[*Record]*seq

	handed   int       // requests handed over so far
	flights  int       // of those, sent
	underway deadlines // when they are where they decode
	landings map[*Record]*seq
}

// run is the event loop. Events of one time are taken in this order: plans that end, in
// the order of their replicas; caches that are where they go; requests that arrive, in the order of the source; those that
// reach the engine; clients that give up; then replicas plan again.
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
	f.coming.push(deadline{q.Arrive + h.Request + h.Tokenise*float64(q.Prompt), len(f.records), rec})
}

// deliver hands a request that the front end is done with to a replica.
func (f *fleet) deliver(rec *Record, t float64) {
	q := &rec.Request
	r := f.route(q)
	rec.Replica = r.id
	s := &seq{Request: *q, rec: rec, ready: t}
	if r.hands {
		s.Generate = 1 // the rest is made elsewhere
	}
	r.cut(t, false)
	r.waiting.push(s)
	if q.Timeout > 0 {
		if f.live == nil {
			f.live = map[*Record]*seq{}
		}
		f.live[rec] = s
		f.deadline.push(deadline{max(q.Arrive+q.Timeout, t), len(f.records), rec})
	}
}

// giveUp ends a request whose client waits no longer.
func (f *fleet) giveUp(rec *Record) {
	q := f.live[rec]
	if q == nil {
		return
	}
	r := f.replicas[rec.Replica]
	if q.running {
		q.gone = true
		r.leaving++
		r.cut(rec.Arrive+rec.Timeout, true)
		return
	}
	if f.forgo(r, q) {
		return
	}
	if r.waiting.remove(q) {
		rec.Status, rec.End = TimedOut, rec.Arrive+rec.Timeout
		if o := q.held.own; o != nil && o.prev != nil { // what it left behind when it was preempted
			o.have *= r.pool.weight()
			o.own = false
		}
		r.cut(rec.End, true)
		f.ended(rec)
	}
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

// deadlines is a heap by time, then arrival.
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

// collect sorts the records by id and sums up.
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
