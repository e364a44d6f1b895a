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
	)
	c := &cobra.Command{
		Use:   "advise MODEL",
		Short: "Hold a design against what the sources recommend",
		Long: `Measures each recommendation and pitfall of the sources on the model and its load: layout (GMU
ratio, alternation, memory, depth, owners, windows), batch, length, precision, parallelism, and what
binds a step. A gain is promised only where the cost model finds it with the change made; --apply
RULE writes the changed model as a file that every MODEL argument takes.`,
		Example: `  ridgeline advise phi4-mini-flash --batch 16
  ridgeline advise llama-3.1-8b --against phi4-mini-flash --generate 4k
  ridgeline advise 'sambay(d=16,gmu_ratio=0.25)' --strict
  ridgeline advise phi4-mini --apply cache-owners -o phi4-mini-sambay.yaml`,
		Args:              needArgs(1, 1, "one model"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			out.artefact = apply != ""
			if err := out.check(); err != nil {
				return err
			}
			if apply != "" && !slices.Contains(advise.Rules(), apply) {
				return fmt.Errorf("--apply %q is not one of %s", apply, strings.Join(advise.Rules(), ", "))
			}
			f, w, cs, err := load.on(c, &deploy, args)
			if err != nil {
				return err
			}
			o := advise.Options{Model: cs[0].Model, Argument: args[0], Hardware: cs[0].Hardware, Deploy: cs[0].Options, Load: w, Fidelity: f}
			if c.Flags().Changed("gmu-ratio") {
				o.Argument = "" // the argument no longer says what the model is
			}
			if against != "" {
				if o.Against, err = models.Open(against); err != nil {
					return fmt.Errorf("--against: %w", err)
				}
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
	c.Flags().StringVar(&apply, "apply", "", "write the model this rule would change it to, as a model file")
	complete(c, "apply", advise.Rules)
	return c
}

// applyAdvice writes the model of an advice.
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
	return out.to(c, func(w io.Writer) error {
		_, err := io.WriteString(w, v.YAML)
		return err
	})
}
