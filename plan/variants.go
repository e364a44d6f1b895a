package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
)

// Drafted describes speculative decoding as a plan may vary it; the zero value stands for none.
type Drafted struct {
	// Name says what drafts tokens: "ngram", "mtp", or the name under which an engine loads a
	// model.
	Name       string
	Model      *arch.Model // the model that drafts; nil for "ngram" and "mtp"
	Tokens     int         // number of drafted tokens in a step
	Acceptance float64     // probability that a drafted token is accepted
}

// ParseDrafted reads NAME:TOKENS@ACCEPTANCE, such as mtp:2@0.8, or none. open finds a model by
// its name.
func ParseDrafted(s string, open func(string) (*arch.Model, error)) (d Drafted, err error) {
	if s == "none" {
		return d, nil
	}
	bad := fmt.Errorf("%q: write none or NAME:TOKENS@ACCEPTANCE, as in mtp:2@0.8, ngram:4@0.5 or llama-3.1-8b:3@0.7", s)
	i := strings.LastIndex(s, ":")
	if i <= 0 {
		return d, bad
	}
	tokens, acceptance, ok := strings.Cut(s[i+1:], "@")
	n, err1 := strconv.Atoi(tokens)
	a, err2 := strconv.ParseFloat(acceptance, 64)
	if !ok || err1 != nil || err2 != nil {
		return d, bad
	}
	d = Drafted{Name: s[:i], Tokens: n, Acceptance: a}
	if err := (costmodel.Speculation{Tokens: n, Acceptance: a}).Check(); err != nil || n == 0 {
		return Drafted{}, fmt.Errorf("%q: %d tokens must be from 1 to %d, and an acceptance of %g from 0 to 1", s, n, costmodel.MostDrafts, a)
	}
	if d.Name != "ngram" && d.Name != "mtp" {
		if d.Model, err = open(d.Name); err != nil {
			return Drafted{}, err
		}
	}
	return d, nil
}

// String returns the text that ParseDrafted reads; "" for none.
func (d Drafted) String() string {
	if d.Tokens == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d@%g", d.Name, d.Tokens, d.Acceptance)
}

// of returns the speculation of a base, nil for none.
func (d Drafted) of(c *costmodel.Compiled) (*costmodel.Speculation, error) {
	if d.Tokens == 0 {
		return nil, nil
	}
	s := &costmodel.Speculation{Draft: costmodel.NGram(), Tokens: d.Tokens, Acceptance: d.Acceptance}
	switch {
	case d.Name == "mtp":
		x, err := c.MTP()
		if err != nil {
			return nil, err
		}
		s.Draft = x
	case d.Model != nil:
		x, err := costmodel.Compile(d.Model, c.Hardware, c.Options)
		if err != nil {
			return nil, err
		}
		s.Draft = costmodel.DraftModel(x)
	}
	return s, nil
}

// Ratio says how many replicas work prompts for how many that decode, in whole numbers; the zero
// value stands for replicas that do both. A deployment consists of one or more such groups.
type Ratio struct{ Prefill, Decode int }

// mostOfRatio is the largest number on each side of a ratio.
const mostOfRatio = 64

// ParseRatios reads no, yes, or PREFILL:DECODE such as 2:1. With yes it returns all ratios with
// up to four on each side.
func ParseRatios(s string) ([]Ratio, error) {
	switch s {
	case "no":
		return []Ratio{{}}, nil
	case "yes":
		var out []Ratio
		for p := 1; p <= 4; p++ {
			for d := 1; d <= 4; d++ {
				if p == 1 || d == 1 || p%2+d%2 > 0 && p != d {
					out = append(out, Ratio{p, d})
				}
			}
		}
		return out, nil
	}
	a, b, ok := strings.Cut(s, ":")
	p, err1 := strconv.Atoi(a)
	d, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || p < 1 || d < 1 || p > mostOfRatio || d > mostOfRatio {
		return nil, fmt.Errorf("%q: write no, yes, or replicas for prompts to replicas that decode, as in 2:1 (1 to %d of each)", s, mostOfRatio)
	}
	return []Ratio{{p, d}}, nil
}

// Apart reports whether prompts and decoding have replicas of their own.
func (r Ratio) Apart() bool { return r.Prefill > 0 }

// Group returns the number of replicas in a group.
func (r Ratio) Group() int { return max(r.Prefill+r.Decode, 1) }

// String returns the ratio as it is written; "" where replicas do both.
func (r Ratio) String() string {
	if !r.Apart() {
		return ""
	}
	return fmt.Sprintf("%d:%d", r.Prefill, r.Decode)
}

// apart returns how n groups of the ratio divide the replicas of a deployment.
func (r Ratio) apart(d *serving.Deployment, n int) (*serving.Apart, error) {
	if !r.Apart() {
		return nil, nil
	}
	return d.Apart(n*r.Prefill, n*r.Decode, 0)
}

// prefills returns how many prompts the prompt replicas of a group work at once.
func (s *server) prefills() float64 {
	return float64(s.ratio.Prefill * max(s.t.lanes.groups, 1))
}

// underApart estimates a group in which some replicas work prompts and others decode:
//
//	prompts   M/D/1 at each replica: ρ = λ·S/prefill, wait ρ·S/(2(1−ρ))
//	decoding  B = λ·G·T(B/decode), and no step has a prompt in it
func (s *server) underApart(q quick) quick {
	w, h := &s.t.w, &s.l.Host
	per := s.t.per
	alone := s.shorter*(s.prompt.alone+h.Token*w.prompt) + s.prompt.pieces*h.Step
	serve := s.shorter*(s.prompt.added[0]+h.Token*w.prompt) + s.prompt.pieces*h.Step
	load := min(q.rate*serve/s.prefills(), 0.999)
	t := s.step(q.batch)
	q.tpot = t
	own := alone + h.Request + h.Reply + h.Tokenise*w.prompt + s.way
	wait := load * serve / (2 * (1 - load))
	q.ttft = own + wait + t*per/2
	q.wait = func(p float64) float64 {
		tail := 0.0
		if load > 1-p {
			tail = wait / load * math.Log(load/(1-p))
		}
		return own + tail + p*t*per
	}
	decoding := min(1, q.rate*w.generate*t/max(q.batch, 1))
	q.use = (load*float64(s.ratio.Prefill) + decoding*float64(s.ratio.Decode)) / float64(s.ratio.Group())
	return q
}
