package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/claims"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/reports"
)

func claimsCommand() *cobra.Command {
	var (
		out                         outFlags
		ids                         []string
		on, kvRead, diff, mode, fid string
	)
	c := &cobra.Command{
		Use:   "claims",
		Short: "Audit what is claimed of SambaY and GMUs",
		Long: `Prices the claims of the paper, the model card and a skill card, each in its own setting, and
gives a verdict with the reason: holds, holds when, or does not hold. Everything is computed; other
hardware or kernels may turn a verdict. --id shows the working: factors multiplied out, sweeps.`,
		Example: `  ridgeline claims
  ridgeline claims --id throughput-10x
  ridgeline claims --kv-read packed_unless_windowed --diff-kernel four_pass
  ridgeline claims --on h200 --format json`,
		Args: needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			o := claims.Options{Only: ids, Judge: fid, Simulate: claims.NewSimulator()}
			for _, id := range ids {
				if !slices.Contains(claims.IDs(), id) {
					return fmt.Errorf("--id %q is not one of %s", id, strings.Join(claims.IDs(), ", "))
				}
			}
			var err error
			if o.Deploy.KVRead, err = execution.ParseKVRead(kvRead); err != nil {
				return fmt.Errorf("--%w", err)
			}
			if o.Deploy.Diff, err = execution.ParseDiffKernel(diff); err != nil {
				return fmt.Errorf("--%w", err)
			}
			if o.Deploy.Prefill, err = execution.ParsePrefillMode(mode); err != nil {
				return fmt.Errorf("--%w", err)
			}
			if fid != "" {
				f, err := costmodel.ParseFidelity(fid)
				if err != nil {
					return fmt.Errorf("--%w", err)
				}
				o.Judge = f.String()
			}
			if o.Hardware, err = hardware.Open(on); err != nil {
				return fmt.Errorf("--on: %w", err)
			}
			r, err := claims.Run(c.Context(), o)
			if err != nil {
				return err
			}
			tables := []*reports.Table{reports.ClaimsTable(r)}
			if len(ids) > 0 && out.format != "csv" {
				tables = nil
				for _, x := range r.Claims {
					tables = append(tables, reports.ClaimTables(r, x)...)
				}
			}
			return out.write(c, tables, r)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&ids, "id", nil, "audit these claims only, with their working")
	f.StringVar(&on, "on", "a100-80gb", "hardware: a name (ridgeline hardware lists them) or a profile file")
	f.StringVar(&kvRead, "kv-read", "packed", "how kernels read K and V: "+strings.Join(execution.KVReads(), ", "))
	f.StringVar(&diff, "diff-kernel", "fused", "differential attention: "+strings.Join(execution.DiffKernels(), " or "))
	f.StringVar(&mode, "prefill", "skip", "skip (cross-decoder runs for the last position) or full")
	f.StringVar(&fid, "fidelity", "", "fidelity of the verdicts (default the finest with figures): "+strings.Join(costmodel.Fidelities(), ", "))
	complete(c, "id", claims.IDs)
	complete(c, "on", hardware.Names)
	complete(c, "kv-read", execution.KVReads)
	complete(c, "diff-kernel", execution.DiffKernels)
	complete(c, "prefill", execution.PrefillModes)
	complete(c, "fidelity", costmodel.Fidelities)
	out.register(c)
	return c
}
