package serving

import (
	"fmt"
	"slices"

	"github.com/OWNER/ridgeline/costmodel"
)

// Apart describes a deployment in which some replicas work prompts and others decode (DistServe,
// arXiv:2401.09670; the disaggregated prefill of vLLM and SGLang). A prefill replica generates a
// request's first token. When a decode replica has a seat and cache blocks for the request, what
// the prompt left in the cache is sent over the links of both replicas, each of which carries one
// request at a time. Only then does the client get its first token, and decoding begins. Until
// then both replicas keep blocks for the request.
type Apart struct {
	Prefill, Decode int // numbers of replicas of each kind
	// Seconds returns how long it takes to send what a prompt of so many tokens leaves in the
	// cache.
	Seconds func(prompt int) float64
}

// Apart divides a deployment's replicas into the two kinds. bandwidth is what each device sends,
// in bytes a second; 0 stands for the device's own link.
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

// left returns the bytes that a prompt leaves on a device: caches, windows and states, those of a
// draft model included.
func (d *Deployment) left(prompt int) float64 {
	t := 0.0
	for _, c := range d.hands {
		most := 0.0 // over the pipeline stages, which send at the same time
		for _, stage := range c.Stages() {
			most = max(most, stage.PromptBytes(prompt))
		}
		t += most
	}
	return t
}

// handing records what the requests of a deployment leave in the cache, for Apart.
func (d *Deployment) handing(c *costmodel.Compiled, s *costmodel.Speculation) {
	d.link, d.hardware = c.Hardware.LinkBandwidth.Value, c.Hardware.Name
	d.hands = []*costmodel.Compiled{c}
	if s != nil && s.Tokens > 0 && s.Draft.Compiled != nil {
		d.hands = append(d.hands, s.Draft.Compiled)
	}
}

// pools returns the replicas that take new requests, and those that decode what they hand over.
// Where replicas do both, it returns all of them and none.
func (f *fleet) pools() (takes, decodes []*Replica) {
	if f.o.Apart == nil {
		return f.replicas, nil
	}
	n := f.o.Apart.Prefill * f.limits.Schedulers()
	return f.replicas[:n], f.replicas[n:]
}

// handOver gives a request whose prompt has been worked to a decode replica.
func (f *fleet) handOver(from *Replica, q *seq, t float64) {
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

// receive gives seats and blocks to requests that were handed over, in the order in which they
// came; preempted ones come first.
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

// depart begins to send a request's cache. Each link carries one request at a time.
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

// land ends the sending of a request's cache: the request decodes from the next step on.
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

// cutFor ends a plan of decode steps at the point where the engine next looks for requests that
// were handed over, unless it has no room for them anyway. A request that is there then joins the
// next step, even if that step was scheduled ahead.
func (r *Replica) cutFor(t float64) {
	if !r.full {
		r.cut(t, true)
	}
}

// hand keeps the blocks of a request whose prompt has been worked until the other replica has
// their contents.
func (r *Replica) hand(q *seq) {
	q.running = false
	r.sending = append(r.sending, q)
	r.handed = append(r.handed, q)
}

// letGo frees the blocks of a request whose contents the other replica has.
func (r *Replica) letGo(q *seq) {
	r.sending = slices.DeleteFunc(r.sending, func(x *seq) bool { return x == q })
	r.pool.release(q, q.computed, false)
	r.reserved -= r.limits.reserve(q)
}

// forgo ends a request whose client gave up while it was being handed over or sent; it returns
// false where the request is in neither state.
func (f *fleet) forgo(r *Replica, q *seq) bool {
	if q.sent == nil {
		return false
	}
	if i := slices.Index(r.incoming, q); i >= 0 {
		r.incoming = slices.Delete(r.incoming, i, i+1)
		q.sender.letGo(q.sent)
		r.cutFor(f.last)
		f.left(q.rec)
		return true
	}
	if slices.Contains(r.landing, q) { // it is sent all the same
		q.gone = true
		f.left(q.rec)
		return true
	}
	return false
}
