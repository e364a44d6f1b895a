package kernels

import (
	"strings"
	"sync"
	"time"
)

// Kind is what a tensor is for.
type Kind uint8

// The kinds that bytes are counted by.
const (
	Weights Kind = iota
	Cache
	State
	Activations
	Kinds // how many there are
)

func (k Kind) String() string {
	return [...]string{"weights", "cache", "state", "activations"}[k]
}

// Counts is what an operation moved and computed, in bytes and FLOPs.
type Counts struct {
	Read, Written [Kinds]int64
	FLOPs         int64
}

// Outside is the layer of operations outside the layers: embed, final_norm, lm_head.
const Outside = -1

// Record is the work of one operation, summed over the calls since the Meter was
// made.
type Record struct {
	Layer int
	Op    string // as docs/accounting.md names it
	Counts
	Seconds float64 // wall time, where Meter.Clock
}

// Meter collects what the operations of a Session count. The zero value is ready; a
// nil *Meter counts nothing.
type Meter struct {
	// Clock also takes the wall time of each operation.
	Clock bool

	records []*Record
	index   map[opKey]int
	routed  map[opKey]routed
}

// routed is what a router of a layer decided.
type routed struct{ hits, picks int }

type opKey struct {
	layer int
	op    string
}

// Records returns what was counted, in the order in which operations first ran.
func (m *Meter) Records() []Record {
	out := make([]Record, len(m.records))
	for i, r := range m.records {
		out[i] = *r
	}
	return out
}

// Routed is what the router of an operation of a layer decided, summed over the calls: the number
// of distinct experts that ran, and for how many rows, each as often as it picked one.
func (m *Meter) Routed(layer int, op string) (hits, picks int) {
	mixture, _, _ := strings.Cut(op, ".")
	r := m.routed[opKey{layer, mixture}]
	return r.hits, r.picks
}

// tally is where the loops of one operation count: nil counts nothing. A parallel
// loop gives each worker one of its own and adds them up (runner.split).
type tally struct {
	mu sync.Mutex
	Counts
}

func (t *tally) read(k Kind, elements int) {
	if t != nil {
		t.Read[k] += 4 * int64(elements)
	}
}

func (t *tally) write(k Kind, elements int) {
	if t != nil {
		t.Written[k] += 4 * int64(elements)
	}
}

func (t *tally) flops(n int) {
	if t != nil {
		t.FLOPs += int64(n)
	}
}

func (t *tally) merge(c *Counts) {
	t.mu.Lock()
	for k := range c.Read {
		t.Read[k] += c.Read[k]
		t.Written[k] += c.Written[k]
	}
	t.FLOPs += c.FLOPs
	t.mu.Unlock()
}

// measure runs f as an operation of a layer.
func (m *Meter) measure(layer int, op string, f func(*tally)) {
	if m == nil {
		f(nil)
		return
	}
	if m.index == nil {
		m.index, m.routed = map[opKey]int{}, map[opKey]routed{}
	}
	key := opKey{layer, op}
	i, ok := m.index[key]
	if !ok {
		i = len(m.records)
		m.index[key] = i
		m.records = append(m.records, &Record{Layer: layer, Op: op})
	}
	rec := m.records[i]
	var t tally
	var start time.Time
	if m.Clock {
		start = time.Now()
	}
	f(&t)
	if m.Clock {
		rec.Seconds += time.Since(start).Seconds()
	}
	for k := range t.Read {
		rec.Read[k] += t.Read[k]
		rec.Written[k] += t.Written[k]
	}
	rec.FLOPs += t.FLOPs
}

// hit counts the experts that a mixture, by the first part of its operations' names, ran.
func (m *Meter) hit(layer int, mixture string, experts, picks int) {
	if m != nil {
		k := opKey{layer, mixture}
		r := m.routed[k]
		m.routed[k] = routed{r.hits + experts, r.picks + picks}
	}
}
