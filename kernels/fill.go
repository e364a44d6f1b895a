package kernels

import (
	"context"
	"fmt"
)

// Fill sets the session to n positions without computing them: caches and states get small
// invented values. A step then costs what it costs after a real prompt of that length, but its
// logits mean nothing. Where n is smaller than before, states keep their values.
func (s *Session) Fill(ctx context.Context, n int) error {
	if n < 0 || n > s.maxContext {
		return fmt.Errorf("kernels: %d positions are more than the session's %d", n, s.maxContext)
	}
	if n <= s.n {
		s.n = n
		return nil
	}
	r := newRunner(ctx, s.model.opts.Cores)
	for i := range s.layers {
		for _, st := range s.layers[i].mixers {
			if st.owned {
				st.cache.fill(r, s.n, n)
			}
			pattern(st.conv, uint32(i))
			pattern(st.state, uint32(i))
		}
	}
	if err := ctx.Err(); err != nil {
		s.broken = true
		return err
	}
	s.n = n
	return nil
}

func (c *kvCache) fill(r *runner, from, to int) {
	if c.ring {
		from, to = 0, min(to, c.size)
	}
	if from >= to {
		return
	}
	r.split(c.batch*c.kv, nil, func(i int, _ *tally) {
		lo, hi := (i*c.size+from)*c.dim, (i*c.size+to)*c.dim
		pattern(c.k[lo:hi], uint32(i))
		pattern(c.v[lo:hi], uint32(i)+7)
	})
}

// pattern fills x with values in (−1, 1) that look random enough.
func pattern(x []float32, seed uint32) {
	s := seed*2654435761 + 12345
	for i := range x {
		s = s*1664525 + 1013904223
		x[i] = float32(int32(s)) * (1.0 / (1 << 31))
	}
}

// Free releases the memory of the caches. The session cannot be used after that.
func (s *Session) Free() {
	s.broken = true
	s.layers, s.scratch, s.stream = nil, arena{}, nil
}
