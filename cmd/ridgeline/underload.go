package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
)

// serveFlags ask for a simulation of the models under load, to be shown with their other figures.
type serveFlags struct{ serve, slo string }

// loadWords says what --serve takes.
const loadWords = "clients=16 or rate=4 (requests a second), and engine=vllm-0.14, spread=normal:0.3, requests=500"

// registerLoad makes the flags without the one for the SLO.
func (s *serveFlags) registerLoad(f *pflag.FlagSet) {
	f.StringVar(&s.serve, "serve", "", "load: simulate up to "+loadWords)
}

func (s *serveFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.serve, "serve", "", "also simulate a load: "+loadWords)
	f.StringVar(&s.slo, "slo", "", "with --serve: how many users can be served so that 99 % of requests meet ttft=500ms,tpot=50ms,e2e=10s")
}

// load reads the flags; nil where they ask for no simulation.
func (s *serveFlags) load() (*study.UnderLoad, error) {
	if s.serve == "" {
		if s.slo != "" {
			return nil, errors.New("--slo is met under a load: give --serve, as in --serve clients=16")
		}
		return nil, nil
	}
	u := &study.UnderLoad{SLOText: s.slo}
	var err error
	if u.SLO, err = parseSLO(s.slo); err != nil {
		return nil, err
	}
	engine := serving.DefaultEngine
	for _, part := range strings.Split(s.serve, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		bad := func(want string) error {
			return fmt.Errorf("--serve %q: %s %q: want %s", s.serve, name, v, want)
		}
		switch name {
		case "clients", "concurrency":
			if u.Clients, err = strconv.Atoi(v); err != nil || u.Clients < 1 || u.Clients > 1<<16 {
				return nil, bad("a whole number from 1 to 65536")
			}
		case "rate":
			if u.Rate, err = strconv.ParseFloat(v, 64); err != nil || !(u.Rate >= 1e-6 && u.Rate <= 1e6) {
				return nil, bad("requests a second, from 1e-6 to 1e6")
			}
		case "requests":
			if u.Requests, err = strconv.Atoi(v); err != nil || u.Requests < 1 || u.Requests > 1_000_000 {
				return nil, bad("a whole number from 1 to 1000000")
			}
		case "spread":
			if u.Shape, u.Spread, err = serving.ParseSpread(v); err != nil {
				return nil, fmt.Errorf("--serve: %w", err)
			}
		case "engine":
			engine = v
		default:
			return nil, fmt.Errorf("--serve %q: %q is not one of clients, rate, engine, spread, requests", s.serve, name)
		}
	}
	if (u.Clients > 0) == (u.Rate > 0) {
		return nil, fmt.Errorf("--serve %q: give clients=N or rate=N, one of them", s.serve)
	}
	if u.Engine, err = serving.EngineNamed(engine); err != nil {
		return nil, fmt.Errorf("--serve: %w", err)
	}
	return u, nil
}

// simulated shows the progress of a simulation on a terminal.
func simulated[T any](c *cobra.Command, u *study.UnderLoad, run func() (T, error)) (T, error) {
	step, clear := progress(c.ErrOrStderr(), "simulated runs")
	defer clear()
	u.Progress = step
	return run()
}
