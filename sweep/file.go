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

// File is a sweep written to a file, or a shard of it.
//
// Rows stream into PATH.partial, which becomes PATH by a rename when all of them are
// there: PATH is whole or absent. PATH.partial is always a prefix of the final file, up
// to a torn last line, so a killed run resumes from it. Two processes cannot write one
// PATH at once.
type File struct {
	Path      string
	Grid      *Grid  // normalised
	Table     *Table // in place of a grid, if set
	Shard, Of int    // 1-based; Of 0 or 1 is the whole grid
	Resume    bool
	Restart   bool // discard an unfinished run
	Progress  Progress
	// Note, if there, is told what a resumed run had to do over, in a sentence.
	Note func(string)
}

// ErrNoRows is a grid none of whose rows meets the constraints.
var ErrNoRows = errors.New("no row meets the constraints")

// Range is the rows of shard i (1-based) of n: shards differ by at most one row.
func Range(rows, shard, of int) (from, to int) {
	if of <= 1 {
		return 0, rows
	}
	return (shard - 1) * rows / of, shard * rows / of
}

// Run writes the file and returns what rows it has. A cancelled run leaves
// PATH.partial to resume from. Errors of writing are atomicfile.WriteErrors; a grid of
// which no row meets the constraints is ErrNoRows, but a shard may be without rows.
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
	if o.Table != nil { // rows that took long are not kept back
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
		return rows, ctx.Err() // what is written stays for a resumed run
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

// array writes the rows of a finished partial as one JSON array, a row a line.
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
			w.WriteString(before) // its errors come back from Flush
			w.Write(bytes.TrimSuffix(line, []byte("\n")))
		}
		w.WriteString("\n]\n")
		return w.Flush()
	})
}

// writing is an error of writing the file, without the temporary name.
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
	rows Tally     // complete rows in it
	next int       // first row of the grid that it lacks
	sum  hash.Hash // of those rows' lines
}

// open starts or resumes the partial file. PATH.partial.grid says which grid and shard it
// belongs to; without one, or with an empty one, nothing was begun.
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
	case err != nil && !errors.Is(err, fs.ErrNotExist): // links in a circle
		return nil, o.writing(err)
	}
	if _, err := os.Stat(filepath.Dir(o.Path)); err != nil {
		return nil, fmt.Errorf("%s: its folder does not exist: make it first, or name another", o.Path)
	}
	// The partial first: a kill between the two leaves a file that counts as nothing.
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

// PartialError says why an unfinished run stands in the way. File.Restart begins again in
// its place; where it is Resumable, File.Resume goes on with it.
type PartialError struct {
	Path      string // of the unfinished rows
	Problem   string // "is an unfinished run"
	Resumable bool
}

func (e *PartialError) Error() string { return e.Path + " " + e.Problem }

// resume finds where to go on: behind the last row that is as this grid writes it. What
// follows, a torn last line most often, is cut off and computed again.
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

// scan reads the whole lines of the file and returns where the good ones end, and what is
// wrong with the next if it is neither torn nor the end of a shard.
func (o *File) scan(p *partial, f Format, head string, to int) (good int64, damage, err error) {
	r := lines(p.f)
	for rest := head; rest != ""; {
		line, err := readLine(r)
		if err == io.EOF && strings.HasPrefix(rest, string(line)) {
			return 0, nil, nil // not even the header is whole
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
