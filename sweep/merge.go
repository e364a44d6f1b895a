package sweep

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/OWNER/ridgeline/internal/input"
)

// shard is one file of a grid's rows that was found to be whole.
type shard struct {
	mark
	path       string
	header     string   // of a CSV file
	columns    []string // nil where a JSON file has no rows
	rows       int
	begin, end int64 // where the rows begin and end in the file, in bytes
}

// Merge joins the shards of one grid and writes to w what a single run of the whole grid would
// write. It reads all rows before it writes the first. It refuses shards of different grids,
// shards that overlap or leave gaps, and shards that were cut or changed since the sweep wrote
// them or that hold rows of other shards.
func Merge(ctx context.Context, w io.Writer, paths []string) error {
	if len(paths) == 0 {
		return errors.New("merge: no shards given")
	}
	f, err := FormatOf(paths[0])
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	var shards []*shard
	for _, p := range paths {
		if isArray(p) {
			return fmt.Errorf("merge: %s is not a shard: shards are .csv or .jsonl files", p)
		}
		if g, err := FormatOf(p); err != nil || g != f {
			return fmt.Errorf("merge: %s and %s are not of one format", paths[0], p)
		}
		s, err := checkShard(ctx, f, p)
		if err != nil {
			return fmt.Errorf("merge: %w", err)
		}
		shards = append(shards, s)
	}
	sort.SliceStable(shards, func(i, j int) bool { return shards[i].From < shards[j].From })
	if err := adjoin(shards); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	if _, err := io.WriteString(w, shards[0].header); err != nil {
		return err
	}
	for _, s := range shards {
		if err := s.copyRows(w); err != nil {
			return err
		}
	}
	return nil
}

// adjoin returns an error unless the shards are of one grid and hold each of its rows once.
func adjoin(shards []*shard) error {
	first, next, rows := shards[0], 0, 0
	var columns []string
	for _, s := range shards {
		switch {
		case s.Grid != first.Grid || s.Rows != first.Rows || s.Figures != first.Figures:
			return fmt.Errorf("%s is a shard of another grid than %s, or what they price has changed between them", s.path, first.path)
		case s.header != first.header || columns != nil && s.columns != nil && fmt.Sprint(s.columns) != fmt.Sprint(columns):
			return fmt.Errorf("%s has other columns than %s", s.path, first.path)
		case s.From < next:
			return fmt.Errorf("%s overlaps the shard before it (rows from %d are there already)", s.path, s.From)
		case s.From > next:
			return fmt.Errorf("rows %d to %d are missing (before %s)", next, s.From-1, s.path)
		}
		if columns == nil {
			columns = s.columns
		}
		next, rows = s.To, rows+s.rows
	}
	if next != first.Rows {
		return fmt.Errorf("rows %d to %d are missing (the last shard)", next, first.Rows-1)
	}
	if rows == 0 {
		return ErrNoRows
	}
	return nil
}

// checkShard reads a shard and compares every line with what a sweep writes.
func checkShard(ctx context.Context, f Format, path string) (*shard, error) {
	file, err := input.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := lines(file)
	s := &shard{path: path}
	line, _ := readLine(r)
	m, ok := readMark(f, line)
	if !ok {
		return nil, fmt.Errorf("%s is not a shard: its first line does not say which rows it has", path)
	}
	s.mark, s.begin = m, int64(len(line))
	c := &rowCheck{format: f, next: m.From, to: m.To, figured: m.Figures}
	if f == CSV {
		line, err := readLine(r)
		if err != nil {
			return nil, fmt.Errorf("%s is cut short: it has no header", path)
		}
		s.header = string(line)
		s.begin += int64(len(line))
		if _, c.columns, err = fields(f, line[:len(line)-1]); err != nil || !headed(c.columns, m.Figures) {
			return nil, fmt.Errorf("%s: its second line is not the header of a sweep", path)
		}
	}
	s.end = s.begin
	h := sha256.New()
	lineNumber := 1
	if f == CSV {
		lineNumber = 2
	}
	for {
		lineNumber++
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		line, err := readLine(r)
		switch {
		case err == io.EOF:
			return nil, fmt.Errorf("%s is cut short: its last line does not say that it is whole; run the shard again", path)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", path, err)
		case isEnd(f, line):
			e, ok := readEnd(f, line)
			switch _, more := r.ReadByte(); {
			case !ok || more != io.EOF:
				return nil, fmt.Errorf("%s: there is something after its last row: run the shard again", path)
			case e.Rows != s.rows:
				return nil, fmt.Errorf("%s has %d rows of the %d that the sweep wrote: run the shard again", path, s.rows, e.Rows)
			case e.SHA256 != digest(h):
				return nil, fmt.Errorf("%s was changed after the sweep wrote it: run the shard again", path)
			}
			s.columns = c.columns
			return s, nil
		}
		if err := c.line(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, lineNumber, err)
		}
		h.Write(line)
		s.rows++
		s.end += int64(len(line))
	}
}

// headed reports whether columns are those of a sweep: the row's number comes first, and no name
// occurs twice.
func headed(columns []string, figured int) bool {
	if figured == 0 {
		figured = analytic
	}
	return len(columns) > figured && columns[0] == "row" && twice(columns) == ""
}

// twice returns a name that occurs twice in a list, or "".
func twice(names []string) string {
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			return n
		}
		seen[n] = true
	}
	return ""
}

// copyRows copies the rows of a shard that was checked.
func (s *shard) copyRows(w io.Writer) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("merge: %w", input.Reason(s.path, err))
	}
	defer file.Close()
	n, err := io.Copy(w, io.NewSectionReader(file, s.begin, s.end-s.begin))
	if err == nil && n != s.end-s.begin {
		err = fmt.Errorf("merge: %s has changed meanwhile", s.path)
	}
	return err
}
