package serving

import "github.com/OWNER/ridgeline/internal/ceil"

// Pool holds the cache blocks of a replica. Free blocks wait in a queue, those freed longest ago
// first, and keep their content until they are used again: a prompt that begins like an earlier
// one finds its blocks there (vLLM V1: v1/core/block_pool.py).
//
// Blocks are counted and have no numbers. What sequences share is a node: the blocks of one
// segment, the first of which hold content. A sequence frees its last blocks first, so that a
// node loses its last blocks first.
type Pool struct {
	layout *Layout
	total  int
	free   int
	cache  bool // whether there is a prefix cache

	index map[uint64]*node
	queue node // head of a ring of free nodes; next is the first to lose its blocks
	peak  int
}

// node is a series of blocks: of a named segment, of one sequence's own tokens, or without
// content (anonymous).
type node struct {
	id         uint64
	named      bool
	own        bool // of a preempted sequence, and so not in the index
	have       int  // number of positions at the beginning that hold content; for anonymous nodes, number of block IDs
	refs       int
	prev, next *node // neighbours in the queue, while no sequence holds the node
}

// holding says which blocks a sequence holds.
type holding struct {
	nodes   []*node // of its segments, in order; nil where the index has another sequence's copy
	own     *node   // the node of its own blocks when it was preempted
	shared  int     // block positions that it found in nodes or put there
	private int     // block IDs that it holds alone
	upto    int     // number of segments that it has registered
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

// weight returns how many block IDs stand behind one block position of a node.
func (p *Pool) weight() int { return max(p.layout.full, 1) }

// ids returns how many block IDs a node stands for.
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

// take removes n blocks from the queue, whose content is lost. There must be as many.
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
		lost := ceil.Div(n, w)
		x.have -= lost
		if rest := lost*w - n; rest > 0 { // block IDs of a lost position that were not needed
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

// hold counts one more holder of a node, and takes the node out of the queue if it had none.
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

// span returns how many block positions begin between the tokens lo and hi of a segment.
func (p *Pool) span(lo, hi int) int { return hi/p.layout.block - lo/p.layout.block }

// hit finds how much of a sequence of n tokens is in the cache: whole block positions, at most up
// to the token before the last. It also returns how many block IDs are taken out of the queue by
// holding them.
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

// begin makes a sequence hold the first of the positions that hit found.
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
			// Its own blocks are its own again, since nobody shares them.
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
	// The last token is computed again. So the last position that was found may not be used, but
	// its node is held all the same.
	h.shared = min(h.shared, max(positions, 0))
}

// grow makes a sequence hold need block IDs in all, or returns false where too few are free.
func (p *Pool) grow(q *seq, need int) bool {
	more := need - q.held.shared*p.weight() - q.held.private
	if more <= 0 {
		if more < 0 { // blocks that have left a window
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

// register adds the whole blocks of a sequence's first n tokens to the nodes of their segments,
// unless another sequence has done so.
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

// release frees all that a sequence holds, its last blocks first. A preempted sequence later
// finds again those blocks of its first n tokens that were not used meanwhile.
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
