package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/scaling"
	"github.com/OWNER/ridgeline/units"
)

type scaleFlags struct {
	match, by, solve string
	multiple         int
	sequence         length
	chinchilla       bool

	deploy deployFlags
	load   loadFlags
	out    outFlags
}

func scaleCommand() *cobra.Command {
	s := &scaleFlags{sequence: 4096}
	c := &cobra.Command{
		Use:   "scale FAMILY(d=…)… --match MODEL",
		Short: "Make models equal: solve for width or depth",
		Long: `Finds the width, or the depth, at which each family equals the model of --match:

  counting-form  non-embedding parameters as the paper counts them; the aspect ratio is even
  params         parameters, embedding included
  train-flops    training FLOPs per token of a --sequence (--chinchilla: of the whole run)
  decode-bytes   bytes per decoded token of the workload
  throughput     decoded tokens per second of the workload on --on

Rounded up: the least width that reaches the target. scale mup carries hyperparameters over, scale
train prices the training run.`,
		Example: `  ridgeline scale 'sambay(d=16)' --match 'transformer++(d=16)' --by counting-form
  ridgeline scale 'sambay(d=32)' 'mambay(d=32)' --match phi4-mini --by params --multiple 64
  ridgeline scale 'sambay(d=16)' --match 'transformer++(d=16)' --by throughput --on h200 --batch 16
  ridgeline scale 'sambay(d=16)' --match llama-3.1-8b --by decode-bytes --solve depth`,
		Args:              needArgs(1, -1, "at least one family such as 'sambay(d=16)'"),
		ValidArgsFunction: familyNames,
		RunE:              s.run,
	}
	f := c.Flags()
	f.StringVar(&s.match, "match", "", "the model to be equal to (any MODEL)")
	f.StringVar(&s.by, "by", "params", "equal in what: "+strings.Join(scaling.Measures(), ", "))
	f.StringVar(&s.solve, "solve", "width", "width or depth")
	f.IntVar(&s.multiple, "multiple", 0, "round up to a multiple of this (default: the measure's own)")
	f.Lookup("multiple").DefValue = "0"
	f.Var(&s.sequence, "sequence", "training sequence, for train-flops")
	f.BoolVar(&s.chinchilla, "chinchilla", false, fmt.Sprintf("train-flops: each model on %d tokens per parameter", scaling.ChinchillaTokens))
	complete(c, "by", scaling.Measures)
	complete(c, "solve", scaling.Dimensions)
	_ = c.RegisterFlagCompletionFunc("match", modelNames)
	s.deploy.registerDevice(c)
	s.load.register(c)
	s.out.register(c)
	c.AddCommand(mupCommand(), trainCommand())
	return c
}

func (s *scaleFlags) run(c *cobra.Command, args []string) error {
	if err := s.out.check(); err != nil {
		return err
	}
	by, err := scaling.ParseMeasure(s.by)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	solve, err := scaling.ParseDimension(s.solve)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	if c.Flags().Changed("multiple") && (s.multiple < 1 || s.multiple > scaling.MaxWidth) {
		return fmt.Errorf("--multiple %d: must be from 1 to %d", s.multiple, scaling.MaxWidth)
	}
	if s.sequence < 1 {
		return fmt.Errorf("--sequence %d: must be 1 or more", s.sequence)
	}
	if s.match == "" {
		return errors.New("--match is missing: name the model to be equal to, such as 'transformer++(d=16)'")
	}
	set := &scaling.Setting{By: by, Sequence: int(s.sequence), Chinchilla: s.chinchilla}
	if set.Fidelity, set.Load, err = s.load.workload(); err != nil {
		return err
	}
	if w := set.Load; w.Batch > 0 {
		if err := w.Check(); err != nil {
			return err
		}
	}
	if set.Options, err = s.deploy.options(c); err != nil {
		return err
	}
	if set.Hardware, err = hardware.Open(s.deploy.on); err != nil {
		return fmt.Errorf("--on: %w", err)
	}
	refs, err := s.deploy.models(c, []string{s.match})
	if err != nil {
		return fmt.Errorf("--match: %w", err)
	}
	target, err := set.Value(refs[0])
	if err != nil {
		return fmt.Errorf("--match: %w", err)
	}
	var ms []scaling.Match
	for _, a := range args {
		m, err := set.Solve(c.Context(), a, target, solve, s.multiple)
		if err != nil {
			return err
		}
		ms = append(ms, m)
		s.misfit(c, set, m)
	}
	j := reports.Scale(set, solve, refs[0], target, ms)
	s.beyond(c, set, refs[0], &j.Reference)
	for i, m := range ms {
		s.beyond(c, set, m.Model, &j.Rows[i])
	}
	return s.out.write(c, []*reports.Table{reports.ScaleTable(j, reports.ScaleSetting(set, solve, s.multiple, refs[0].Name))}, j)
}

// beyond warns where the measure depends on the workload and the workload is longer than a model
// was made for.
func (s *scaleFlags) beyond(c *cobra.Command, set *scaling.Setting, m *arch.Model, row *reports.ScaleRowJSON) {
	if set.By != scaling.DecodeBytes && set.By != scaling.Throughput {
		return
	}
	if text := reports.LongerThan(m, set.Load.Prompt, set.Load.Generate); text != "" {
		warn(c.ErrOrStderr(), "%s", text)
		row.Warnings = append(row.Warnings, text)
	}
}

// misfit warns of a model that does not fit its device.
func (s *scaleFlags) misfit(c *cobra.Command, set *scaling.Setting, m scaling.Match) {
	if set.By != scaling.DecodeBytes && set.By != scaling.Throughput {
		return
	}
	x, err := costmodel.Compile(m.Model, set.Hardware, set.Options)
	if err != nil {
		return
	}
	if w, fits := x.Fill(set.Load); !fits {
		e, err := x.Estimate(set.Fidelity, w)
		if err == nil {
			warn(c.ErrOrStderr(), "%s %s", m.Name, reports.Misfit(e))
		}
	}
}

// familyNames completes names of families.
func familyNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, f := range family.Families() {
		names = append(names, f.Name+"(d=16)")
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

type mupFlags struct {
	base, rule    string
	rate, decay   float64
	batch, batch0 tokens
	tokens0       tokens
	out           outFlags
}

func mupCommand() *cobra.Command {
	m := &mupFlags{batch0: scaling.PaperBatchTokens, tokens0: scaling.PaperTokens}
	c := &cobra.Command{
		Use:   "mup MODEL",
		Short: "Carry hyperparameters from a small model to a large one",
		Long: `Learning rates, multipliers, initialisation, weight decay, batch and tokens for a model, from those
tuned on a base of the same family: by the paper's μP++ and, beside it, μP, the standard
parametrization and the card's rule, with where the card's departs and by how much. --format json
or yaml is for training scripts: the rule of --rule at the top level, the others under alternatives.`,
		Example: `  ridgeline scale mup 'sambay(d=24)'
  ridgeline scale mup 'sambay(d=24)' --batch 4Mi -o hyper.yaml
  ridgeline scale mup phi4-mini --base 'transformer++(d=16)' --rule mup --lr 3e-4`,
		Args:              needArgs(1, 1, "one model"),
		ValidArgsFunction: modelNames,
		RunE:              m.run,
	}
	f := c.Flags()
	f.StringVar(&m.base, "base", "", fmt.Sprintf("the model that was tuned (default: the family at d=%d)", scaling.PaperDepth))
	f.StringVar(&m.rule, "rule", scaling.MuPPlusPlus.String(), strings.Join(scaling.Rules(), ", "))
	f.Float64Var(&m.rate, "lr", scaling.PaperLearningRate, "learning rate of the base")
	f.Float64Var(&m.decay, "weight-decay", scaling.PaperWeightDecay, "weight decay of the base")
	f.Var(&m.batch, "batch", "batch in tokens, 4Mi or 4e6 (default: the base's)")
	f.Var(&m.batch0, "base-batch", "batch of the base in tokens")
	f.Var(&m.tokens0, "base-tokens", "tokens the base was trained on")
	complete(c, "rule", scaling.Rules)
	_ = c.RegisterFlagCompletionFunc("base", modelNames)
	m.out.register(c, "yaml")
	return c
}

func (m *mupFlags) run(c *cobra.Command, args []string) error {
	if err := m.out.check(); err != nil {
		return err
	}
	rule, err := scaling.ParseRule(m.rule)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	base := m.base
	if base == "" {
		fam, o, err := models.OpenFamily(args[0])
		if err != nil {
			if _, e := models.Open(args[0]); e == nil {
				return fmt.Errorf("%s is not a family spec: name the model that was tuned with --base", args[0])
			}
			return err
		}
		o.Depth, o.Width = scaling.PaperDepth, 0
		base = o.Spec(fam)
	}
	t := &scaling.Transfer{LearningRate: m.rate, WeightDecay: m.decay, BatchTokens: int64(m.batch0), Batch: int64(m.batch), Tokens: int64(m.tokens0)}
	if err := t.Check(); err != nil {
		return fmt.Errorf("--%w", err)
	}
	var d deployFlags
	ms, err := d.models(c, []string{args[0], base})
	if err != nil {
		return err
	}
	t.Target, t.Base = ms[0], ms[1]
	j := reports.Mup(t, rule)
	if m.out.format == "yaml" {
		return m.out.to(c, func(w io.Writer) error { return reports.WriteYAML(w, j) })
	}
	tables := reports.MupTables(j)
	if m.out.format == "csv" {
		tables = tables[:1]
	}
	return m.out.write(c, tables, j)
}

// tokens is a flag whose value is a number of tokens without a limit: 2097152, 2Mi, 100B, 5T.
type tokens int64

func (t *tokens) String() string { return fmt.Sprint(int64(*t)) }
func (t *tokens) Type() string   { return "tokens" }
func (t *tokens) Set(s string) error {
	v, err := units.ParseNumber(s)
	if err != nil || !(v >= 1 && v <= 1e16) {
		return fmt.Errorf("%q is not a number of tokens: write 2097152, 2Mi, 100B or 100e9", s)
	}
	*t = tokens(math.Round(v))
	return nil
}
