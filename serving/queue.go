package serving

// queue holds requests in the order in which they are served: new ones at the end, preempted ones
// in front.
type queue struct {
	front []*seq // the last is the head of the queue
	back  []*seq
	head  int // index of the first in back
}

func (q *queue) len() int { return len(q.front) + len(q.back) - q.head }

func (q *queue) push(s *seq) { q.back = append(q.back, s) }

func (q *queue) pushFront(s *seq) { q.front = append(q.front, s) }

// peek returns the head of the queue; there must be one.
func (q *queue) peek() *seq {
	if n := len(q.front); n > 0 {
		return q.front[n-1]
	}
	return q.back[q.head]
}

func (q *queue) pop() *seq {
	s := q.peek()
	if n := len(q.front); n > 0 {
		q.front = q.front[:n-1]
		return s
	}
	q.back[q.head] = nil
	q.head++
	if q.head > 64 && 2*q.head > len(q.back) {
		q.back = append(q.back[:0], q.back[q.head:]...)
		q.head = 0
	}
	return s
}

// remove takes a request out of the queue from any place.
func (q *queue) remove(s *seq) bool {
	for i, x := range q.front {
		if x == s {
			q.front = append(q.front[:i], q.front[i+1:]...)
			return true
		}
	}
	for i := q.head; i < len(q.back); i++ {
		if q.back[i] == s {
			q.back = append(q.back[:i], q.back[i+1:]...)
			return true
		}
	}
	return false
}
