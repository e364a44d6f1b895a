package serving

// Pool is the cache blocks of a replica. Blocks that nobody holds wait in a queue, the
// least recently freed first, and keep their content until they are taken: a prompt that
// begins like an earlier one finds it there (vLLM V1: v1/core/block_pool.py).
//
// Blocks are counted, not numbered. What is shared is a node: the blocks of one segment,
// of which the first so many hold content. A sequence frees its blocks last first, so what
// is evicted from a node are its last ones.
type Pool struct {
	layout *Layout
	total  int
	free   int
	cache  bool // prefix cache

	index map[uint64]*node
	queue node // head of a ring of free nodes; next is the first to be evicted
	peak  int
}

// node is a run of blocks: of a named segment, of one sequence's own tokens, or of
// nothing in particular (anonymous).
type node struct {
	id         uint64
	named      bool
	own        bool // a preempted sequence's: not in the index
	have       int  // leading block positions that hold content; for anonymous nodes: block ids
	refs       int
	prev, next *node // in the queue, while nobody holds it
}

// holding is what a sequence holds of the pool.
type holding struct {
	nodes   []*node // of its segments, in order; nil where another's copy stands in the index
	own     *node   // what was its own when it was preempted
	shared  int     // block positions it found or put into nodes
	private int     // block ids it holds alone
	upto    int     // segments registered
}

func newPool(l *Layout, blocks int, cache bool) *Pool {
	p := &Pool{layout: l, total: blocks, free: blocks, cache: cache && l.full > 0}
	if p.cache {
		p.index = map[uint64]*node{}
	}
	p.queue.prev, p.queue.next = &p.queue, &p.queue
	p.put(blocks)
	return p
}

// weight is the block ids behind one block position of a node.
func (p *Pool) weight() int { return max(p.layout.full, 1) }

// ids is how many block ids a node stands for.
func (p *Pool) ids(n *node) int {
	if n.named || n.own {
		return n.have * p.weight()
	}
	return n.have
}

// put appends n blocks without content to the queue.
func (p *Pool) put(n int) {
	if n == 0 {
		return
	}
	if last := p.queue.prev; last != &p.queue && !last.named && !last.own {
		last.have += n
		return
	}
	p.push(&node{have: n})
}

func (p *Pool) push(n *node) {
	n.prev, n.next = p.queue.prev, &p.queue
	n.prev.next, n.next.prev = n, n
}

func (n *node) unlink() {
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
}

// take removes n free blocks, evicting what they held. There must be as many.
func (p *Pool) take(n int) {
	p.free -= n
	if used := p.total - p.free; used > p.peak {
		p.peak = used
	}
	for n > 0 {
		x := p.queue.next
		if x == &p.queue {
			panic("serving: the pool gave more blocks than it has")
		}
		have := p.ids(x)
		if have <= n {
			n -= have
			x.unlink()
			x.have = 0
			if x.named {
				delete(p.index, x.id)
			}
			continue
		}
		if !x.named && !x.own {
			x.have -= n
			return
		}
		w := p.weight()
		lost := ceilDiv(n, w)
		x.have -= lost
		if rest := lost*w - n; rest > 0 { // block ids of an evicted position that were not needed
			blank := &node{have: rest}
			blank.prev, blank.next = x.prev, x
			blank.prev.next, blank.next.prev = blank, blank
		}
		if x.have == 0 {
			x.unlink()
			if x.named {
				delete(p.index, x.id)
			}
		}
		return
	}
}

// hold takes a reference to a node, out of the queue if nobody else has one.
func (p *Pool) hold(n *node) {
	if n.refs == 0 {
		p.free -= p.ids(n)
		if used := p.total - p.free; used > p.peak {
			p.peak = used
		}
		n.unlink()
	}
	n.refs++
}

func (p *Pool) drop(n *node) {
	n.refs--
	if n.refs == 0 {
		p.free += p.ids(n)
		p.push(n)
	}
}

// span is the block positions that begin in a segment from token lo to hi.
func (p *Pool) span(lo, hi int) int { return hi/p.layout.block - lo/p.layout.block }

// hit is what of a sequence of n tokens is in the cache: whole block positions, at most
// up to its last token but one, and how many block ids holding them takes out of the queue.
func (p *Pool) hit(q *seq, n int) (positions, queued int) {
	if !p.cache || n <= 1 {
		return 0, 0
	}
	most := (n - 1) / p.layout.block
	lo := 0
	for _, s := range q.Shared {
		hi := lo + s.Tokens
		size := p.span(lo, hi)
		lo = hi
		if size == 0 {
			continue
		}
		if positions >= most {
			return min(positions, most), queued
		}
		x := p.index[s.ID]
		if x == nil {
			return positions, queued
		}
		if x.refs == 0 {
			queued += p.ids(x)
		}
		got := min(x.have, size)
		positions += got
		if got < size {
			return min(positions, most), queued
		}
	}
	if o := q.held.own; o != nil && o.have > 0 && positions < most {
		queued += p.ids(o)
		positions += o.have
	}
	return min(positions, most), queued
}

// begin makes a sequence hold the first positions of what hit found.
func (p *Pool) begin(q *seq, positions int) {
	h := &q.held
	h.nodes = h.nodes[:0]
	h.shared, h.private, h.upto = 0, 0, 0
	if !p.cache {
		return
	}
	lo := 0
	for _, s := range q.Shared {
		if h.shared >= positions {
			break
		}
		hi := lo + s.Tokens
		size := p.span(lo, hi)
		lo = hi
		if size == 0 {
			h.nodes = append(h.nodes, nil)
			h.upto++
			continue
		}
		x := p.index[s.ID]
		p.hold(x)
		h.nodes = append(h.nodes, x)
		got := min(x.have, size)
		h.shared += got
		if got < size {
			break
		}
		h.upto++
	}
	if o := h.own; o != nil {
		if h.shared < positions {
			// Its own blocks come back as its own: they are no longer shared by anyone.
			p.free -= p.ids(o)
			if used := p.total - p.free; used > p.peak {
				p.peak = used
			}
			h.private += p.ids(o)
			o.unlink()
			h.own = nil
		} else if o.have == 0 {
			h.own = nil
		}
	}
	// The last token is computed again, so the last position found may go unused: it stays
	// held with its node all the same.
	h.shared = min(h.shared, max(positions, 0))
}

// grow makes a sequence hold need block ids in all, or says that too few are free.
func (p *Pool) grow(q *seq, need int) bool {
	more := need - q.held.shared*p.weight() - q.held.private
	if more <= 0 {
		if more < 0 { // blocks that left a window
			q.held.private += more
			p.free -= more
			p.put(-more)
		}
		return true
	}
	if more > p.free {
		return false
	}
	p.take(more)
	q.held.private += more
	return true
}

// register gives the whole blocks of a sequence's first n tokens to the nodes of their
// segments, where nobody else has.
func (p *Pool) register(q *seq, n int) {
	h := &q.held
	if !p.cache || h.upto >= len(q.Shared) {
		return
	}
	lo := 0
	for i := 0; i < h.upto; i++ {
		lo += q.Shared[i].Tokens
	}
	for h.upto < len(q.Shared) {
		s := q.Shared[h.upto]
		size := p.span(lo, lo+s.Tokens)
		got := min(max(n/p.layout.block-lo/p.layout.block, 0), size)
		if len(h.nodes) == h.upto {
			if got == 0 && size > 0 {
				return
			}
			var x *node
			if size > 0 && p.index[s.ID] == nil {
				x = &node{id: s.ID, named: true, refs: 1}
				p.index[s.ID] = x
			}
			h.nodes = append(h.nodes, x)
		}
		if x := h.nodes[h.upto]; x != nil && got > x.have {
			more := got - x.have
			x.have = got
			h.shared += more
			h.private -= more * p.weight()
		}
		if got < size || n < lo+s.Tokens && size == 0 {
			return
		}
		lo += s.Tokens
		h.upto++
	}
}

// release frees all that a sequence holds, its last blocks first. A preempted sequence
// finds again what has not been taken meanwhile of its first n tokens.
func (p *Pool) release(q *seq, n int, again bool) {
	h := &q.held
	p.register(q, n)
	if h.own != nil && h.own.prev != nil { // left over from an earlier preemption
		x := h.own
		x.unlink()
		p.put(p.ids(x))
	}
	h.own = nil
	w := p.weight()
	named := 0
	for _, s := range q.Shared {
		named += s.Tokens
	}
	if keep := n/p.layout.block - min(n, named)/p.layout.block; again && p.cache && keep > 0 && keep*w <= h.private {
		p.free += h.private
		h.own = &node{own: true, have: keep}
		p.put(h.private - keep*w)
		p.push(h.own)
	} else {
		p.free += h.private
		p.put(h.private)
	}
	for i := len(h.nodes) - 1; i >= 0; i-- {
		if h.nodes[i] != nil {
			p.drop(h.nodes[i])
		}
	}
	h.nodes, h.shared, h.private, h.upto = h.nodes[:0], 0, 0, 0
}
