package serving

import "math"

// Verified describes speculative decoding as an engine runs it. In each step, a decoding sequence
// verifies Drafts drafted tokens after its next one and keeps those before the first that is
// refused. Each is accepted with the probability Acceptance. A request draws from a stream of its
// own, step by step, so that nothing else in a run changes what it draws.
type Verified struct {
	Drafts     int
	Acceptance float64
}

// ahead returns the most tokens that a step generates for a sequence, which is also the number of
// positions it needs room for.
func (l *Limits) ahead() int { return 1 + l.Verified.Drafts }

// stream returns the start of a request's random stream, which is a sequence of SplitMix64.
func (r *Replica) stream(q *seq) uint64 {
	return mix(r.seed + mix(uint64(forAccept)+mix(uint64(q.ID))))
}

// tokens returns how many tokens a step generates for a sequence: the accepted ones and one more.
// A number of the stream is drawn for two steps, half of its bits for each.
func (r *Replica) tokens(stream uint64, step int) int {
	return r.odds.tokens(uint32(mix(stream+uint64(step>>1)) >> (32 * uint(step&1))))
}

// makes returns how many tokens a sequence generates in the steps of the plan, at most as many as
// it still may, and how many before the last of the steps.
func (r *Replica) makes(i int) (before, all int) {
	p := r.plan
	q, k := p.decodes[i], p.steps
	switch {
	case r.odds == nil:
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

// odds turns random integers of 32 bits into numbers of tokens.
type odds struct {
	powers []uint64   // α, α², … α^k, the probabilities that so many drafted tokens are accepted, in units of 2^−32
	by     [256]uint8 // the number of tokens by the first 8 bits; 0 where the others decide
}

// odds is nil where nothing is drafted.
func (v Verified) odds() *odds {
	if v.Drafts == 0 {
		return nil
	}
	o := &odds{}
	for i := range v.Drafts {
		o.powers = append(o.powers, uint64(math.Pow(v.Acceptance, float64(i+1))*(1<<32)))
	}
	for i := range o.by {
		first := uint32(i) << 24
		if n := o.count(first); n == o.count(first|(1<<24-1)) && n < 256 {
			o.by[i] = uint8(n)
		}
	}
	return o
}

func (o *odds) tokens(u uint32) int {
	if n := o.by[u>>24]; n != 0 {
		return int(n)
	}
	return o.count(u)
}

// count compares with every power: so many are above u, and a token more is generated.
func (o *odds) count(u uint32) int {
	n := 1
	for _, p := range o.powers {
		if uint64(u) < p {
			n++
		}
	}
	return n
}

// foresee draws what the steps of the plan will generate: for each step, how many positions its
// sequences have gained since the first step, added up over the steps so far.
func (r *Replica) foresee() {
	p := r.plan
	p.gained, p.made, p.foreseen = p.gained[:0], p.made[:0], 0
	if r.odds == nil || p.steps <= 1 {
		return
	}
	p.gained = append(p.gained, make([]int, p.steps)...)
	gained := p.gained
	for _, q := range p.decodes {
		s, n := r.stream(q), 0
		step := q.verified
		two := mix(s + uint64(step>>1))
		for i := 1; i < len(gained); i++ {
			if step&1 == 0 {
				two = mix(s + uint64(step>>1))
				n += r.odds.tokens(uint32(two))
			} else {
				n += r.odds.tokens(uint32(two >> 32))
			}
			step++
			gained[i] += n
		}
		p.made = append(p.made, [2]int{n, n + r.tokens(s, step)})
	}
	p.foreseen = p.steps
	for i := 1; i < len(p.gained); i++ {
		p.gained[i] += p.gained[i-1]
	}
}

// advance returns by how many tokens a sequence grows in each step in the mean, such that k steps
// have the same sum of contexts; 1 where nothing is drafted.
func (r *Replica) advance(k int) float64 {
	p := r.plan
	if len(p.gained) == 0 || k <= 1 || k > len(p.gained) {
		return 1
	}
	return float64(p.gained[k-1]) / (float64(len(p.decodes)) * float64(k) * float64(k-1) / 2)
}
