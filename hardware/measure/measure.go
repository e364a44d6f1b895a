// Package measure makes a hardware profile of the machine it runs on. It stands apart from
// hardware so that who wants a datasheet does not link matrix products and assembly.
package measure

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/hardware/readloop"
	"github.com/OWNER/ridgeline/internal/memory"
	"github.com/OWNER/ridgeline/precision"
)

// Options tune Host; the zero value measures for real.
type Options struct {
	Bytes   int // memory to stream; 0: StreamBytes of the last-level cache and memory.Bound
	GEMM    int // order of the matrix product; 0: 1536
	Repeats int // 0: 9
	// Progress is told what is being measured, step of steps.
	Progress func(step, steps int, what string)
}

// StreamBytes is how much memory a read loop should go through so that it reads past a
// last-level cache: eight times the cache, at least 256 MiB, but no more than bound.
// Virtual machines report the whole cache of their host, hundreds of megabytes of which
// they have a slice: what is past the bound is left.
func StreamBytes(cache, bound int) int { return min(max(8*cache, 256<<20), bound) }

// Host makes a profile of the machine it runs on: read bandwidth of all cores over
// memory past the last-level cache, float32 GEMM peak, and what it costs to hand work to
// all cores and wait. Each is the median of the repeats, with the spread (interquartile
// range over median) in Notes: machines are shared.
func Host(ctx context.Context, o Options) (*hardware.Profile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	llc := lastLevelCache()
	if o.Bytes == 0 {
		o.Bytes = StreamBytes(llc, memory.Bound())
	}
	if o.GEMM == 0 {
		o.GEMM = 1536
	}
	if o.Repeats == 0 {
		o.Repeats = 9
	}
	step := func(i int, what string) {
		if o.Progress != nil {
			o.Progress(i, 3, what)
		}
	}
	cores := runtime.GOMAXPROCS(0)
	p := &hardware.Profile{Name: "host", Title: hostTitle(), Vendor: "host", Arch: runtime.GOARCH,
		Peak:    map[precision.DType]hardware.Figure{},
		Sources: map[string]string{"measured": "ridgeline hardware measure, " + time.Now().UTC().Format("2006-01-02"), "system": "as the operating system reports it"},
		Units:   hardware.Figure{Value: float64(cores), Source: "system"}, Cache: hardware.Figure{Value: float64(llc), Source: "system"},
		MemoryCapacity: hardware.Figure{Value: memoryCapacity(), Source: "system"}}

	step(0, "read bandwidth")
	buf := make([]float32, o.Bytes/4)
	for i := range buf {
		buf[i] = 1
	}
	var guard float32
	secs, err := repeat(ctx, o.Repeats, func() { guard += readloop.Bytes(buf, cores) })
	if err != nil {
		return nil, err
	}
	p.MemoryBandwidth = hardware.Figure{Value: float64(len(buf)*4) / secs.median, Source: "measured"}
	p.Notes = append(p.Notes, fmt.Sprintf("read bandwidth: %d repeats over %d MiB on %d cores, spread %.0f %%", o.Repeats, o.Bytes>>20, cores, 100*secs.spread))
	if o.Bytes < 2*llc {
		p.Notes = append(p.Notes, fmt.Sprintf("read bandwidth: the system reports a last-level cache of %d MiB, and no more than %d MiB of memory were used: part of them may have been read from the cache", llc>>20, o.Bytes>>20))
	}
	buf = nil // what follows may have its memory

	step(1, "GEMM peak")
	n := o.GEMM
	a, b, c := matrix(n), matrix(n), matrix(n)
	secs, err = repeat(ctx, o.Repeats, func() { blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, a, b, 0, c) })
	if err != nil {
		return nil, err
	}
	p.Peak[precision.FP32] = hardware.Figure{Value: 2 * float64(n) * float64(n) * float64(n) / secs.median, Source: "measured"}
	p.Notes = append(p.Notes, fmt.Sprintf("GEMM peak: float32 %d×%d×%d through gonum, spread %.0f %%", n, n, n, 100*secs.spread))

	step(2, "call cost")
	const calls = 200
	secs, err = repeat(ctx, o.Repeats, func() {
		for range calls {
			var wg sync.WaitGroup
			for range cores {
				wg.Go(func() {})
			}
			wg.Wait()
		}
	})
	if err != nil {
		return nil, err
	}
	p.CallSeconds = hardware.Figure{Value: secs.median / calls, Source: "measured"}
	step(3, "done")
	if math.IsNaN(float64(guard)) {
		return nil, fmt.Errorf("the speed of reading memory could not be measured")
	}
	return p, p.Validate()
}

func matrix(n int) blas32.General {
	m := blas32.General{Rows: n, Cols: n, Stride: n, Data: make([]float32, n*n)}
	for i := range m.Data {
		m.Data[i] = float32(i%7) - 3
	}
	return m
}

type timing struct{ median, spread float64 }

// repeat runs fn once to warm up and then n times; spread is the interquartile range over
// the median.
func repeat(ctx context.Context, n int, fn func()) (timing, error) {
	fn()
	var t []float64
	for range n {
		if err := ctx.Err(); err != nil {
			return timing{}, err
		}
		start := time.Now()
		fn()
		t = append(t, max(time.Since(start).Seconds(), 1e-9))
	}
	slices.Sort(t)
	m := t[len(t)/2]
	return timing{m, (t[len(t)*3/4] - t[len(t)/4]) / m}, nil
}

// lastLevelCache reads the largest cache of the first core on Linux, 64 MiB elsewhere.
func lastLevelCache() int {
	best := 0
	files, _ := filepath.Glob("/sys/devices/system/cpu/cpu0/cache/index*/size")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		s := strings.TrimSpace(string(b))
		mult := 1
		if d, ok := strings.CutSuffix(s, "K"); ok {
			s, mult = d, 1<<10
		} else if d, ok := strings.CutSuffix(s, "M"); ok {
			s, mult = d, 1<<20
		}
		if n, err := strconv.Atoi(s); err == nil {
			best = max(best, n*mult)
		}
	}
	if best == 0 {
		return 64 << 20
	}
	return best
}

// linuxField returns the value of "key: value" in a /proc file, "" where there is none.
func linuxField(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if k, v, ok := strings.Cut(sc.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// memoryCapacity is the machine's memory in bytes, 8 GiB where it cannot be read.
func memoryCapacity() float64 {
	v := strings.Fields(linuxField("/proc/meminfo", "MemTotal"))
	if len(v) > 0 {
		if kb, err := strconv.ParseFloat(v[0], 64); err == nil && kb > 0 {
			return kb * 1024
		}
	}
	return 8 << 30
}

func hostTitle() string {
	name := linuxField("/proc/cpuinfo", "model name")
	if name == "" {
		name = runtime.GOARCH
	}
	return fmt.Sprintf("%s, %d cores", name, runtime.GOMAXPROCS(0))
}
