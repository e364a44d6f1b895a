package sweep

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// chunkRows is how many rows are handed to a worker at once: so many that handing them over costs
// nothing in comparison, so few that they take little memory and Ctrl-C works without delay.
const chunkRows = 256

// Tally counts the rows that a run wrote.
type Tally struct {
	Rows   int
	Priced int    // rows with figures, whether they fit or not
	Reason string // why the first of the others has none, "" if there is none

	Beyond    int    // rows whose sequences are longer than the model was made for
	BeyondWhy string // for the first such row: which model it is, and for which length it was made
}

func (t *Tally) add(u Tally) {
	if t.Reason == "" {
		t.Reason = u.Reason
	}
	if t.BeyondWhy == "" {
		t.BeyondWhy = u.BeyondWhy
	}
	t.Beyond += u.Beyond
	t.Rows += u.Rows
	t.Priced += u.Priced
}

// Progress is called with the number of rows that are done and the number there are.
type Progress func(done, total int)

// Run computes the rows from … to−1 of a normalised grid on all cores and writes those that meet
// the constraints to w, in order. It returns how many it wrote. When the context ends, the output
// consists of whole rows from the beginning of the range.
func Run(ctx context.Context, g *Grid, f Format, w io.Writer, from, to int, progress Progress) (written Tally, err error) {
	e := newEngine(g)
	workers := runtime.GOMAXPROCS(0)
	type chunk struct {
		start   int
		tally   Tally
		buf     *bytes.Buffer
		stopped bool // the context ended before all rows were written
		done    chan struct{}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan *chunk)
	order := make(chan *chunk, 4*workers) // limits how many chunks are in work or wait to be written
	free := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	go func() {
		defer close(order)
		defer close(todo)
		for s := from; s < to; s += chunkRows {
			c := &chunk{start: s, buf: free.Get().(*bytes.Buffer), done: make(chan struct{})}
			select {
			case order <- c:
			case <-ctx.Done():
				return
			}
			select {
			case todo <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			k := e.worker()
			enc := f.encoder(g)
			for c := range todo {
				c.buf.Reset()
				end := min(c.start+chunkRows, to)
				for i := c.start; i < end; i++ {
					r := k.row(ctx, i)
					if ctx.Err() != nil {
						c.stopped = true
						break
					}
					if !keep(g.Where, &r) {
						continue
					}
					enc.row(c.buf, i, k.at, &r)
					c.tally.Rows++
					if r.beyond != "" {
						if c.tally.Beyond++; c.tally.BeyondWhy == "" {
							c.tally.BeyondWhy = r.beyond
						}
					}
					if r.priced {
						c.tally.Priced++
					} else if c.tally.Reason == "" {
						c.tally.Reason = r.reason
					}
				}
				close(c.done)
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	for c := range order {
		select {
		case <-c.done:
		case <-ctx.Done():
			return written, ctx.Err()
		}
		if c.stopped {
			return written, ctx.Err()
		}
		if c.buf.Len() > 0 {
			if _, err := w.Write(c.buf.Bytes()); err != nil {
				return written, fmt.Errorf("writing rows: %w", err)
			}
		}
		written.add(c.tally)
		done := min(c.start+chunkRows, to) - from
		free.Put(c.buf)
		if progress != nil {
			progress(done, to-from)
		}
	}
	return written, ctx.Err()
}

func keep(where []Constraint, r *result) bool {
	for _, c := range where {
		if !c.holds(r) {
			return false
		}
	}
	return true
}
