package sweep

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// chunkRows is how many rows one unit of work has: large enough that handing them over
// costs nothing, small enough that memory stays flat and Ctrl-C is quick.
const chunkRows = 256

// Progress is told how many rows of the range are done.
type Progress func(done, total int)

// Run evaluates the rows from … to−1 on all cores and writes those that meet the
// constraints to w, in order. The grid must be normalised. It returns how many were
// written. When the context ends, everything written is whole rows from the start of the
// range.
func Run(ctx context.Context, g *Grid, f Format, w io.Writer, from, to int, progress Progress) (written int, err error) {
	e := newEngine(g)
	workers := runtime.GOMAXPROCS(0)
	type chunk struct {
		start, rows int
		buf         *bytes.Buffer
		stopped     bool // the context ended before all rows were there
		done        chan struct{}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan *chunk)
	order := make(chan *chunk, 4*workers) // bounds what is in flight
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
	var kept atomic.Int64
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
					c.rows++
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
			return int(kept.Load()), ctx.Err()
		}
		if c.stopped {
			return int(kept.Load()), ctx.Err()
		}
		if c.buf.Len() > 0 {
			if _, err := w.Write(c.buf.Bytes()); err != nil {
				return int(kept.Load()), fmt.Errorf("writing rows: %w", err)
			}
		}
		kept.Add(int64(c.rows))
		done := min(c.start+chunkRows, to) - from
		free.Put(c.buf)
		if progress != nil {
			progress(done, to-from)
		}
	}
	return int(kept.Load()), ctx.Err()
}

func keep(where []Constraint, r *result) bool {
	for _, c := range where {
		if !c.holds(r) {
			return false
		}
	}
	return true
}
