package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/internal/plain"
	"github.com/OWNER/ridgeline/reports"
)

// The exit codes. 0: done. 1: a run failed, for example because the disk is full, or a check did
// not hold. 2: the input is wrong. 130: stopped by a signal.
const (
	exitFailed   = 1
	exitBadInput = 2
	exitStopped  = 130
)

// failure is an error of a run whose input was right.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	root := rootCommand(out)
	root.SetArgs(args)
	errs := &messages{Writer: stderr}
	root.SetErr(errs)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return heedFlags(root, cmd, args) }
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil && ctx.Err() != nil:
		err = ctx.Err() // a stopped run never counts as done
	case err == nil && out.err != nil:
		err = out.err // the printing of help does not return its errors
	}
	code := exitCode(ctx, err)
	if code != exitBadInput {
		errs.flush()
	}
	if err != nil {
		fmt.Fprintln(stderr, "ridgeline: "+firstLine(err))
	}
	return code
}

// heedFlags warns where a flag is given twice, and says that the last value counts. It refuses an
// empty name of an output file, which a script with an empty variable would give.
func heedFlags(root, cmd *cobra.Command, args []string) error {
	_, rest, err := root.Find(args)
	if err != nil || cmd.DisableFlagParsing { // the shell asks how to complete a line
		return err
	}
	given := map[string]string{}
	return cmd.Flags().ParseAll(rest, func(f *pflag.Flag, value string) error {
		if f.Name == "output" && value == "" {
			return errors.New("-o: the name of the file to write is empty")
		}
		first, again := given[f.Name]
		if _, list := f.Value.(pflag.SliceValue); again && !list && first != value {
			warn(cmd.ErrOrStderr(), "--%s is given twice, %q and %q: the last counts", f.Name, plain.Clip(first), plain.Clip(value))
		}
		given[f.Name] = value
		return nil
	})
}

func exitCode(ctx context.Context, err error) int {
	var f failure
	var w *atomicfile.WriteError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return exitStopped
	case errors.As(err, &f), errors.As(err, &w):
		return exitFailed
	}
	return exitBadInput
}

// output is stdout. It remembers an error of writing, such as a full disk, which is not an error
// of the input.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		err = &atomicfile.WriteError{Path: "standard output", Err: err}
		o.err = err
	}
	return n, err
}

// firstLine shortens an error to one line.
func firstLine(err error) string {
	if errors.Is(err, context.Canceled) {
		return "stopped"
	}
	return oneLine(strings.TrimPrefix(err.Error(), "ridgeline: "))
}

func rootCommand(stdout io.Writer) *cobra.Command {
	var showVersion bool
	c := &cobra.Command{
		Use:   "ridgeline",
		Short: "What a decoder costs to run, before anyone trains it",
		Long: `ridgeline prices decoder architectures on accelerators: decode speed, time to first token,
memory held and moved, and where the time goes. A MODEL is a preset (phi4-mini-flash) or its
checkpoint on Hugging Face (Qwen/Qwen3-32B), a family spec ('sambay(d=16,gmu_ratio=0.5)'), a YAML
layout or a Hugging Face config.json.`,
		Example: `  ridgeline compare phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k --generate 32k
  ridgeline estimate phi4-mini-flash --breakdown
  ridgeline models
  ridgeline hardware`,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
				return err
			}
			return cmd.Help()
		},
	}
	c.Flags().BoolVarP(&showVersion, "version", "v", false, "version for ridgeline")
	c.SetFlagErrorFunc(flagError)
	c.SetUsageFunc(usage)
	c.AddCommand(modelsCommand(), hardwareCommand(), estimateCommand(), compareCommand(), sweepCommand(), scaleCommand(), plotCommand(), reportCommand(), exploreCommand(), validateCommand(), calibrateCommand(), claimsCommand(), adviseCommand())
	c.AddCommand(simulateCommand(), planCommand())
	c.SetOut(stdout) // the completion command keeps the output that is set when the command is made
	c.InitDefaultCompletionCmd()
	c.SetHelpCommand(helpCommand(c))
	for _, sub := range c.Commands() {
		sub.Long = fill(sub.Long)
		if sub.Name() == "completion" {
			sub.Args = knownShell
			sub.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	decimals(c)
	return c
}

// knownShell returns an error for arguments that are no subcommand of completion.
func knownShell(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("completion: no shell %q: write completion bash, zsh, fish or powershell", args[0])
	}
	return nil
}

// fill breaks the paragraphs of a help text into new lines, so that none is longer than the
// others. Indented lines, which are lists and tables, stay as they are.
func fill(s string) string {
	blocks := strings.Split(s, "\n\n")
	for i, b := range blocks {
		if !slices.ContainsFunc(strings.Split(b, "\n"), func(l string) bool {
			return strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t") || strings.HasPrefix(l, "- ")
		}) {
			blocks[i] = reports.Wrap(strings.Join(strings.Fields(b), " "))
		}
	}
	return strings.Join(blocks, "\n\n")
}
