package serving

import "math"

// Verified is speculative decoding as an engine runs it: each step of a sequence that decodes
// verifies Drafts drafted tokens behind its next one and keeps those up to the first that is
// refused. Each is accepted with probability Acceptance. A request draws from a stream of its
// own, step by step, so that nothing else in a run changes what it draws.
type Verified struct {
	Drafts     int
	Acceptance float64
}

// ahead is the most tokens that a step makes of a sequence, and the positions that it needs
// room for.
func (l *Limits) ahead() int { return 1 + l.Verified.Drafts }

// stream is a request's draws: the base of SplitMix64's sequence.
func (r *Replica) stream(q *seq) uint64 {
	return mix(r.seed + mix(uint64(forAccept)+mix(uint64(q.ID))))
}

// tokens is how many tokens a step makes of a sequence: those accepted and one more.
func (r *Replica) tokens(stream uint64, step int) int {
	u := mix(stream+uint64(step)) >> 11
	n := 1
	for _, p := range r.powers { // no branch on what is drawn
		n += int((u - p) >> 63)
	}
	return n
}

// made is how many tokens a sequence makes in the steps of the plan, of those it still may, and
// how many before the last of them.
func (r *Replica) makes(i int) (before, all int) {
	p := r.plan
	q, k := p.decodes[i], p.steps
	switch {
	case r.powers == nil:
		before, all = k-1, k
	case p.foreseen == k && k > 1:
		before, all = p.made[i][0], p.made[i][1]
	default:
		s := r.stream(q)
		for j := range k {
			before = all
			all += r.tokens(s, q.verified+j)
		}
	}
	return min(before, q.left()), min(all, q.left())
}

// powers are α, α², … α^k, the probabilities that so many drafted tokens are accepted, in units of
// 2^−53: what is drawn of as many is below them as often.
func (v Verified) powers() []uint64 {
	if v.Drafts == 0 {
		return nil
	}
	out := make([]uint64, v.Drafts)
	for i := range out {
		out[i] = uint64(math.Pow(v.Acceptance, float64(i+1)) * (1 << 53))
	}
	return out
}

// foresee draws what the steps of the plan will make: for each step the positions that its
// sequences have gained since the first, added up over the steps so far.
func (r *Replica) foresee() {
	p := r.plan
	p.gained, p.made, p.foreseen = p.gained[:0], p.made[:0], 0
	if r.powers == nil || p.steps <= 1 {
		return
	}
	p.gained = append(p.gained, make([]float64, p.steps)...)
	for _, q := range p.decodes {
		s, n := r.stream(q), 0
		for i := 1; i < p.steps; i++ {
			n += r.tokens(s, q.verified+i-1)
			p.gained[i] += float64(n)
		}
		p.made = append(p.made, [2]int{n, n + r.tokens(s, q.verified+p.steps-1)})
	}
	p.foreseen = p.steps
	for i := 1; i < len(p.gained); i++ {
		p.gained[i] += p.gained[i-1]
	}
}

// advance is the tokens a sequence goes forward a step in the mean, such that k steps see in
// sum what they do: 1 where nothing is drafted.
func (r *Replica) advance(k int) float64 {
	p := r.plan
	if len(p.gained) == 0 || k <= 1 || k > len(p.gained) {
		return 1
	}
	return p.gained[k-1] / (float64(len(p.decodes)) * float64(k) * float64(k-1) / 2)
}
