package serving

import (
	"fmt"
	"math"
	"slices"

	"github.com/OWNER/ridgeline/internal/ceil"
)

// CacheKind says what a layer keeps of a sequence.
type CacheKind uint8

// The kinds of caches.
const (
	FullCache   CacheKind = iota // keys and values of all positions
	WindowCache                  // keys and values of the last Window positions
	StateCache                   // a recurrent state, which does not depend on the length
)

var cacheKindNames = []string{"full", "window", "state"}

func (k CacheKind) String() string { return cacheKindNames[k] }

// CacheLayers says how many layers of a model keep the same kind of cache, on one device. Layers
// that read another layer's cache or memory keep none.
type CacheLayers struct {
	Kind     CacheKind
	Layers   int
	PerToken float64 // bytes for one layer and position; 0 for states
	Window   int     // positions; for WindowCache only
	State    float64 // bytes for one layer and sequence; for StateCache only
}

// Group is a set of layers whose blocks an engine hands out together: one block ID stands for one
// page in each of the layers.
type Group struct {
	Kind   CacheKind
	Layers int
	Block  int // positions that a page holds; 0 for states
	Window int // 0 for no window
}

// Layout says how an engine divides the cache memory.
type Layout struct {
	Groups     []Group
	PageBytes  float64 // bytes of one block in one layer
	BlockBytes float64 // bytes of one block ID in all tensors
	// StateBytes is how many bytes a sequence takes in a pool of states outside the blocks; 0
	// where there is no pool. An engine makes the pool for all sequences at its start.
	StateBytes float64
	Fast       int // the most positions scheduled in one step, which limits a window's blocks during prefill
	states     int // how many states each layer keeps of a sequence beyond the first
	full       int // number of groups of kind FullCache
	block      int // positions that a block of those holds
}

// finish works out what follows from the groups.
func (l *Layout) finish() {
	for _, g := range l.Groups {
		if g.Kind == FullCache || g.Kind == StateCache && g.Block > 0 {
			l.full++
			l.block = g.Block
		}
	}
	if l.full == 0 {
		for _, g := range l.Groups {
			l.block = max(l.block, g.Block)
		}
	}
	l.block = max(l.block, 1)
}

// Need returns the number of block IDs of a sequence that decodes with n positions stored. A
// window needs at most ⌈(window−1)/block⌉+1 blocks, a state one.
func (l *Layout) Need(n int) int { return l.need(n, 0) }

// NeedPrompt returns the same for a step that stores more than one position. Blocks that leave a
// window are freed only after the step, so that up to ⌈(window−1+Fast)/block⌉+1 may be needed.
func (l *Layout) NeedPrompt(n int) int { return l.need(n, l.Fast) }

func (l *Layout) need(n, step int) int {
	if n <= 0 {
		return 0
	}
	if len(l.Groups) == 1 && l.Groups[0].Kind == FullCache {
		return ceil.Div(n, l.Groups[0].Block)
	}
	sum := 0
	for i := range l.Groups {
		g := &l.Groups[i]
		switch g.Kind {
		case FullCache:
			sum += ceil.Div(n, g.Block)
		case WindowCache:
			sum += min(ceil.Div(n, g.Block), ceil.Div(min(n, g.Window-1+step), g.Block)+1)
		case StateCache:
			if g.Block > 0 { // one at the end of every block
				sum += ceil.Div(n, g.Block) + l.states
				continue
			}
			sum += 1 + l.states
		}
	}
	return sum
}

// Blocks returns how many block IDs there is room for in bytes.
func (l *Layout) Blocks(bytes float64) int {
	if l.BlockBytes <= 0 || bytes <= 0 {
		return 0
	}
	return int(math.Floor(bytes / l.BlockBytes))
}

// StoredFull returns the layout of engines that store every attention layer at full length,
// windows included, and keep states in a pool outside the blocks (vLLM V0:
// worker/cache_engine.py, model_executor/models/mamba_cache.py).
func StoredFull(layers []CacheLayers, block int) *Layout {
	l := &Layout{}
	perToken, n := 0.0, 0
	for _, c := range layers {
		if c.Kind == StateCache {
			l.StateBytes += float64(c.Layers) * c.State
			continue
		}
		perToken += float64(c.Layers) * c.PerToken
		n += c.Layers
	}
	if n > 0 {
		l.Groups = []Group{{FullCache, n, block, 0}}
		l.BlockBytes = float64(block) * perToken
		l.PageBytes = l.BlockBytes / float64(n)
	}
	l.finish()
	return l
}

// Unified is the layout of vLLM V1's hybrid manager: pages of one size for all layers,
// groups of as many layers each, one pool of block ids for all groups
// (v1/core/kv_cache_utils.py, model_executor/models/config.py).
//
//	mamba hybrids: attention block = 16·⌈state / (16·attention bytes a position)⌉, states
//	               padded up to that page
//	other mixes:   a smaller page gets a larger block until all are equal
//	group size     = fewest layers of a kind, or the most where that is under 1.5 times as many
//
// fast is the most positions scheduled in one step.
func Unified(layers []CacheLayers, block, fast int) (*Layout, error) {
	return unified(layers, block, fast, false)
}

// stateChunk is the positions between two states that kernels can hand out: blocks whose states
// are cached are multiples of it (vLLM's get_mamba_chunk_size; Mamba-2's chunks are of 256).
const stateChunk = 256

// unified is Unified, where cached says that every block of positions has a state of its own
// (mamba_cache_mode all).
func unified(layers []CacheLayers, block, fast int, cached bool) (*Layout, error) {
	l := &Layout{Fast: fast}
	attention, state, small := 0.0, 0.0, math.Inf(1)
	for _, c := range layers {
		switch {
		case c.Layers <= 0:
			return nil, fmt.Errorf("cache kind %s has no layers", c.Kind)
		case c.Kind == StateCache:
			state = max(state, c.State)
		default:
			attention = max(attention, c.PerToken)
			small = min(small, c.PerToken)
		}
	}
	if len(layers) == 0 {
		l.finish()
		return l, nil
	}
	page := float64(block) * attention
	if state > 0 && attention > 0 {
		unit := 16 // the block sizes attention kernels take are multiples of it
		if cached {
			unit = stateChunk
		}
		block = max(block, unit*int(math.Ceil(state/(float64(unit)*small))))
		page = float64(block) * attention
		page = max(page, state)
	} else if state > 0 {
		page = state
	}
	fewest, most := layers[0].Layers, layers[0].Layers
	for _, c := range layers {
		fewest, most = min(fewest, c.Layers), max(most, c.Layers)
	}
	size := fewest
	if 2*most < 3*fewest {
		size = most
	}
	l.PageBytes, l.BlockBytes = page, page*float64(size)
	for _, c := range layers {
		g := Group{Kind: c.Kind, Window: c.Window}
		if c.Kind != StateCache {
			times := page / (float64(block) * c.PerToken)
			if state == 0 && times != math.Trunc(times) {
				return nil, fmt.Errorf("cache pages of %g and %g bytes a position do not divide: the engine refuses such a mix", attention, c.PerToken)
			}
			g.Block = block * int(times)
		} else if cached && attention > 0 {
			g.Block = block
		}
		for left := c.Layers; left > 0; left -= size {
			g.Layers = min(left, size)
			l.Groups = append(l.Groups, g)
		}
	}
	slices.SortStableFunc(l.Groups, func(a, b Group) int { return int(a.Kind) - int(b.Kind) })
	l.finish()
	return l, nil
}
