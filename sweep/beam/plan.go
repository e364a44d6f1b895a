package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/OWNER/ridgeline/sweep"
)

func init() {
	register.DoFn3x1[context.Context, int, func(shard), error](&planRows{})
	register.Emitter1[shard]()
	register.DoFn3x1[context.Context, int, func(*shard) bool, error](&mergeRows{})
	register.Iter1[shard]()
}

// shard holds the rows of one part of a plan, as ridgeline plan --shard writes them.
type shard struct {
	Number int // from 1
	Rows   []byte
}

// planRows simulates the deployments of parts of a plan. A plan is words of a command line, so that
// each worker needs the program.
type planRows struct {
	Program string
	Args    []string // plan, models and flags
	Of      int      // how many parts there are
	Format  string   // the ending of the file's name
}

// ProcessElement simulates one part.
func (p *planRows) ProcessElement(ctx context.Context, number int, emit func(shard)) error {
	dir, err := os.MkdirTemp("", "ridgeline-plan")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "rows"+p.Format)
	var said bytes.Buffer
	c := exec.CommandContext(ctx, p.Program, slices.Concat(p.Args, []string{"--rows", file, "--shard", fmt.Sprintf("%d/%d", number, p.Of)})...)
	c.Stderr = &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.Program, err, strings.Join(strings.Fields(said.String()), " "))
	}
	rows, err := os.ReadFile(file)
	if err == nil {
		emit(shard{number, rows})
	}
	return err
}

// mergeRows joins the parts, checks them as ridgeline sweep merge does, and writes them as one file.
type mergeRows struct {
	Output string
	Of     int
	Format string
}

// ProcessElement joins the parts of the one key there is.
func (m *mergeRows) ProcessElement(ctx context.Context, _ int, next func(*shard) bool) error {
	dir, err := os.MkdirTemp("", "ridgeline-plan")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var paths []string
	for s := (shard{}); next(&s); s = (shard{}) {
		path := filepath.Join(dir, fmt.Sprintf("%d%s", s.Number, m.Format))
		if err := os.WriteFile(path, s.Rows, 0o600); err != nil {
			return err
		}
		paths = append(paths, path)
	}
	if len(paths) != m.Of {
		return fmt.Errorf("%d of %d parts arrived", len(paths), m.Of)
	}
	var rows bytes.Buffer
	if err := sweep.Merge(ctx, &rows, paths); err != nil {
		return err
	}
	return write(ctx, m.Output, [][]byte{rows.Bytes()})
}

// planPipeline simulates every deployment of a plan in so many parts. args are the words behind
// ridgeline, without those that say where rows go.
func planPipeline(program string, args []string, output string, parts int) (*beam.Pipeline, error) {
	format := filepath.Ext(output)
	switch {
	case len(args) == 0 || args[0] != "plan":
		return nil, errors.New("behind -- comes a plan: -- plan MODEL… --on DEVICE:COUNT …")
	case format != ".csv" && format != ".jsonl":
		return nil, fmt.Errorf("%s: rows are written to a .csv or .jsonl file", output)
	case parts < 1:
		return nil, fmt.Errorf("--parts %d: must be 1 or more", parts)
	}
	for _, a := range args {
		name, _, _ := strings.Cut(a, "=")
		if slices.Contains([]string{"--rows", "--shard", "--seen", "--resume", "--restart", "--output", "-o"}, name) {
			return nil, fmt.Errorf("%s: which rows are written, and where, say --output and --parts", name)
		}
	}
	var numbers []int
	for i := range parts {
		numbers = append(numbers, i+1)
	}
	p, s := beam.NewPipelineWithRoot()
	spread := beam.Reshuffle(s, beam.CreateList(s, numbers))
	shards := beam.ParDo(s, &planRows{Program: program, Args: args, Of: parts, Format: format}, spread)
	grouped := beam.GroupByKey(s, beam.AddFixedKey(s, shards))
	beam.ParDo0(s, &mergeRows{Output: output, Of: parts, Format: format}, grouped)
	return p, nil
}
