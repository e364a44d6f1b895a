package serving

import (
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/costmodel"
)

// Apart is a fleet whose prompts are worked by other replicas than decode (DistServe,
// arXiv:2401.09670; vLLM's and SGLang's disaggregated prefill). A prefill replica makes a
// request's first token. When a decode replica has a seat and blocks for it, what the prompt left
// moves over the links of both, one request at a time on each; then the client has its first
// token and decoding begins. Until then both hold its blocks.
type Apart struct {
	Prefill, Decode int // replicas
	// Seconds is how long what a prompt of so many tokens leaves is on its way.
	Seconds func(prompt int) float64
}

// Apart splits a deployment's replicas. bandwidth is what each device sends, in bytes a second;
// 0 is the device's own link.
func (d *Deployment) Apart(prefill, decode int, bandwidth float64) (*Apart, error) {
	if prefill < 1 || decode < 1 {
		return nil, fmt.Errorf("%d replicas for prompts and %d that decode: want 1 or more of each", prefill, decode)
	}
	if bandwidth == 0 {
		bandwidth = d.link
	}
	if !(bandwidth > 0) {
		return nil, fmt.Errorf("%s has no link to hand caches over: give a bandwidth", d.hardware)
	}
	return &Apart{Prefill: prefill, Decode: decode, Seconds: func(prompt int) float64 { return d.left(prompt) / bandwidth }}, nil
}

// left is the bytes that a prompt leaves on a device: caches, windows and states, a draft's too.
func (d *Deployment) left(prompt int) float64 {
	t := 0.0
	for _, c := range d.hands {
		most := 0.0 // of the stages, which send at the same time
		for _, stage := range c.Stages() {
			most = max(most, stage.PromptBytes(prompt))
		}
		t += most
	}
	return t
}

// handing remembers what a deployment's requests leave to hand over.
func (d *Deployment) handing(c *costmodel.Compiled, s *costmodel.Speculation) {
	d.link, d.hardware = c.Hardware.LinkBandwidth.Value, c.Hardware.Name
	d.hands = []*costmodel.Compiled{c}
	if s != nil && s.Tokens > 0 && s.Draft.Compiled != nil {
		d.hands = append(d.hands, s.Draft.Compiled)
	}
}

// pools are the replicas that take requests and those that decode what they hand over; all of
// them and none where both are one.
func (f *fleet) pools() (takes, decodes []*Replica) {
	if f.o.Apart == nil {
		return f.replicas, nil
	}
	n := f.o.Apart.Prefill * f.limits.lanes()
	return f.replicas[:n], f.replicas[n:]
}

// handOver gives a request whose prompt is worked to a decode replica.
func (f *fleet) handOver(from *Replica, q *seq, t float64) {
	if q.gone { // its client gave up while its prompt was worked
		from.letGo(q)
		q.rec.Status, q.rec.End = TimedOut, q.Arrive+q.Timeout
		f.ended(q.rec)
		return
	}
	_, decodes := f.pools()
	r := decodes[f.handed%len(decodes)]
	f.handed++
	if f.o.Router != RoundRobin {
		for _, x := range decodes {
			if x.load() < r.load() {
				r = x
			}
		}
	}
	rec := q.rec
	rec.Replica, rec.Handed = r.id, t
	s := &seq{Request: rec.Request, rec: rec, ready: t, made: q.made, computed: q.computed, sender: from, sent: q}
	if f.live[rec] != nil {
		f.live[rec] = s
	}
	r.incoming = append(r.incoming, s)
	r.cutFor(t)
}

// receive gives seats and blocks to requests that are handed over, in the order they came;
// preempted ones go before them.
func (r *Replica) receive(now float64) {
	r.full = false
	if len(r.running) == 0 {
		r.bury()
	}
	l := r.limits
	for len(r.incoming) > 0 {
		q := r.incoming[0]
		need := max(l.Layout.Need(q.computed+l.ahead()), l.Layout.Need(q.computed))
		if r.waiting.len() > 0 || r.seats() >= l.Seqs || need > r.pool.free-l.Watermark ||
			!l.promised(r, q) || l.Policy == "no-evict" && r.reserved+l.most(q.Prompt, q.Generate) > l.Blocks {
			r.full = true
			return
		}
		r.incoming = slices.Delete(r.incoming, 0, 1)
		r.pool.begin(q, 0)
		r.pool.grow(q, need)
		r.reserved += l.reserve(q)
		r.landing = append(r.landing, q)
		r.depart(q, now)
	}
}

// depart puts a request on its way: both ends move one at a time.
func (f *fleet) depart(r *Replica, q *seq, t float64) {
	seconds := f.o.Apart.Seconds(q.Prompt)
	start := max(t, q.sender.linked, r.linked)
	q.sender.linked, r.linked = start+seconds, start+seconds
	r.stats.Transfers++
	r.stats.TransferTime += seconds
	f.flights++
	f.underway.push(deadline{start + seconds, f.flights, q.rec})
	if f.landings == nil {
		f.landings = map[*Record]*seq{}
	}
	f.landings[q.rec] = q
}

// land ends a request's way: it decodes from the next step on.
func (f *fleet) land(rec *Record, t float64) {
	q := f.landings[rec]
	delete(f.landings, rec)
	r := f.replicas[rec.Replica]
	r.landing = slices.DeleteFunc(r.landing, func(x *seq) bool { return x == q })
	q.sender.letGo(q.sent)
	if q.gone {
		r.pool.release(q, q.computed, false)
		r.reserved -= r.limits.reserve(q)
		r.cutFor(t)
		return
	}
	rec.Landed, rec.First = t, t+r.limits.Host.Reply
	q.last, q.apart, q.running = t, true, true
	r.running = append(r.running, q)
	full := r.full
	r.full = false
	r.cutFor(t)
	r.full = full
}

// cutFor ends a plan of decode steps where the engine next looks for what was handed over,
// unless it has no room anyway. What is there is taken into the next step, ahead or not.
func (r *Replica) cutFor(t float64) {
	if !r.full {
		r.cut(t, true)
	}
}

// hand keeps the blocks of a request whose prompt is worked until they are elsewhere.
func (r *Replica) hand(q *seq) {
	q.running = false
	r.sending = append(r.sending, q)
	r.handed = append(r.handed, q)
}

// letGo frees the blocks of a request that is elsewhere.
func (r *Replica) letGo(q *seq) {
	r.sending = slices.DeleteFunc(r.sending, func(x *seq) bool { return x == q })
	r.pool.release(q, q.computed, false)
	r.reserved -= r.limits.reserve(q)
}

// forgo ends a request that is handed over or on its way and whose client waits no longer;
// false where it is neither.
func (f *fleet) forgo(r *Replica, q *seq) bool {
	if q.sent == nil {
		return false
	}
	if i := slices.Index(r.incoming, q); i >= 0 {
		r.incoming = slices.Delete(r.incoming, i, i+1)
		q.sender.letGo(q.sent)
		q.rec.Status, q.rec.End = TimedOut, q.Arrive+q.Timeout
		r.cutFor(f.last)
		f.ended(q.rec)
		return true
	}
	if slices.Contains(r.landing, q) { // it is on its way all the same
		q.gone = true
		q.rec.Status, q.rec.End = TimedOut, q.Arrive+q.Timeout
		f.ended(q.rec)
		return true
	}
	return false
}
