package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/internal/spell"
)

// helpCommand is cobra's help command, except that a verb that does not exist is an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Help about a verb",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownVerb(root, strings.Join(args, " "))
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return verbs(root), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func verbs(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

func unknownVerb(root *cobra.Command, verb string) error {
	return fmt.Errorf("unknown command %q: %s", verb, suggest(verb, verbs(root), "the commands are"))
}

// flagError puts an error of the flag parser into words: what is wrong and what to write.
func flagError(c *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &missing):
		name, names := "--"+missing.GetSpecifiedName(), []string(nil)
		if s := missing.GetSpecifiedShortnames(); s != "" {
			name = "-" + missing.GetSpecifiedName()
		}
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		return fmt.Errorf("%s: unknown flag %s: %s", c.Name(), name, suggest(name, names, "its flags are"))
	case errors.As(err, &value):
		return fmt.Errorf("--%s: %w", value.GetFlag().Name, cause(value))
	}
	return err
}

// cause removes what parsers of the standard library say about themselves, such as
// strconv.ParseInt: parsing "x".
func cause(v *pflag.InvalidValueError) error {
	err := errors.Unwrap(v)
	if strings.HasPrefix(err.Error(), "strconv.") {
		return fmt.Errorf("%q is not a number", v.GetValue())
	}
	return err
}

// suggest returns the name that is nearest to a misspelt word, or all names.
func suggest(word string, names []string, all string) string {
	best, least := "", 0
	for _, n := range names {
		d := spell.Distance(strings.ToLower(word), n)
		if len(word) > 3 && strings.HasPrefix(n, strings.ToLower(word)) {
			d = 1
		}
		if best == "" || d < least {
			best, least = n, d
		}
	}
	if best != "" && least <= max(1, len(strings.TrimLeft(best, "-"))/3) {
		return fmt.Sprintf("did you mean %s?", best)
	}
	slices.Sort(names)
	return all + " " + strings.Join(names, ", ")
}
