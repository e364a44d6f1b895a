package crosscheck

import (
	"context"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/hardware/measure"
	"github.com/OWNER/ridgeline/kernels/golden"
)

// Parts are the names of the parts, in the order they run.
func Parts() []string { return []string{"golden", "counts", "tiny", "time", "speedup"} }

// Options choose what is run; the zero value is everything, in full.
type Options struct {
	Only   []string      // parts; empty is all
	Quick  bool          // under a minute instead of under ten
	Golden fs.FS         // golden files; nil is the embedded ones
	Tiny   []*arch.Model // models of which small twins are executed; the part is left out where there are none
	Seed   uint64        // of the random layouts
	// Progress is told how far the part that runs is; "measure" is the host itself.
	Progress func(part string, done, total int)
}

// Report is what was found. Parts that were not run are absent.
type Report struct {
	Golden []golden.Result `json:"golden,omitempty"`
	Counts *CountsResult   `json:"counts,omitempty"`
	Tiny   []TinyResult    `json:"tiny,omitempty"`
	// NotExecuted are the Hugging Face types whose configurations are read and whose
	// checkpoints cannot be loaded.
	NotExecuted []string  `json:"not_executed,omitempty"`
	Host        *Host     `json:"host,omitempty"`
	Time        []TimeRow `json:"time,omitempty"`
	*SpeedupResult

	// Failed names the parts that do not hold; Stopped says that not all were done.
	Failed  []string `json:"failed,omitempty"`
	Stopped bool     `json:"stopped,omitempty"`
}

// Host is what times are predicted from.
type Host struct {
	Title       string             `json:"title"`
	Bandwidth   float64            `json:"memory_bandwidth"` // bytes/s
	Peak        float64            `json:"peak_flops"`
	Cache       float64            `json:"cache_bytes"`
	CallSeconds float64            `json:"call_seconds"`
	Reach       map[string]float64 `json:"reach"`
}

// Run runs the parts. When ctx ends, what is done is returned with its error; any
// other error is of the golden files.
func Run(ctx context.Context, o Options) (*Report, error) {
	for _, p := range o.Only {
		if !slices.Contains(Parts(), p) {
			return nil, fmt.Errorf("there is no part %q: know %s", p, strings.Join(Parts(), ", "))
		}
	}
	r := &Report{}
	var profile *hardware.Profile
	for _, part := range Parts() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, part) || part == "tiny" && len(o.Tiny) == 0 {
			continue
		}
		if (part == "time" || part == "speedup") && profile == nil {
			p, err := measureHost(ctx, o)
			if err != nil {
				return r.stopped(ctx, err)
			}
			profile = p
			r.Host = hostOf(p)
		}
		held, err := r.part(ctx, part, o, profile)
		if err != nil {
			return r.stopped(ctx, err)
		}
		if !held {
			r.Failed = append(r.Failed, part)
		}
	}
	return r, nil
}

func (r *Report) stopped(ctx context.Context, err error) (*Report, error) {
	if ctx.Err() != nil {
		r.Stopped = true
		return r, ctx.Err()
	}
	return nil, err
}

func (r *Report) part(ctx context.Context, part string, o Options, p *hardware.Profile) (held bool, err error) {
	var progress Progress
	if o.Progress != nil {
		progress = func(done, total int) { o.Progress(part, done, total) }
	}
	switch part {
	case "golden":
		files := o.Golden
		if files == nil {
			files = golden.Embedded()
		}
		r.NotExecuted = golden.NotExecuted()
		r.Golden, err = golden.Run(ctx, files, nil)
		return goldenOK(r.Golden), err
	case "counts":
		cases := 2000
		if o.Quick {
			cases = 400
		}
		c, err := Counts(ctx, cases, o.Seed, progress)
		r.Counts = &c
		return c.OK(), err
	case "tiny":
		r.Tiny, err = Tiny(ctx, o.Tiny, o.Seed, progress)
		return !slices.ContainsFunc(r.Tiny, func(t TinyResult) bool { return !t.OK }), err
	case "time":
		r.Time, err = Time(ctx, p, o.Quick, progress)
		return TimeOK(r.Time), err
	default:
		s, err := Speedup(ctx, p, o.Quick, progress)
		r.SpeedupResult = &s
		return s.OK(), err
	}
}

// goldenOK: something passed and nothing failed.
func goldenOK(rs []golden.Result) bool {
	passed := false
	for _, r := range rs {
		if !r.OK && !r.Skipped {
			return false
		}
		passed = passed || r.OK
	}
	return passed
}

func measureHost(ctx context.Context, o Options) (*hardware.Profile, error) {
	report := func(int, int) {}
	total := len(calibration()) + 1
	if o.Progress != nil {
		report = func(done, _ int) { o.Progress("measure", done, total) }
	}
	// the product is measured with the kernels' own further down
	m := measure.Options{GEMM: 384}
	if o.Quick {
		m.Repeats = 5
		m.Bytes = min(256<<20, bound(true))
	}
	p, err := measure.Host(ctx, m)
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory()
	report(1, total)
	return MeasureReach(ctx, p, o.Quick, func(done, _ int) { report(done+1, total) })
}
