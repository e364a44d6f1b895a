package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/serving"
)

// loadPoint is one load with its name.
type loadPoint struct {
	name    string
	load    serving.Load
	trace   *serving.Trace
	clients int
	rate    float64
	count   int
}

func (p *loadPoint) source(speed float64) func(uint64) serving.Source {
	return func(seed uint64) serving.Source {
		if p.trace != nil {
			return &serving.Replay{Requests: p.trace.Requests[:p.count], Speed: speed}
		}
		l := p.load
		l.Seed = seed
		return l.Source()
	}
}

// readTrace reads the trace file that a flag names.
func (s *simulateFlags) readTrace(c *cobra.Command, flag, path string) (*serving.Trace, error) {
	f, err := input.OpenAtMost(path, 4<<30)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	defer f.Close()
	t, err := serving.ReadTrace(f, path, s.traceBlock)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	for _, n := range t.Notes {
		warn(c.ErrOrStderr(), "%s: %s", path, n)
	}
	return t, nil
}

// base returns the load without its arrivals.
func (s *simulateFlags) base(c *cobra.Command, w costmodel.Workload) (l serving.Load, err error) {
	l = serving.Load{Prompt: serving.Lengths{Mean: float64(w.Prompt)}, Generate: serving.Lengths{Mean: float64(w.Generate)},
		Requests: s.prompts, Burstiness: s.burstiness, Timeout: s.timeout.Seconds(), Prefix: int(s.prefixLen), Groups: s.prefixGroups}
	for _, x := range []struct {
		flag, v string
		to      []*serving.Lengths
	}{{"spread", s.spread, []*serving.Lengths{&l.Prompt, &l.Generate}}, {"prompt-spread", s.spreadPrompt, []*serving.Lengths{&l.Prompt}}, {"generate-spread", s.spreadGenerate, []*serving.Lengths{&l.Generate}}} {
		if x.v == "" {
			continue
		}
		shape, share, err := serving.ParseSpread(x.v)
		if err != nil {
			return l, fmt.Errorf("--%s: %w", x.flag, err)
		}
		for _, to := range x.to {
			to.Shape, to.Spread = shape, share
		}
	}
	if s.lengths != "" {
		t, err := s.readTrace(c, "lengths", s.lengths)
		if err != nil {
			return l, err
		}
		l.Prompt, l.Generate = serving.Lengths{Shape: serving.Empirical}, serving.Lengths{Shape: serving.Empirical}
		for _, q := range t.Requests {
			if q.Prompt > 0 && q.Generate > 0 {
				l.Prompt.Of = append(l.Prompt.Of, q.Prompt)
				l.Generate.Of = append(l.Generate.Of, q.Generate)
			}
		}
		if len(l.Prompt.Of) == 0 {
			return l, fmt.Errorf("--lengths: %s: no request with a prompt and an answer", s.lengths)
		}
	}
	for _, x := range []struct {
		flag string
		bad  bool
		want string
	}{
		{"burstiness", !(s.burstiness > 0) || s.burstiness > 1e6, "above 0, at most 1e6"},
		{"num-prompts", s.prompts < 0 || s.prompts > maxPrompts, "from 1 to 5000000"},
		{"seeds", s.seeds < 1 || s.seeds > 1000, "from 1 to 1000"},
		{"stagger", s.stagger < 0, "0 or more"},
		{"think", s.think < 0, "0 or more"},
		{"client-timeout", s.timeout < 0, "0 or more"},
		{"prefix-groups", s.prefixGroups < 1 || s.prefixGroups > 1_000_000, "from 1 to 1000000"},
		{"replicas", s.replicas < 1 || s.replicas > 4096, "from 1 to 4096"},
		{"speed", !(s.speed > 0) || s.speed > 1e6, "above 0, at most 1e6"},
		{"slo-share", !(s.sloShare > 0 && s.sloShare <= 1), "above 0, at most 1"},
		{"trace-block-size", s.traceBlock < 1, "1 or more"},
	} {
		if x.bad {
			return l, fmt.Errorf("--%s %s: must be %s", x.flag, c.Flags().Lookup(x.flag).Value, x.want)
		}
	}
	if w.Prompt < 1 && s.lengths == "" && s.trace == "" {
		return l, errors.New("--prompt 0: an engine refuses an empty prompt, give 1 or more")
	}
	if w.Generate < 1 {
		return l, errors.New("--generate 0: give 1 or more")
	}
	return l, nil
}

// loads returns the loads that are asked for.
func (s *simulateFlags) loads(c *cobra.Command, w costmodel.Workload) ([]*loadPoint, error) {
	kinds := 0
	for _, n := range []string{"concurrency", "rate", "stages", "trace", "max-rate", "max-users"} {
		if c.Flags().Changed(n) {
			kinds++
		}
	}
	if kinds > 1 {
		return nil, errors.New("give one load: --concurrency, --rate, --stages, --trace, --max-rate or --max-users")
	}
	base, err := s.base(c, w)
	if err != nil {
		return nil, err
	}
	if s.trace != "" {
		t, err := s.readTrace(c, "trace", s.trace)
		if err != nil {
			return nil, err
		}
		n := len(t.Requests)
		if s.prompts > 0 {
			n = min(n, s.prompts)
		}
		if s.timeout > 0 {
			for i := range t.Requests {
				if t.Requests[i].Timeout == 0 {
					t.Requests[i].Timeout = s.timeout.Seconds()
				}
			}
		}
		return []*loadPoint{{name: fmt.Sprintf("%s trace, %d requests", t.Format, n), trace: t, count: n}}, nil
	}
	orElse := func(n, d int) int {
		if n > 0 {
			return n
		}
		return d
	}
	var out []*loadPoint
	switch {
	case s.maxRate || s.maxUsers:
		base.Requests = orElse(s.prompts, 1000)
		base.Stagger = s.stagger.Seconds()
		base.Think = s.think.Seconds()
		return []*loadPoint{{load: base, count: base.Requests}}, nil
	case s.rate != "":
		rates, err := points("rate", s.rate, 1e-6, 1e6, false)
		if err != nil {
			return nil, err
		}
		for _, r := range rates {
			l := base
			l.Requests = orElse(s.prompts, 1000)
			l.Stages = []serving.Stage{{Rate: r}}
			out = append(out, &loadPoint{name: fmt.Sprintf("%g requests/s", r), load: l, rate: r, count: l.Requests})
		}
	case s.stages != "":
		l := base
		total := 0.0
		for _, part := range strings.Split(s.stages, ",") {
			a, b, ok := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "x")
			r, err1 := strconv.ParseFloat(a, 64)
			d, err2 := strconv.ParseFloat(strings.TrimSuffix(b, "s"), 64)
			if !ok || err1 != nil || err2 != nil || !(r >= 0 && r <= 1e6) || !(d > 0 && d <= 1e9) {
				return nil, fmt.Errorf("--stages %q: want RATExSECONDS, as in 5x600,10x600", part)
			}
			l.Stages = append(l.Stages, serving.Stage{Rate: r, Seconds: d})
			total += r * d
		}
		if total > maxPrompts {
			return nil, fmt.Errorf("--stages %s: %.3g requests, want at most 5000000", s.stages, total)
		}
		l.Requests = min(orElse(s.prompts, int(2*total)+1000), maxPrompts)
		out = append(out, &loadPoint{name: "stages " + s.stages, load: l, count: l.Requests})
	default:
		v := s.concurrency
		if v == "" {
			v = "1,2,4,8,16"
		}
		clients, err := points("concurrency", v, 1, 1<<20, true)
		if err != nil {
			return nil, err
		}
		for _, n := range clients {
			l := base
			l.Concurrency = int(n)
			l.Requests = orElse(s.prompts, max(20*int(n), 100))
			l.Think = s.think.Seconds()
			if !s.lockStep {
				l.Stagger = s.stagger.Seconds()
			}
			name := fmt.Sprintf("%d clients", int(n))
			if n == 1 {
				name = "1 client"
			}
			out = append(out, &loadPoint{name: name, load: l, clients: int(n), count: l.Requests})
		}
	}
	return out, nil
}
