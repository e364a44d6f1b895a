package crosscheck

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"ridgeline/arch"
	"ridgeline/hardware"
	"ridgeline/hardware/readloop"
	"ridgeline/kernels"
)

// bench is a model that runs one kind of kernel at a shape, and the operation looked at.
type bench struct {
	op             string
	layer          arch.Layer
	width          int
	vocab          int // 0: next to none
	batch, context int
	prompt         int // positions of the timed call; 0 or 1 is a step
}

func (b bench) model() *arch.Model {
	vocab := b.vocab
	if vocab == 0 {
		vocab = 16
	}
	return &arch.Model{Name: b.op, Width: b.width, Vocab: vocab, Tied: true, Layers: []arch.Layer{b.layer}}
}

// positions of the timed call.
func (b bench) positions() int { return max(1, b.prompt) }

// ready is a bench with its session.
type ready struct {
	bench
	session *kernels.Session
	tokens  [][]int
	bytes   float64 // of the operation, as counted
	flops   float64
}

func (b bench) prepare() (*ready, error) {
	model, err := kernels.New(b.model(), kernels.Options{Prefill: kernels.Full})
	if err != nil {
		return nil, err
	}
	s, err := model.Start(b.batch, b.context)
	if err != nil {
		return nil, err
	}
	r := &ready{bench: b, session: s, tokens: make([][]int, b.batch)}
	for i := range r.tokens {
		r.tokens[i] = make([]int, b.positions())
	}
	return r, nil
}

// once runs the bench and returns the seconds of its operation.
func (r *ready) once(ctx context.Context) (float64, error) {
	if err := r.session.Fill(ctx, r.context-r.positions()); err != nil {
		return 0, err
	}
	r.session.Meter = &kernels.Meter{Clock: true}
	if _, err := r.session.Prefill(ctx, r.tokens); err != nil {
		return 0, err
	}
	for _, rec := range r.session.Meter.Records() {
		if rec.Op != r.op {
			continue
		}
		r.bytes, r.flops = 0, float64(rec.FLOPs)
		for k := range rec.Read {
			r.bytes += float64(rec.Read[k] + rec.Written[k])
		}
		return rec.Seconds, nil
	}
	return 0, fmt.Errorf("crosscheck: %s did not run", r.op)
}

// reader is a plain read loop over memory past the last-level cache.
type reader struct {
	buf   []float32
	cores int
}

func newReader(p *hardware.Profile) *reader {
	bytes := max(64<<20, 3*int(p.Cache.Value))
	r := &reader{buf: make([]float32, bytes/4), cores: runtime.GOMAXPROCS(0)}
	for i := range r.buf {
		r.buf[i] = float32(i & 255)
	}
	return r
}

// bandwidth is what the loop reaches now, bytes/s.
func (r *reader) bandwidth() float64 {
	t := time.Now()
	readloop.Bytes(r.buf, r.cores)
	return float64(4*len(r.buf)) / max(time.Since(t).Seconds(), 1e-9)
}

// turns is how often things that are compared are run in turns: at least so many
// times, and for so long.
type turns struct {
	least int
	long  time.Duration
}

func turnsOf(quick bool) turns {
	if quick {
		return turns{5, 100 * time.Millisecond}
	}
	return turns{15, 500 * time.Millisecond}
}

// run calls f once to warm up and then again and again.
func (t turns) run(f func(round int) error) error {
	const most = 2000
	start := time.Now()
	for i := 0; i <= t.least || i < most && time.Since(start) < t.long; i++ {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

func median(x []float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
