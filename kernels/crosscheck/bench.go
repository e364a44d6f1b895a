package crosscheck

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/hardware/measure"
	"github.com/OWNER/ridgeline/hardware/readloop"
	"github.com/OWNER/ridgeline/internal/memory"
	"github.com/OWNER/ridgeline/kernels"
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
	model, err := kernels.New(b.model(), kernels.Options{Prefill: execution.Full})
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

// free lets go of the caches at once: the next bench needs the memory.
func (r *ready) free() {
	r.session.Free()
	r.session = nil
	debug.FreeOSMemory()
}

// bound is how many bytes of memory a buffer, or all caches of decoders that run in turns,
// may take: a part of what is available, less in quick runs, which are to stay below 1 GB.
func bound(quick bool) int {
	most := memory.Bound()
	if quick {
		most = min(most, 384<<20)
	}
	return most
}

// reader is a plain read loop over memory past the last-level cache: as much as
// measure.Host reads, so that a run of it is about as long as one of a kernel.
type reader struct {
	buf   []float32
	cores int
}

func newReader(p *hardware.Profile, quick bool) *reader {
	bytes := measure.StreamBytes(int(p.Cache.Value), bound(quick))
	r := &reader{buf: make([]float32, bytes/4), cores: runtime.GOMAXPROCS(0)}
	for i := range r.buf {
		r.buf[i] = float32(i & 255)
	}
	return r
}

// rate is what the loop reaches now, bytes/s.
func (r *reader) rate() (float64, error) {
	t := time.Now()
	readloop.Bytes(r.buf, r.cores)
	return float64(4*len(r.buf)) / max(time.Since(t).Seconds(), 1e-9), nil
}

// sampler runs things in turns with a base (a read loop, a matrix product) whose rate
// says how busy the machine is with something else: turns in which the base is far from
// its best are set aside, as long as enough remain.
type sampler struct {
	base func() (float64, error)
	best float64
	rate float64 // of the base, last
}

func newSampler(base func() (float64, error)) *sampler { return &sampler{base: base} }

// turn runs f between two runs of the base.
func (s *sampler) turn(f func() (float64, error)) (sample, error) {
	before := s.rate
	if before == 0 {
		var err error
		if before, err = s.base(); err != nil {
			return sample{}, err
		}
	}
	v, err := f()
	if err != nil {
		return sample{}, err
	}
	after, err := s.base()
	if err != nil {
		return sample{}, err
	}
	s.rate, s.best = after, max(s.best, before, after)
	return sample{seconds: v, rate: (before + after) / 2, least: min(before, after)}, nil
}

// sample is one timing, and the rate of the base around it.
type sample struct{ seconds, rate, least float64 }

// samples of one thing.
type samples []sample

// quiet is the samples during which the base came near its best.
func (s samples) quiet(best float64) samples {
	var out samples
	for _, x := range s {
		if x.least >= 0.85*best {
			out = append(out, x)
		}
	}
	return out
}

// calm is quiet, or the calmer half where that is next to nothing.
func (s samples) calm(best float64) samples {
	if q := s.quiet(best); len(q) >= 3 {
		return q
	}
	c := slices.Clone(s)
	slices.SortFunc(c, func(a, b sample) int { return cmp.Compare(b.least, a.least) })
	return c[:(len(c)+1)/2]
}

func (s samples) median(f func(sample) float64) float64 {
	v := make([]float64, len(s))
	for i, x := range s {
		v[i] = f(x)
	}
	return median(v)
}

func (s samples) seconds() float64  { return s.median(func(x sample) float64 { return x.seconds }) }
func (s samples) baseRate() float64 { return s.median(func(x sample) float64 { return x.rate }) }

// effort is how long things are repeated: until so many quiet samples, or at most so long.
type effort struct {
	enough int
	most   time.Duration
}

func effortOf(quick bool) effort {
	if quick {
		return effort{5, 300 * time.Millisecond}
	}
	return effort{25, 7 * time.Second}
}

// repeat samples f after one run to warm up, and returns the calm samples.
func (e effort) repeat(s *sampler, f func() (float64, error)) (samples, error) {
	if _, err := f(); err != nil {
		return nil, err
	}
	var all samples
	for start := time.Now(); len(all.quiet(s.best)) < e.enough && (len(all) < 3 || time.Since(start) < e.most); {
		x, err := s.turn(f)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all.calm(s.best), nil
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
