package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "ridgeline VERB [MODEL…] [flags]",
		Short: "What a decoder costs to run, before anyone trains it",
		Long: `ridgeline predicts what a decoder costs to run: how fast it decodes, how much memory
it moves and holds, and where its time goes.

MODEL is a preset (ridgeline models lists them), a family with its options such as
'sambay(d=16,gmu_ratio=0.5)', or a file: a YAML layout or a Hugging Face config.json.`,
		Example: `  ridgeline compare phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k --generate 32k
  ridgeline estimate llama-3.1-8b --on h100-sxm --batch max
  ridgeline models 'sambay(d=16)'`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// With Args and RunE of its own, the root gets to word the error on an unknown verb.
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(modelsCommand(a), hardwareCommand(a), estimateCommand(a), compareCommand(a))
	return root
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Help about a verb",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 && cmd == root {
				return unknownVerb(root, strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range root.Commands() {
				names = append(names, c.Name())
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func unknownVerb(root *cobra.Command, verb string) error {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return fmt.Errorf("unknown verb %q: %s", verb, suggest(verb, names, "the verbs are"))
}

// flagError words the errors of the flag parser: what, and how to fix it.
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	var value *pflag.InvalidValueError
	var required *pflag.ValueRequiredError
	switch {
	case errors.As(err, &missing):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		name := "--" + missing.GetSpecifiedName()
		if s := missing.GetSpecifiedShortnames(); s != "" {
			name = "-" + s
		}
		return fmt.Errorf("unknown flag %s of %s: %s", name, cmd.Name(), suggest(name, names, "its flags are"))
	case errors.As(err, &value):
		return fmt.Errorf("--%s: %w", value.GetFlag().Name, errors.Unwrap(value))
	case errors.As(err, &required):
		return fmt.Errorf("--%s needs a value: --%[1]s %s", required.GetFlag().Name, required.GetFlag().Value.Type())
	}
	return err
}

// suggest names what is nearest to a misspelt word, or everything there is.
func suggest(word string, names []string, all string) string {
	best, least := "", 0
	for _, n := range names {
		d := editDistance(strings.ToLower(word), n)
		if len(word) > 2 && strings.HasPrefix(n, strings.ToLower(word)) {
			d = 0
		}
		if best == "" || d < least {
			best, least = n, d
		}
	}
	if best != "" && least <= max(1, len(best)/3) {
		return fmt.Sprintf("did you mean %s?", best)
	}
	slices.Sort(names)
	return all + " " + strings.Join(names, ", ")
}

// editDistance is Levenshtein's, in bytes; words too long to be a slip are far.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := left
			if a[i] != b[j] {
				d++
			}
			left = row[j+1]
			row[j+1] = min(d, left+1, row[j]+1)
		}
	}
	return row[len(b)]
}
