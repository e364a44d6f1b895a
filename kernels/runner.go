package kernels

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/OWNER/ridgeline/internal/ceil"
)

// runner splits loops over cores and stops them when its context is done. Pieces are
// claimed one by one, so that a core that is busy elsewhere does not hold up the rest;
// which core runs a piece never changes its result.
type runner struct {
	ctx   context.Context
	done  <-chan struct{}
	cores int
}

func newRunner(ctx context.Context, cores int) *runner {
	if cores <= 0 {
		cores = runtime.GOMAXPROCS(0)
	}
	return &runner{ctx: ctx, done: ctx.Done(), cores: cores}
}

func (r *runner) stopped() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// split calls f for every piece from 0 to n-1, each with a tally of its worker.
func (r *runner) split(n int, t *tally, f func(i int, t *tally)) {
	workers := min(r.cores, n)
	if workers <= 1 {
		for i := range n {
			if r.stopped() {
				return
			}
			f(i, t)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		var own *tally
		if t != nil {
			own = new(tally)
		}
		for {
			i := int(next.Add(1)) - 1
			if i >= n || r.stopped() {
				break
			}
			f(i, own)
		}
		if own != nil {
			t.merge(&own.Counts)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// pieces is how many pieces a loop over n rows of so many operations each is worth,
// and the rows of one: pieces of about 128k operations, in multiples of unit rows.
func pieces(n, operationsPerRow, unit int) (count, rows int) {
	const piece = 1 << 17
	rows = max(1, piece/max(1, operationsPerRow))
	rows = ceil.Div(rows, unit) * unit
	return ceil.Div(n, rows), rows
}
