package main

import (
	"strings"

	"github.com/spf13/cobra"

	"ridgeline/arch"
	"ridgeline/costmodel"
	"ridgeline/hardware"
	"ridgeline/precision"
)

// completeFlag makes a flag complete to one of the words.
func completeFlag(cmd *cobra.Command, flag string, words []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("ridgeline: " + err.Error()) // no such flag, or registered twice
	}
}

// completeModels offers presets, families and files.
func completeModels(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, p := range arch.Presets() {
		if strings.HasPrefix(p.Name, strings.ToLower(prefix)) {
			out = append(out, cobra.CompletionWithDesc(p.Name, p.Doc))
		}
	}
	for _, f := range arch.Families() {
		if strings.HasPrefix(f.Name, strings.ToLower(prefix)) {
			out = append(out, cobra.CompletionWithDesc(f.Name+"(d=", f.Doc))
		}
	}
	return out, cobra.ShellCompDirectiveDefault
}

// completeHardware offers the profiles and files.
func completeHardware(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, p := range hardware.All() {
		out = append(out, cobra.CompletionWithDesc(p.Name, p.Title))
	}
	return out, cobra.ShellCompDirectiveDefault
}

// complete registers the completions of the deployment flags.
func (d *deployFlags) complete(cmd *cobra.Command) {
	if err := cmd.RegisterFlagCompletionFunc("on", completeHardware); err != nil {
		panic("ridgeline: " + err.Error())
	}
	var dtypes []string
	for _, t := range precision.Storable() {
		dtypes = append(dtypes, t.String())
	}
	for _, f := range []string{"weights", "kv", "state", "activations"} {
		completeFlag(cmd, f, dtypes)
	}
	completeFlag(cmd, "compute", append(dtypes, precision.TF32.String(), precision.FP4.String()))
	completeFlag(cmd, "prefill", costmodel.PrefillModes())
	completeFlag(cmd, "kv-read", costmodel.KVReads())
	completeFlag(cmd, "diff-kernel", costmodel.DiffKernels())
	for _, f := range []string{"tp", "memory-fraction", "gmu-ratio"} {
		completeFlag(cmd, f, nil)
	}
}

func (w *workloadFlags) complete(cmd *cobra.Command) {
	completeFlag(cmd, "fidelity", costmodel.Fidelities())
	completeFlag(cmd, "batch", []string{"1", "16", "max"})
	completeFlag(cmd, "prompt", []string{"2k", "32k"})
	completeFlag(cmd, "generate", []string{"500", "32k"})
}
