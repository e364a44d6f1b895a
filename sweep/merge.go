package sweep

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"ridgeline/internal/input"
)

// Merge joins the shards of one grid into w, which then holds what one run of the whole
// grid writes. It refuses shards of different grids, overlaps and gaps, and names them.
func Merge(w io.Writer, paths []string) error {
	type shard struct {
		mark
		path string
	}
	if len(paths) == 0 {
		return fmt.Errorf("merge: no shards given")
	}
	f, err := FormatOf(paths[0])
	if err != nil {
		return err
	}
	var shards []shard
	for _, p := range paths {
		if g, err := FormatOf(p); err != nil || g != f {
			return fmt.Errorf("merge: %s and %s are not of one format", paths[0], p)
		}
		m, err := readMark(f, p)
		if err != nil {
			return err
		}
		shards = append(shards, shard{m, p})
	}
	sort.SliceStable(shards, func(i, j int) bool { return shards[i].From < shards[j].From })
	next := 0
	for _, s := range shards {
		switch {
		case s.Grid != shards[0].Grid || s.Rows != shards[0].Rows:
			return fmt.Errorf("merge: %s is a shard of another grid than %s", s.path, shards[0].path)
		case s.From < next:
			return fmt.Errorf("merge: %s overlaps the shard before it (rows from %d are there already)", s.path, s.From)
		case s.From > next:
			return fmt.Errorf("merge: rows %d to %d are missing (before %s)", next, s.From-1, s.path)
		}
		next = s.To
	}
	if next != shards[0].Rows {
		return fmt.Errorf("merge: rows %d to %d are missing (the last shard)", next, shards[0].Rows-1)
	}
	for i, s := range shards {
		if err := copyRows(w, f, s.path, i == 0); err != nil {
			return err
		}
	}
	return nil
}

func readMark(f Format, path string) (m mark, err error) {
	file, err := input.Open(path)
	if err != nil {
		return m, fmt.Errorf("merge: %w", err)
	}
	defer file.Close()
	line, _ := bufio.NewReader(file).ReadString('\n')
	body, ok := strings.CutPrefix(strings.TrimSpace(line), csvMark)
	if f == JSONL {
		body, ok = strings.CutPrefix(strings.TrimSpace(line), `{"ridgeline_sweep":`)
		body = strings.TrimSuffix(body, "}")
	}
	if !ok || json.Unmarshal([]byte(body), &m) != nil || m.From < 0 || m.To <= m.From || m.Rows < m.To {
		return m, fmt.Errorf("merge: %s is not a shard: its first line does not say which rows it has", path)
	}
	return m, nil
}

// copyRows copies a shard without its mark; the header of the first shard only.
func copyRows(w io.Writer, f Format, path string, header bool) error {
	file, err := input.Open(path)
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<16)
	skip := 1
	if f == CSV && !header {
		skip = 2
	}
	for range skip {
		if _, err := r.ReadString('\n'); err != nil {
			return fmt.Errorf("merge: %s is cut short", path)
		}
	}
	_, err = io.Copy(w, r)
	return err
}
