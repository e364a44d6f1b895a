package sweep

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/OWNER/ridgeline/internal/atomicfile"
)

// File is the file of a sweep, or of one shard of it.
//
// Rows are written to PATH.partial, which is renamed to PATH when it is complete: PATH is whole
// or absent. PATH.partial is always the beginning of the final file, except that its last line
// may be torn, so that a stopped run can be continued. Two processes cannot write one PATH at the
// same time.
type File struct {
	Path      string
	Grid      *Grid  // must be normalised
	Table     *Table // rows to write in place of a grid's, if not nil
	Shard, Of int    // the number of the shard, from 1, and of all shards; with Of 0 or 1 the file holds the whole grid
	Resume    bool
	Restart   bool // throw away the rows of an unfinished run
	Progress  Progress
	// Note, if it is not nil, is called with a sentence about rows that a continued run had to
	// compute again.
	Note func(string)
}

// ErrNoRows says that no row of a grid meets its constraints.
var ErrNoRows = errors.New("no row meets the constraints")

// Range returns the rows of shard number shard (from 1) of of: from … to−1. Shards differ by at
// most one row.
func Range(rows, shard, of int) (from, to int) {
	if of <= 1 {
		return 0, rows
	}
	return (shard - 1) * rows / of, shard * rows / of
}

// Run writes the file and counts its rows. A cancelled run leaves PATH.partial, from which the
// next run continues. An error of writing is an atomicfile.WriteError. A grid of which no row
// meets the constraints gives ErrNoRows, but a shard may be empty.
func (o *File) Run(ctx context.Context) (rows Tally, err error) {
	f, err := FormatOf(o.Path)
	if err != nil {
		return rows, err
	}
	if o.Of > 1 && isArray(o.Path) {
		return rows, fmt.Errorf("%s: a part of a grid is kept in a .csv or .jsonl file, to be merged", o.Path)
	}
	own := *o
	own.Path = atomicfile.Resolve(o.Path)
	o = &own
	src := o.source()
	from, to := Range(src.Rows(), o.Shard, o.Of)
	if from == to {
		return rows, fmt.Errorf("shard %d/%d has no rows: the grid has %d", o.Shard, o.Of, src.Rows())
	}
	release, err := atomicfile.Lock(o.Path)
	if err != nil {
		return rows, err
	}
	defer release()
	id, err := src.Hash(ctx)
	if err != nil {
		return rows, err
	}
	head := ""
	if o.Of > 1 {
		head = mark{id, src.Rows(), from, to, src.figured()}.line(f)
	}
	head += f.head(src.Columns())
	p, err := o.open(f, head, fmt.Sprintf("%s %d/%d\n", id, o.Shard, o.Of), from, to)
	if err != nil {
		return rows, err
	}
	progress := o.Progress
	if skipped := p.next - from; progress != nil && skipped > 0 {
		progress = func(done, total int) { o.Progress(done+skipped, total+skipped) }
	}
	w := bufio.NewWriterSize(tee{p.f, p.sum}, 1<<16)
	var out io.Writer = w
	if o.Table != nil { // the rows of a table take long to compute, so they are not held back in a buffer
		out = tee{p.f, p.sum}
	}
	n, err := src.run(ctx, f, out, p.next, to, progress)
	rows = p.rows
	rows.add(n)
	err = errors.Join(err, w.Flush())
	if err == nil && o.Of > 1 {
		_, err = p.f.WriteString(end{rows.Rows, digest(p.sum)}.line(f))
	}
	if err == nil {
		err = p.f.Sync()
	}
	err = errors.Join(err, p.f.Close())
	switch {
	case err != nil && ctx.Err() != nil:
		return rows, ctx.Err() // what has been written stays, for a run that continues
	case err != nil:
		return rows, o.writing(err)
	case rows.Rows == 0 && o.Of <= 1:
		os.Remove(p.path)
		os.Remove(p.path + ".grid")
		return rows, ErrNoRows
	}
	if isArray(o.Path) {
		if err := o.array(p.path); err != nil {
			return rows, err
		}
		os.Remove(p.path)
	} else if err := os.Rename(p.path, o.Path); err != nil {
		return rows, o.writing(err)
	}
	os.Remove(p.path + ".grid")
	return rows, nil
}

// array writes the rows of a finished partial file as one JSON array with one row on each line.
func (o *File) array(partial string) error {
	f, err := os.Open(partial)
	if err != nil {
		return err
	}
	defer f.Close()
	return atomicfile.Write(o.Path, func(out io.Writer) error {
		w := bufio.NewWriterSize(out, 1<<16)
		before := "[\n"
		for r := lines(f); ; before = ",\n" {
			line, err := readLine(r)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			w.WriteString(before) // Flush returns the error, if there is one
			w.Write(bytes.TrimSuffix(line, []byte("\n")))
		}
		w.WriteString("\n]\n")
		return w.Flush()
	})
}

// writing returns an error of writing with the name of the final file in place of the partial
// one's.
func (o *File) writing(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return &atomicfile.WriteError{Path: o.Path, Err: err}
}

type partial struct {
	path string
	f    *os.File
	rows Tally     // complete rows in the file
	next int       // first row of the grid that is not in the file
	sum  hash.Hash // hash of the lines of those rows
}

// open starts or continues the partial file. PATH.partial.grid says which grid and shard it
// belongs to; where that file is missing or empty, nothing has been written yet.
func (o *File) open(f Format, head, id string, from, to int) (*partial, error) {
	p := &partial{path: o.Path + ".partial", next: from, sum: sha256.New()}
	old, err := os.ReadFile(p.path + ".grid")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case o.Restart || len(old) == 0:
	case !o.Resume:
		return nil, &PartialError{Path: p.path, Problem: "is an unfinished run", Resumable: true}
	case string(old) != id:
		return nil, &PartialError{Path: p.path, Problem: "belongs to another grid or shard, or what it prices has changed since (a model, a device, ridgeline)"}
	default:
		return p, o.resume(p, f, head, to)
	}
	switch info, err := os.Stat(o.Path); {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a folder", o.Path)
	case err != nil && !errors.Is(err, fs.ErrNotExist): // such as symbolic links in a circle
		return nil, o.writing(err)
	}
	if _, err := os.Stat(filepath.Dir(o.Path)); err != nil {
		return nil, fmt.Errorf("%s: its folder does not exist: make it first, or name another", o.Path)
	}
	// The partial file is created first. A kill between the two steps then leaves a file that
	// counts as empty.
	if p.f, err = os.Create(p.path); err != nil {
		return nil, err
	}
	_, err = p.f.WriteString(head)
	if err == nil {
		err = atomicfile.Write(p.path+".grid", func(w io.Writer) error {
			_, err := io.WriteString(w, id)
			return err
		})
	}
	if err != nil {
		p.f.Close()
		os.Remove(p.path)
		return nil, o.writing(err)
	}
	return p, nil
}

// PartialError says why an unfinished run cannot be continued without being asked. File.Restart
// throws it away; where Resumable is true, File.Resume continues it.
type PartialError struct {
	Path      string // path of the file with the unfinished rows
	Problem   string // "is an unfinished run"
	Resumable bool
}

func (e *PartialError) Error() string { return e.Path + " " + e.Problem }

// resume finds where to continue: after the last row that is written as this grid would write it.
// What follows is cut off and computed again; most often it is a torn last line.
func (o *File) resume(p *partial, f Format, head string, to int) (err error) {
	if p.f, err = os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	good, damage, err := o.scan(p, f, head, to)
	if err == nil && good == 0 {
		_, err = p.f.WriteAt([]byte(head), 0)
		good = int64(len(head))
	}
	if err == nil {
		err = p.f.Truncate(good)
	}
	if err == nil {
		_, err = p.f.Seek(good, io.SeekStart)
	}
	if err != nil {
		p.f.Close()
		if _, ok := errors.AsType[*PartialError](err); ok {
			return err
		}
		return fmt.Errorf("%s: %w", p.path, err)
	}
	if damage != nil && o.Note != nil {
		o.Note(fmt.Sprintf("%s is damaged after %d good rows (%s): what follows is computed again", p.path, p.rows.Rows, damage))
	}
	return nil
}

// scan reads the complete lines of the file. It returns the position after the last good one, and
// what is wrong with the next line if that is neither torn nor the end of a shard.
func (o *File) scan(p *partial, f Format, head string, to int) (good int64, damage, err error) {
	r := lines(p.f)
	for rest := head; rest != ""; {
		line, err := readLine(r)
		if err == io.EOF && strings.HasPrefix(rest, string(line)) {
			return 0, nil, nil // not even the header is complete
		}
		if err != nil && err != io.EOF && !errors.Is(err, errLongLine) {
			return 0, nil, err
		}
		if err != nil || !strings.HasPrefix(rest, string(line)) {
			return 0, nil, &PartialError{Path: p.path, Problem: "is not what this sweep writes"}
		}
		rest = rest[len(line):]
		good += int64(len(line))
	}
	src := o.source()
	c := &rowCheck{format: f, columns: src.Columns(), next: p.next, to: to, every: src.whole(), figured: src.figured(), setting: src.begins(f)}
	for {
		line, err := readLine(r)
		if err == io.EOF || err == nil && isEnd(f, line) {
			return good, nil, nil
		}
		if err == nil {
			err = c.line(line)
		} else if !errors.Is(err, errLongLine) {
			return 0, nil, err
		}
		if err != nil {
			return good, err, nil
		}
		p.sum.Write(line)
		p.rows.add(c.last)
		p.next = c.next
		good += int64(len(line))
	}
}
