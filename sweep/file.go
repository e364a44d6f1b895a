package sweep

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ridgeline/internal/atomicfile"
)

// File is a sweep written to a file, or a shard of it.
//
// Rows stream into PATH.partial, which becomes PATH by a rename when all of them are
// there: PATH is whole or absent. PATH.partial is always a prefix of the final file, up
// to a torn last line, so a killed run resumes from it.
type File struct {
	Path      string
	Grid      *Grid
	Shard, Of int // 1-based; Of 0 or 1 is the whole grid
	Resume    bool
	Restart   bool // discard an unfinished run
	Progress  Progress
}

// mark is the first line of a shard: what Merge checks. The whole grid's file has none.
type mark struct {
	Grid string `json:"grid"`
	Rows int    `json:"rows"` // of the whole grid
	From int    `json:"from"`
	To   int    `json:"to"`
}

const csvMark = "# ridgeline sweep "

func (m mark) line(f Format) string {
	b, _ := json.Marshal(m)
	if f == CSV {
		return csvMark + string(b) + "\n"
	}
	return `{"ridgeline_sweep":` + string(b) + "}\n"
}

// errNoRows is a grid none of whose rows meets the constraints.
var errNoRows = errors.New("no row meets the constraints")

// IsNoRows reports whether a run wrote nothing because no row met the constraints.
func IsNoRows(err error) bool { return errors.Is(err, errNoRows) }

// Range is the rows of shard i (1-based) of n: shards differ by at most one row.
func Range(rows, shard, of int) (from, to int) {
	if of <= 1 {
		return 0, rows
	}
	return (shard - 1) * rows / of, shard * rows / of
}

// Run writes the file and returns how many rows it has. A cancelled run leaves
// PATH.partial to resume from.
func (o *File) Run(ctx context.Context) (rows int, err error) {
	f, err := FormatOf(o.Path)
	if err != nil {
		return 0, err
	}
	own := *o
	own.Path = atomicfile.Resolve(o.Path)
	o = &own
	release, err := atomicfile.Lock(o.Path)
	if err != nil {
		return 0, err
	}
	defer release()
	from, to := Range(o.Grid.Rows(), o.Shard, o.Of)
	if from == to {
		return 0, fmt.Errorf("shard %d/%d has no rows: the grid has %d", o.Shard, o.Of, o.Grid.Rows())
	}
	head := ""
	if o.Of > 1 {
		head = mark{o.Grid.Hash(), o.Grid.Rows(), from, to}.line(f)
	}
	head += f.Header(o.Grid)
	p, err := o.open(f, head)
	if err != nil {
		return 0, err
	}
	next := max(from, p.next)
	progress := o.Progress
	if progress != nil && next > from {
		skipped := next - from
		progress = func(done, total int) { o.Progress(done+skipped, total+skipped) }
	}
	w := bufio.NewWriterSize(p.f, 1<<16)
	n, err := Run(ctx, o.Grid, f, w, next, to, progress)
	err = errors.Join(err, w.Flush())
	if err == nil {
		err = p.f.Sync()
	}
	err = errors.Join(err, p.f.Close())
	switch {
	case err != nil && ctx.Err() != nil:
		return p.rows + n, ctx.Err() // what is written stays for --resume
	case err != nil:
		return p.rows + n, fmt.Errorf("%s: %w", o.Path, err)
	case p.rows+n == 0:
		os.Remove(p.path)
		os.Remove(p.path + ".grid")
		return 0, errNoRows
	}
	if err := os.Rename(p.path, o.Path); err != nil {
		return p.rows + n, err
	}
	os.Remove(p.path + ".grid")
	return p.rows + n, nil
}

type partial struct {
	path string
	f    *os.File
	rows int // complete rows in it
	next int // first row of the grid that it lacks
}

// open starts or resumes the partial file. PATH.partial.grid says which grid and shard
// it belongs to.
func (o *File) open(f Format, head string) (*partial, error) {
	p := &partial{path: o.Path + ".partial"}
	id := fmt.Sprintf("%s %d/%d\n", o.Grid.Hash(), o.Shard, o.Of)
	old, err := os.ReadFile(p.path + ".grid")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case o.Restart:
	case !o.Resume:
		return nil, fmt.Errorf("%s is an unfinished run: --resume takes it up, --restart begins again", p.path)
	case string(old) != id:
		return nil, fmt.Errorf("%s belongs to another grid or shard: --restart begins again", p.path)
	default:
		return p, p.resume(f, head)
	}
	if info, err := os.Stat(o.Path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", o.Path)
	}
	if _, err := os.Stat(filepath.Dir(o.Path)); err != nil {
		return nil, fmt.Errorf("%s: its folder does not exist: make it first, or name another", o.Path)
	}
	// The partial first: a kill between the two leaves a file that counts as nothing.
	if p.f, err = os.Create(p.path); err != nil {
		return nil, err
	}
	if _, err := p.f.WriteString(head); err != nil {
		p.f.Close()
		os.Remove(p.path)
		return nil, fmt.Errorf("%s: %w", o.Path, err)
	}
	if err := os.WriteFile(p.path+".grid", []byte(id), 0o666); err != nil {
		p.f.Close()
		os.Remove(p.path)
		return nil, err
	}
	return p, nil
}

// resume cuts a torn last line off and finds where to go on.
func (p *partial) resume(f Format, head string) (err error) {
	if p.f, err = os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	good, err := p.scan(f, head)
	if err != nil {
		p.f.Close()
		return fmt.Errorf("%s: %w", p.path, err)
	}
	if good == 0 {
		if _, err := p.f.WriteAt([]byte(head), 0); err != nil {
			return err
		}
		good = int64(len(head))
	}
	if err := p.f.Truncate(good); err != nil {
		return err
	}
	_, err = p.f.Seek(good, io.SeekStart)
	return err
}

// scan reads the whole lines of the file and returns where they end.
func (p *partial) scan(f Format, head string) (good int64, err error) {
	r := bufio.NewReaderSize(p.f, 1<<16)
	for rest := head; rest != ""; {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return 0, nil // not even the header is whole
		}
		if err != nil {
			return 0, err
		}
		if !strings.HasPrefix(rest, line) {
			return 0, errors.New("is not what this sweep writes; --restart begins again")
		}
		rest = rest[len(line):]
		good += int64(len(line))
	}
	for {
		line, err := r.ReadSlice('\n')
		if err == io.EOF {
			return good, nil
		}
		if err != nil {
			return 0, err
		}
		n, err := rowNumber(f, line)
		if err != nil {
			return 0, err
		}
		p.rows++
		p.next = n + 1
		good += int64(len(line))
	}
}

// rowNumber reads the grid row a line is about.
func rowNumber(f Format, line []byte) (int, error) {
	s := string(line)
	if f == JSONL {
		s = strings.TrimPrefix(s, `{"row":`)
	}
	num, _, _ := strings.Cut(s, ",")
	n := 0
	if _, err := fmt.Sscanf(num, "%d", &n); err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a row", bytes.TrimSpace(line))
	}
	return n, nil
}
