package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/models"
)

// specFlags say what drafts tokens for a model to verify.
type specFlags struct {
	draft      string
	tokens     int
	acceptance float64
	flags      *pflag.FlagSet
}

func (s *specFlags) register(c *cobra.Command) {
	s.bind(c.Flags())
	complete(c, "draft", func() []string { return append([]string{"mtp", "ngram"}, presetNames()...) })
}

// bind makes the flags, without completions for a shell.
func (s *specFlags) bind(f *pflag.FlagSet) {
	s.flags = f
	s.flags.StringVar(&s.draft, "draft", "", "speculative decoding: what drafts, a model, mtp (the blocks of multi-token prediction of the checkpoint) or ngram (lookups, at no cost)")
	s.flags.IntVar(&s.tokens, "draft-tokens", 3, "tokens drafted a step")
	s.flags.Float64Var(&s.acceptance, "acceptance", 0, "share of drafted tokens that the model accepts, 0 to 1: needed with --draft")
	s.flags.Lookup("acceptance").DefValue = ""
}

func presetNames() (names []string) {
	for _, p := range models.Presets() {
		names = append(names, p.Name)
	}
	return names
}

// check checks the flags before models are opened.
func (s *specFlags) check() error {
	for _, n := range []string{"draft-tokens", "acceptance"} {
		if s.draft == "" && s.flags.Changed(n) {
			return fmt.Errorf("--%s changes nothing without --draft", n)
		}
	}
	switch {
	case s.draft == "":
		return nil
	case !s.flags.Changed("acceptance"):
		return fmt.Errorf("--draft %s: give --acceptance, the share of drafted tokens that are accepted, as measured on your text (0 to 1)", s.draft)
	case s.tokens < 0 || s.tokens > costmodel.MostDrafts:
		return fmt.Errorf("--draft-tokens %d: must be from 0 to %d", s.tokens, costmodel.MostDrafts)
	case !(s.acceptance >= 0 && s.acceptance <= 1):
		return fmt.Errorf("--acceptance %g: must be from 0 to 1", s.acceptance)
	}
	return nil
}

// of returns the speculation for a model, nil where the flags ask for none.
func (s *specFlags) of(c *cobra.Command, x *costmodel.Compiled) (*costmodel.Speculation, error) {
	if s.draft == "" {
		return nil, nil
	}
	out := &costmodel.Speculation{Draft: costmodel.NGram(), Tokens: s.tokens, Acceptance: s.acceptance}
	switch s.draft {
	case "ngram":
	case "mtp":
		d, err := x.MTP()
		if err != nil {
			return nil, fmt.Errorf("--draft mtp: %w", err)
		}
		out.Draft = d
	default:
		m, err := models.Open(s.draft)
		if err != nil {
			return nil, fmt.Errorf("--draft: %w", err)
		}
		if m.Vocab != x.Model.Vocab {
			warn(c.ErrOrStderr(), "--draft %s has a vocabulary of %d, %s of %d: engines want the same", m.Name, m.Vocab, x.Model.Name, x.Model.Vocab)
		}
		d, err := costmodel.Compile(m, x.Hardware, x.Options)
		if err != nil && x.TP() > 1 { // engines run a small draft model on every device by itself
			o := x.Options
			o.TP = 1
			d, err = costmodel.Compile(m, x.Hardware, o)
			if err == nil {
				warn(c.ErrOrStderr(), "--draft %s does not divide over %d devices: each runs all of it", m.Name, x.TP())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("--draft %s: %w", s.draft, err)
		}
		out.Draft = costmodel.DraftModel(d)
	}
	return out, nil
}

// ofModels returns the speculation for each model; the map is empty where the flags ask for none.
func (s *specFlags) ofModels(c *cobra.Command, cs []*costmodel.Compiled) (map[*costmodel.Compiled]*costmodel.Speculation, error) {
	out := map[*costmodel.Compiled]*costmodel.Speculation{}
	for _, x := range cs {
		spec, err := s.of(c, x)
		if err != nil {
			return nil, err
		}
		if spec != nil {
			out[x] = spec
		}
	}
	return out, nil
}

// prefixFlag is the share of the prompts that is found in the cache.
type prefixFlag struct{ share float64 }

func (p *prefixFlag) register(f *pflag.FlagSet) {
	f.Float64Var(&p.share, "prefix-share", 0, "share of each prompt that is in the cache already, 0 to 1")
}

func (p *prefixFlag) check() error {
	if !(p.share >= 0 && p.share <= 1) {
		return fmt.Errorf("--prefix-share %g: must be from 0 to 1", p.share)
	}
	return nil
}
