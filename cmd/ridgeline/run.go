package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes: 0 done, 1 a run failed or a check did not hold, 2 bad input.
const (
	exitFailed   = 1
	exitBadInput = 2
)

// failure is an error of a run, not of its input.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "ridgeline: "+firstLine(err))
	var f failure
	if errors.As(err, &f) || errors.Is(err, context.Canceled) {
		return exitFailed
	}
	return exitBadInput
}

// firstLine keeps an error to the one line people are promised.
func firstLine(err error) string {
	if errors.Is(err, context.Canceled) {
		return "stopped"
	}
	s := strings.TrimPrefix(err.Error(), "ridgeline: ")
	return strings.Join(strings.Fields(s), " ")
}

func rootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ridgeline",
		Short: "What a decoder costs to run, before anyone trains it",
		Long: `ridgeline prices decoder architectures on accelerators: decode speed, time to first token,
memory held and moved, and where the time goes. A MODEL is a preset (phi4-mini-flash), a family
spec ('sambay(d=16,gmu_ratio=0.5)'), a YAML layout or a Hugging Face config.json.`,
		Example: `  ridgeline compare phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k --generate 32k
  ridgeline estimate phi4-mini-flash --breakdown
  ridgeline models
  ridgeline hardware`,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				hint := ""
				if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
					hint = ": did you mean " + strings.Join(s, " or ") + "?"
				}
				return fmt.Errorf("unknown command %q%s (ridgeline --help lists them)", args[0], hint)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(modelsCommand(), hardwareCommand(), estimateCommand(), compareCommand())
	return c
}

// onTerminal reports whether people are looking at w.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// warn prints a warning.
func warn(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "ridgeline: warning: "+format+"\n", args...)
}
