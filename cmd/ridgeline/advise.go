package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/advise"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
)

func adviseCommand() *cobra.Command {
	var (
		deploy         deployFlags
		load           loadFlags
		out            outFlags
		strict         bool
		against, apply string
		which          string
	)
	c := &cobra.Command{
		Use:   "advise MODEL",
		Short: "Hold a design against what the sources recommend",
		Long: `Measures each recommendation and pitfall of the sources on the model and its load: layout (GMU
ratio, alternation, memory, depth, owners, windows), batch, length, precision, parallelism, and what
binds a step. A gain is promised only where the cost model finds it with the change made; --apply
RULE writes the changed model as a file that every MODEL argument takes.

--which asks for a number instead: the design at every GMU ratio, window or number of kv heads
under this load, from where on more of it gains little, and what the sources say of quality.
--apply gmu_ratio=0.5 writes the design with that value under a name of its own.`,
		Example: `  ridgeline advise phi4-mini-flash --batch 16
  ridgeline advise llama-3.1-8b --against phi4-mini-flash --generate 4k
  ridgeline advise 'sambay(d=16,gmu_ratio=0.25)' --strict
  ridgeline advise phi4-mini --apply cache-owners -o phi4-mini-sambay.yaml
  ridgeline advise phi4-mini-flash --which gmu_ratio --on h200 --batch 16
  ridgeline advise phi4-mini-flash --apply gmu_ratio=0.5 -o phi4-mini-flash-half.yaml`,
		Args:              needArgs(1, 1, "one model"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			out.artefact = apply != ""
			if err := out.check(); err != nil {
				return err
			}
			knob, value, chosen := strings.Cut(apply, "=")
			switch {
			case chosen && !slices.Contains(advise.Knobs(), knob):
				return fmt.Errorf("--apply %s: %q is not one of %s", apply, knob, strings.Join(advise.Knobs(), ", "))
			case !chosen && apply != "" && !slices.Contains(advise.Rules(), apply):
				return fmt.Errorf("--apply %q is not one of %s, nor KNOB=VALUE", apply, strings.Join(advise.Rules(), ", "))
			case which != "" && !slices.Contains(advise.Knobs(), which):
				return fmt.Errorf("--which %q is not one of %s", which, strings.Join(advise.Knobs(), ", "))
			case which != "" && apply != "":
				return fmt.Errorf("--which shows values and --apply writes one: give one of them")
			}
			f, w, cs, err := load.on(c, &deploy, args)
			if err != nil {
				return err
			}
			o := advise.Options{Model: cs[0].Model, Argument: args[0], Hardware: cs[0].Hardware, Deploy: cs[0].Options, Load: w, Fidelity: f}
			if c.Flags().Changed("gmu-ratio") {
				o.Argument = "" // the argument no longer describes the model
			}
			if against != "" {
				if o.Against, err = models.Open(against); err != nil {
					return fmt.Errorf("--against: %w", err)
				}
			}
			if chosen {
				yaml, said, err := advise.Apply(o.Model, knob, value)
				if err != nil {
					return fmt.Errorf("--apply %s: %w", apply, err)
				}
				if said != "" {
					warn(c.ErrOrStderr(), "%s", said)
				}
				return writeYAML(c, &out, yaml)
			}
			if which != "" {
				r, err := advise.Choose(c.Context(), o, which)
				if err != nil {
					return fmt.Errorf("--which %s: %w", which, err)
				}
				return out.write(c, []*reports.Table{reports.ChoiceTable(r)}, r)
			}
			r, err := advise.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if apply != "" {
				return applyAdvice(c, &out, r.Find(apply))
			}
			if err := out.write(c, []*reports.Table{reports.AdviseTable(r)}, r); err != nil {
				return err
			}
			if strict && r.Warnings > 0 {
				return failure{fmt.Errorf("%s: %d of %d rules warn", r.Model, r.Warnings, len(r.Advice))}
			}
			return nil
		},
	}
	deploy.register(c)
	load.register(c)
	out.register(c)
	c.Flags().BoolVar(&strict, "strict", false, "exit 1 if a rule warns")
	c.Flags().StringVar(&against, "against", "", "model that generation-length compares with (default the model with full attention throughout)")
	c.Flags().StringVar(&apply, "apply", "", "write the model this rule would change it to, or with KNOB=VALUE, as a model file")
	c.Flags().StringVar(&which, "which", "", "show the design at every value of one number: "+strings.Join(advise.Knobs(), ", "))
	complete(c, "which", advise.Knobs)
	complete(c, "apply", advise.Rules)
	return c
}

// applyAdvice writes the changed model of an advice to a file.
func applyAdvice(c *cobra.Command, out *outFlags, v *advise.Advice) error {
	if v.YAML == "" {
		what := "it changes no layers"
		if v.Severity == advise.Fine {
			what = "it finds nothing to change"
		} else if len(v.Flags) > 0 {
			what += ": add " + strings.Join(v.Flags, " ")
		}
		return fmt.Errorf("--apply %s: %s", v.ID, what)
	}
	return writeYAML(c, out, v.YAML)
}

func writeYAML(c *cobra.Command, out *outFlags, yaml string) error {
	return out.to(c, func(w io.Writer) error {
		_, err := io.WriteString(w, yaml)
		return err
	})
}
