package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/plan"
	"github.com/OWNER/ridgeline/sweep"
)

// rowFlags make a plan from rows in files: every deployment is simulated, one shard at a time.
type rowFlags struct {
	rows, shard, seen string
	resume, restart   bool
}

func (r *rowFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.rows, "rows", "", "simulate every deployment, not the finalists alone, into a .csv or .jsonl file of rows")
	f.StringVar(&r.shard, "shard", "", "i/n: only the i-th of n parts of --rows; sweep merge joins them")
	f.BoolVar(&r.resume, "resume", false, "go on with unfinished --rows")
	f.BoolVar(&r.restart, "restart", false, "discard unfinished --rows")
	f.StringVar(&r.seen, "seen", "", "plan from such rows, all of them")
}

func (r *rowFlags) check() error {
	switch {
	case r.rows == "" && (r.shard != "" || r.resume || r.restart):
		return errors.New("--shard, --resume and --restart are of --rows: give --rows FILE")
	case r.rows != "" && r.seen != "":
		return errors.New("--rows writes rows and --seen reads them: give one of them")
	}
	return nil
}

// write simulates the rows and writes them.
func (r *rowFlags) write(c *cobra.Command, q *plan.Problem) error {
	l, err := q.Listing(c.Context())
	if err != nil {
		return err
	}
	bar, clear := progress(c.ErrOrStderr(), "deployments")
	defer clear()
	file := &sweep.File{Path: r.rows, Resume: r.resume, Restart: r.restart, Progress: bar,
		Table: &sweep.Table{ID: l.ID(), Setting: l.Setting(), Figures: l.Figures(), N: len(l.Candidates), At: l.At, Work: l.Work},
		Note:  func(text string) { warn(c.ErrOrStderr(), "%s", text) }}
	if file.Shard, file.Of, err = parseShard(r.shard); err != nil {
		return err
	}
	rows, err := file.Run(c.Context())
	clear()
	if err := unfinished(err, rows, r.rows); err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "%d rows in %s\n", rows.Rows, r.rows)
	return nil
}

// read makes the plan from rows that were written.
func (r *rowFlags) read(ctx context.Context, q *plan.Problem) (*plan.Plan, error) {
	l, err := q.Listing(ctx)
	if err != nil {
		return nil, err
	}
	t := &sweep.Table{Setting: l.Setting(), Figures: l.Figures(), N: len(l.Candidates), At: l.At}
	figures, err := t.Read(r.seen)
	if err != nil {
		return nil, fmt.Errorf("--seen: %w", err)
	}
	p, err := l.Choose(ctx, figures)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("--seen %s: %w", r.seen, err)
	}
	return p, err
}

// parseShard reads i/n; "" stands for all rows.
func parseShard(s string) (shard, of int, err error) {
	if s == "" {
		return 0, 0, nil
	}
	if n, err := fmt.Sscanf(s, "%d/%d", &shard, &of); n != 2 || err != nil || shard < 1 || shard > of || s != fmt.Sprintf("%d/%d", shard, of) {
		return 0, 0, fmt.Errorf("--shard %q: write i/n with i from 1 to n", s)
	}
	return shard, of, nil
}

// rowsOnly returns an error for flags that have no meaning where only rows are written.
func (r *rowFlags) rowsOnly(c *cobra.Command) error {
	var given []string
	for _, n := range []string{"format", "output", "finalists"} {
		if c.Flags().Changed(n) {
			given = append(given, "--"+n)
		}
	}
	if len(given) > 0 {
		return fmt.Errorf("%s: --rows writes rows alone; --seen makes the plan of them", strings.Join(slices.Compact(given), ", "))
	}
	return nil
}
