package serving

import "fmt"

// SidePool is a pool for the window layers beside that of full attention (SGLang's
// SWATokenToKVPoolAllocator). A sequence holds the positions of its window there, and those of one
// step more while its prompt is worked.
type SidePool struct {
	Tokens int // positions that it has room for; 0: there is none
	Window int // positions that a sequence keeps when it decodes
	Chunk  int // most positions worked in a step, which a prompt keeps beside those
}

// holds returns the positions of a sequence in the pool after so many more.
func (s SidePool) holds(q *seq, more int) int {
	if !q.decoding() {
		return min(q.at()+more, s.Window+s.Chunk)
	}
	return min(q.computed+more, s.Window)
}

// sideFree returns the positions that are left in the pool for windows.
func (r *Replica) sideFree() int {
	n := r.limits.Side.Tokens
	for _, q := range r.running {
		n -= r.limits.Side.holds(q, 0)
	}
	return n
}

// sideFits reports whether the pool for windows has room for so many more positions of each
// sequence.
func (r *Replica) sideFits(more int) bool {
	s := r.limits.Side
	if s.Tokens == 0 {
		return true
	}
	n := 0
	for _, q := range r.running {
		n += s.holds(q, more)
	}
	return n <= s.Tokens
}

// Pools is the layout of SGLang: a pool of positions for the layers of full attention, one for
// window layers with share times as many, and one for states. Solved for the positions n of the
// first (model_executor/model_runner.py set_num_tokens_hybrid_swa):
//
//	n·(bytes of full layers) + share·n·(bytes of window layers) = bytes
//
// A share of 0 stores windows at full length.
func Pools(layers []CacheLayers, block int, share float64) (*Layout, SidePool) {
	l := StoredFull(layers, block)
	full, windows, n := 0.0, 0.0, 0
	var side SidePool
	for _, c := range layers {
		switch c.Kind {
		case FullCache:
			full += float64(c.Layers) * c.PerToken
			n += c.Layers
		case WindowCache:
			windows += float64(c.Layers) * c.PerToken
			side.Window = max(side.Window, c.Window)
		}
	}
	if share == 0 || full == 0 || windows == 0 {
		return l, SidePool{}
	}
	l.Groups = []Group{{FullCache, n, block, 0}}
	l.BlockBytes = float64(block) * (full + share*windows)
	l.PageBytes = float64(block) * full / float64(n)
	return l, side
}

// statePool divides what weights leave between states and positions, as SGLang does, and lowers
// the seats to what has states: the prefix cache keeps states too, so that every seat has several
// (model_executor/model_runner_components/kv_cache_configurator.py _handle_max_mamba_cache,
// _calculate_mamba_ratio).
//
//	rows = ⌊bytes · share/(1+share) / bytes of a sequence's states⌋;  seats ≤ ⌊rows / each⌋
func (d *Deployment) statePool(bytes float64, s Settings) error {
	p, l := d.Profile, d.Limits
	row := l.Layout.StateBytes
	share, each := p.StateShare.Value, p.StatesEach.Value
	rows := int(max(bytes, 0) * share / (1 + share) / row)
	if s.PrefixCaching != nil && !*s.PrefixCaching {
		each = 1
		if s.MaxNumSeqs != nil {
			rows = *s.MaxNumSeqs
		}
	}
	seats := rows / each
	if seats < 1 {
		return fmt.Errorf("%s: the pool of states has room for %d, and a sequence needs %d: more devices, smaller weights or a smaller max_num_batched_tokens leave more", p.Name, rows, each)
	}
	if seats < l.Seqs {
		d.Notes = append(d.Notes, fmt.Sprintf("The engine lowers %d sequences at once to %d: its pool of states has %d, %d for each.", l.Seqs, seats, rows, each))
		l.Seqs = seats
	}
	d.StateBytes = float64(rows) * row
	return nil
}

// sides gives the pool for windows its share of positions.
func (d *Deployment) sides() {
	l := d.Limits
	if l.Side.Window > 0 {
		l.Side.Chunk = l.Budget
		l.Side.Tokens = int(d.Profile.WindowShare.Value * float64(l.Blocks*l.Layout.block))
	}
}
