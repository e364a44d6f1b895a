package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/serving"
)

// settingFlags have the names of vLLM's flags; two of them exist only in SGLang.
type settingFlags struct {
	flags                                              *pflag.FlagSet
	seqs, budget, threshold, modelLen, block, kvBlocks int
	prefillMost                                        int
	mixed                                              bool
	utilization                                        float64
	prefix, noPrefix, chunked, noChunked               bool
	async, noAsync, eager, noHybrid                    bool
	states                                             string
}

func (s *settingFlags) register(f *pflag.FlagSet) {
	s.flags = f
	f.IntVar(&s.seqs, "max-num-seqs", 0, "most sequences at once")
	f.IntVar(&s.budget, "max-num-batched-tokens", 0, "most tokens of a step (SGLang: chunked_prefill_size)")
	f.IntVar(&s.threshold, "long-prefill-token-threshold", 0, "most tokens of one prompt in a step")
	f.IntVar(&s.modelLen, "max-model-len", 0, "longest request, prompt and answer")
	f.IntVar(&s.block, "block-size", 0, "tokens of a cache block")
	f.IntVar(&s.kvBlocks, "kv-blocks", 0, "cache blocks, instead of predicting them")
	f.Float64Var(&s.utilization, "gpu-memory-utilization", 0, "share of the memory the engine takes")
	f.BoolVar(&s.prefix, "enable-prefix-caching", false, "keep blocks of earlier prompts")
	f.BoolVar(&s.noPrefix, "no-enable-prefix-caching", false, "keep none")
	f.BoolVar(&s.chunked, "enable-chunked-prefill", false, "split prompts over steps")
	f.BoolVar(&s.noChunked, "no-enable-chunked-prefill", false, "compute prompts whole")
	f.IntVar(&s.prefillMost, "max-prefill-tokens", 0, "SGLang: most prompt tokens admitted in a step")
	f.BoolVar(&s.mixed, "enable-mixed-chunk", false, "SGLang: steps with prompts decode too")
	f.BoolVar(&s.async, "async-scheduling", false, "schedule one step ahead")
	f.BoolVar(&s.noAsync, "no-async-scheduling", false, "schedule between steps")
	f.BoolVar(&s.eager, "enforce-eager", false, "no CUDA graphs")
	f.StringVar(&s.states, "mamba-cache-mode", "none", "vLLM, recurrent states in the prefix cache: none, all (one at the end of every block)")
	f.BoolVar(&s.noHybrid, "disable-hybrid-kv-cache-manager", false, "store windows at full length")
	for _, n := range []string{"max-num-seqs", "max-num-batched-tokens", "long-prefill-token-threshold", "max-model-len", "block-size", "kv-blocks", "gpu-memory-utilization", "max-prefill-tokens"} {
		f.Lookup(n).DefValue = "the engine's"
	}
}

// settings returns the values of the flags that were given.
func (s *settingFlags) settings() (serving.Settings, error) {
	var out serving.Settings
	for _, x := range []struct {
		name string
		v    int
		to   **int
	}{{"max-num-seqs", s.seqs, &out.MaxNumSeqs}, {"max-num-batched-tokens", s.budget, &out.MaxNumBatchedTokens}, {"long-prefill-token-threshold", s.threshold, &out.LongPrefill}, {"max-model-len", s.modelLen, &out.MaxModelLen}, {"block-size", s.block, &out.BlockSize}, {"kv-blocks", s.kvBlocks, &out.KVBlocks}, {"max-prefill-tokens", s.prefillMost, &out.PrefillMost}} {
		if !s.flags.Changed(x.name) {
			continue
		}
		if x.v < 1 || x.v > 1<<30 {
			return out, fmt.Errorf("--%s %d: must be from 1 to %d", x.name, x.v, 1<<30)
		}
		*x.to = &x.v
	}
	if s.flags.Changed("gpu-memory-utilization") {
		if !(s.utilization > 0 && s.utilization <= 1) {
			return out, fmt.Errorf("--gpu-memory-utilization %g: must be above 0 and at most 1", s.utilization)
		}
		out.MemoryUtilization = &s.utilization
	}
	yes, no := true, false
	for _, x := range []struct {
		on, off string
		isOn    bool
		isOff   bool
		to      **bool
	}{{"enable-prefix-caching", "no-enable-prefix-caching", s.prefix, s.noPrefix, &out.PrefixCaching}, {"enable-chunked-prefill", "no-enable-chunked-prefill", s.chunked, s.noChunked, &out.ChunkedPrefill}, {"async-scheduling", "no-async-scheduling", s.async, s.noAsync, &out.Lookahead}} {
		switch {
		case x.isOn && x.isOff:
			return out, fmt.Errorf("--%s and --%s: give one of them", x.on, x.off)
		case x.isOn, s.flags.Changed(x.off) && !x.isOff:
			*x.to = &yes
		case x.isOff, s.flags.Changed(x.on) && !x.isOn:
			*x.to = &no
		}
	}
	if s.flags.Changed("enable-mixed-chunk") {
		out.MixedChunk = &s.mixed
	}
	switch s.states {
	case "none":
	case "all":
		out.StatesCached = true
	default:
		return out, fmt.Errorf("--mamba-cache-mode %q: want none or all (align, states at the ends of prompts alone, is not simulated)", s.states)
	}
	out.Eager, out.StoreFull = s.eager, s.noHybrid
	return out, nil
}

// parseSLO reads ttft=500ms,tpot=50ms,e2e=10s.
func parseSLO(s string) (slo serving.SLO, err error) {
	if s == "" {
		return slo, nil
	}
	for _, part := range strings.Split(s, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		to := map[string]*float64{"ttft": &slo.TTFT, "tpot": &slo.TPOT, "e2e": &slo.E2E, "e2el": &slo.E2E}[strings.ToLower(name)]
		d, err := time.ParseDuration(value)
		if to == nil || err != nil || d <= 0 {
			return slo, fmt.Errorf("--slo %q: want ttft=TIME, tpot=TIME or e2e=TIME with a unit, as in ttft=500ms,tpot=50ms", part)
		}
		*to = d.Seconds()
	}
	return slo, nil
}

// points reads a list such as 1,4,16 or a range such as 1..16, which doubles from number to
// number.
func points(flag, s string, least, most float64, whole bool) ([]float64, error) {
	var out []float64
	bad := func(what string) error {
		kind := "numbers"
		if whole {
			kind = "whole numbers"
		}
		return fmt.Errorf("--%s %q: %s; want %s from %g to %g, as in 1,4,16 or 1..16", flag, s, what, kind, least, most)
	}
	one := func(t string) (float64, error) {
		v, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
		if err != nil || !(v >= least && v <= most) || whole && v != math.Trunc(v) {
			return 0, bad(fmt.Sprintf("%q is no such number", strings.TrimSpace(t)))
		}
		return v, nil
	}
	for _, part := range strings.Split(s, ",") {
		a, b, isRange := strings.Cut(part, "..")
		lo, err := one(a)
		if err != nil {
			return nil, err
		}
		if !isRange {
			out = append(out, lo)
			continue
		}
		hi, err := one(b)
		if err != nil {
			return nil, err
		}
		if hi < lo {
			return nil, bad("the end is below the start")
		}
		for x := lo; x < hi; x *= 2 {
			out = append(out, x)
		}
		out = append(out, hi)
	}
	if len(out) > 200 {
		return nil, bad("more than 200 loads")
	}
	return out, nil
}
