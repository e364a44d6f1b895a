package kernels

import (
	"context"
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// Session is a batch of sequences being decoded together. It is not for concurrent use.
type Session struct {
	// Meter counts what the next calls do; nil counts nothing.
	Meter *Meter

	model      *Model
	batch      int
	maxContext int
	n          int // number of positions that are done
	broken     bool

	layers   []layerState
	memories map[memoryKey]*memory
	rotaries map[rotaryKey]*rotary
	scratch  arena
	stream   []float32
}

type layerState struct{ mixers []mixerState }

type mixerState struct {
	cache       *kvCache // shared with the layers that read it
	owned       bool     // whether the cache is this mixer's own
	conv, state []float32
	index       *kvCache // keys of an indexer
}

// Start makes a session of batch sequences of up to maxContext positions.
func (m *Model) Start(batch, maxContext int) (*Session, error) {
	if batch <= 0 || maxContext <= 0 {
		return nil, fmt.Errorf("kernels: batch %d and context %d must be positive", batch, maxContext)
	}
	if bytes := m.SessionBytes(batch, maxContext); bytes > float64(m.opts.MaxBytes) {
		return nil, fmt.Errorf("kernels: caches for batch %d and context %d take %.0f MiB, more than %d MiB",
			batch, maxContext, bytes/(1<<20), m.opts.MaxBytes>>20)
	}
	s := &Session{
		model: m, batch: batch, maxContext: maxContext,
		layers: make([]layerState, len(m.layers)), memories: map[memoryKey]*memory{}, rotaries: map[rotaryKey]*rotary{},
	}
	for i, l := range m.layers {
		for _, mx := range l.mixers {
			s.layers[i].mixers = append(s.layers[i].mixers, mx.newState(s))
		}
	}
	for key := range m.memories {
		s.memories[key] = &memory{}
	}
	return s, nil
}

// SessionBytes is what the caches and states of a session take, in bytes.
func (m *Model) SessionBytes(batch, maxContext int) float64 {
	var n float64
	for _, p := range m.arch.Mixers() {
		kept := p.Stores()
		size := maxContext
		if kept.Window > 0 {
			size = min(size, kept.Window)
		}
		n += float64(size)*float64(kept.CacheElements) + float64(kept.StateElements) + float64(kept.ConvElements)
	}
	return 4 * n * float64(batch)
}

// recurrentState makes the state of a recurrence and of the convolution before it, with zeros.
func (s *Session) recurrentState(kept arch.Storage) mixerState {
	return mixerState{conv: make([]float32, s.batch*kept.ConvElements), state: make([]float32, s.batch*kept.StateElements)}
}

// Positions returns how many positions of each sequence are done.
func (s *Session) Positions() int { return s.n }

// Prefill runs the next positions of every sequence, equally many of each, and returns for each
// sequence the logits after the last position.
func (s *Session) Prefill(ctx context.Context, tokens [][]int) ([][]float32, error) {
	c := call{skip: s.model.opts.Prefill == execution.Skip && s.model.skipFrom > 0}
	return s.forward(ctx, &c, tokens)
}

// Step runs one more position of every sequence and returns its logits.
func (s *Session) Step(ctx context.Context, tokens []int) ([][]float32, error) {
	rows := make([][]int, len(tokens))
	for i := range tokens {
		rows[i] = tokens[i : i+1]
	}
	return s.forward(ctx, &call{step: true}, rows)
}

// Trace holds what Forward computed: for each layer the residual stream after the layer, and the
// logits of every position. Rows are ordered by sequence.
type Trace struct {
	Hidden [][]float32
	Logits [][]float32
}

// Forward runs the next positions without skipping anything, and keeps the streams and logits.
func (s *Session) Forward(ctx context.Context, tokens [][]int) (*Trace, error) {
	tr := &Trace{}
	logits, err := s.forward(ctx, &call{trace: tr}, tokens)
	if err != nil {
		return nil, err
	}
	tr.Logits = logits
	return tr, nil
}

// call is one pass over the model.
type call struct {
	s            *Session
	r            *runner
	layer, mixer int
	n0, T        int
	skip         bool
	step         bool // whether this is a decode step, for which latent attention has a form of its own
	lastQuery    bool // whether attention makes keys for all rows and queries for the last one only
	x            mat  // the residual stream
	into         *mat // where a mixer or FFN adds its result; nil for the residual stream
	fresh        bool // whether nothing has been added to into yet
	trace        *Trace
	streams      streams
	inputs       mat             // the embeddings that layers have of their own, side by side
	first        mat             // the stream as the first layer read it, where a shared block reads it too
	picks        map[int][][]int // by layer, the positions that its indexer picked for each query
	later        mat             // what experts made for the end of the next layer
}

// op runs and counts one operation of the current layer.
func (c *call) op(name string, f func(*tally)) {
	if !c.r.stopped() {
		c.s.Meter.measure(c.layer, name, f)
	}
}

func (c *call) mat(rows, cols int) mat { return c.s.scratch.mat(rows, cols) }

func (s *Session) checkTokens(tokens [][]int) error {
	if s.broken {
		return fmt.Errorf("kernels: the session was stopped in the middle of a call")
	}
	if len(tokens) != s.batch {
		return fmt.Errorf("kernels: %d sequences given to a batch of %d", len(tokens), s.batch)
	}
	T := len(tokens[0])
	if T == 0 {
		return fmt.Errorf("kernels: no tokens")
	}
	if s.n+T > s.maxContext {
		return fmt.Errorf("kernels: %d positions are more than the session's %d", s.n+T, s.maxContext)
	}
	for _, seq := range tokens {
		if len(seq) != T {
			return fmt.Errorf("kernels: sequences of %d and %d tokens in one call", T, len(seq))
		}
		for _, id := range seq {
			if id < 0 || id >= s.model.arch.Vocab {
				return fmt.Errorf("kernels: token %d is outside the vocabulary of %d", id, s.model.arch.Vocab)
			}
		}
	}
	return nil
}

func (s *Session) forward(ctx context.Context, c *call, tokens [][]int) ([][]float32, error) {
	if err := s.checkTokens(tokens); err != nil {
		return nil, err
	}
	m := s.model
	c.s, c.r, c.n0, c.T, c.layer = s, newRunner(ctx, m.opts.Cores), s.n, len(tokens[0]), Outside
	c.picks = map[int][][]int{}
	rows, w := s.batch*c.T, m.arch.Width
	if len(s.stream) < rows*w {
		s.stream = make([]float32, rows*w)
	}
	c.x = newMat(s.stream, rows, w)
	c.op("embed", func(t *tally) { embed(t, m.embed, tokens, c.x, float32(m.arch.Numerics.EmbedScale)) })
	if m.positions != nil {
		if s.n+c.T > m.arch.Positions {
			return nil, fmt.Errorf("kernels: position %d has no embedding: the model has %d", s.n+c.T, m.arch.Positions)
		}
		c.op("embed.positions", func(t *tally) { addPositions(t, m.positions, s.n, c.T, c.x) })
	}
	if m.arch.EmbedNorm {
		c.op("embed.norm", func(t *tally) { m.embedNorm.rows(c.r, t, c.x, c.x) })
	}
	if m.keepsFirst {
		// The embedding stays where it was written and becomes the stream, so no further bytes
		// are moved.
		c.first = newMat(append([]float32(nil), c.x.data[:rows*w]...), rows, w)
	}
	m.altUp.split(c)
	m.inputs.run(c, tokens)
	for i := range m.layers {
		s.scratch.reset()
		c.layer = i
		c.runLayer(&m.layers[i])
		if c.trace != nil {
			hidden := make([]float32, 0, c.x.rows*w)
			for r := range c.x.rows {
				hidden = append(hidden, c.x.row(r)...)
			}
			c.trace.Hidden = append(c.trace.Hidden, hidden)
		}
	}
	c.layer = Outside
	s.scratch.reset()
	x := c.x
	if per := x.rows / s.batch; per > 1 && c.trace == nil {
		x = x.last(per)
	}
	x = m.altUp.join(c, x)
	normed := c.mat(x.rows, w)
	c.op("final_norm", func(t *tally) { m.finalNorm.rows(c.r, t, x, normed) })
	logits := newMat(make([]float32, x.rows*m.arch.Vocab), x.rows, m.arch.Vocab)
	c.op("lm_head", func(t *tally) { c.r.linear(t, m.head, normed, logits, epilogue{}) })
	if f := float32(m.arch.Numerics.LogitScale); f != 0 {
		for i := range logits.data {
			logits.data[i] *= f
		}
	}
	if limit := m.arch.LogitCap; limit > 0 {
		c.op("lm_head.cap", func(t *tally) { softCap(t, logits, limit) })
	}
	if err := ctx.Err(); err != nil {
		s.broken = true
		return nil, err
	}
	s.n += c.T
	out := make([][]float32, x.rows)
	for i := range out {
		out[i] = logits.row(i)
	}
	return out, nil
}

func (c *call) runLayer(l *layer) {
	if c.skip && c.layer == c.s.model.skipFrom && c.x.rows > c.s.batch {
		c.x = c.x.last(c.T)
	}
	due := c.later
	c.later = mat{}
	l.altUp.before(c)
	before, beforeFFN := l.block.Before()
	var shared mat // the FFN's input, where the FFN does not wait for the mixer
	if len(l.mixers) > 0 {
		c.lastQuery = false
		if c.skip && c.layer == c.s.model.skipFrom-1 {
			c.lastQuery = c.s.model.arch.Layers[c.layer].LastQuery()
		}
		x, mixers := mat{}, l.mixers
		if l.block == arch.SideInput {
			x, mixers = c.fed(l), mixers[1:]
		} else {
			x = c.normed("mixer_norm", before, &l.mixerNorm)
		}
		if l.block.Parallel() {
			if shared = x; beforeFFN {
				shared = c.normed("ffn_norm", true, &l.ffnNorm)
			}
		}
		c.replace(l.block, x)
		done := c.behind("mixer_post_norm", l.block, &l.mixerPost)
		for i, mx := range mixers {
			c.mixer = i + len(l.mixers) - len(mixers)
			mx.run(c, x)
		}
		done()
		l.laurel.run(c, x)
	}
	if l.ffn != nil {
		x := shared
		if !l.block.Parallel() {
			x = c.normed("ffn_norm", beforeFFN, &l.ffnNorm)
			c.replace(l.block, x)
		}
		done := c.behind("ffn_post_norm", l.block, &l.ffnPost)
		l.ffn.run(c, x)
		done()
	}
	c.addDeferred(due)
	l.input.run(c, l.altUp.after(c), func(t *tally, y mat) { c.addToStreams(t, &l.input.norm, y) })
	c.scaleStream(l.scale)
}

// normed returns the residual stream after a norm, or without one where there is none. A stream
// without a norm is copied, because parts of the layer may still write to it.
func (c *call) normed(name string, there bool, n *norm) mat {
	if !there {
		return c.x
	}
	x := c.mat(c.x.rows, c.x.cols)
	c.op(name, func(t *tally) { n.rows(c.r, t, c.x, x) })
	return x
}

// fed runs the first mixer of a layer on the stream. It returns the norm of the mixer's output
// and the stream together, which the other mixers read.
func (c *call) fed(l *layer) mat {
	y := c.mat(c.x.rows, c.x.cols)
	c.into, c.fresh, c.mixer = &y, true, 0
	l.mixers[0].run(c, c.x)
	c.into, c.fresh = nil, false
	x := c.mat(c.x.rows, c.x.cols)
	c.op("mixer_norm", func(t *tally) { l.mixerNorm.sum(c.r, t, c.x, y, x) })
	return x
}

// replace makes the normed values the stream, in a block in which norms stand on the stream
// itself. They were written once already, so nothing is counted again.
func (c *call) replace(b arch.Block, normed mat) {
	if b != arch.StreamNorm {
		return
	}
	for i := range c.x.rows {
		copy(c.x.row(i), normed.row(i))
	}
}

// behind makes everything that runs before done is called write to a buffer. Then the buffer is
// normed and added to the stream, where the block has a norm at that place.
func (c *call) behind(name string, b arch.Block, n *norm) (done func()) {
	if !b.After() {
		return func() {}
	}
	y := c.mat(c.x.rows, c.x.cols)
	c.into, c.fresh = &y, true
	return func() {
		c.into = nil
		if y.rows > c.x.rows { // the mixer continued with the last position alone
			y = mat{data: y.data, rows: c.x.rows, cols: y.cols, stride: y.stride}
		}
		c.op(name, func(t *tally) { n.add(c.r, t, y, c.x) })
	}
}

// sink returns where a mixer or FFN puts its result, and whether it must be added to what is
// there.
func (c *call) sink() (to mat, add bool) {
	if c.into == nil {
		return c.x, true
	}
	add, c.fresh = !c.fresh, false
	return *c.into, add
}

// sum returns a matrix to which results are added one after another; a new one is empty.
func (c *call) sum() mat {
	to, add := c.sink()
	if !add {
		for i := range to.rows {
			clear(to.row(i))
		}
	}
	return to
}

// embed gathers the rows of the table.
func embed(t *tally, table []float32, tokens [][]int, x mat, scale float32) {
	i := 0
	for _, seq := range tokens {
		for _, id := range seq {
			row := table[id*x.cols : (id+1)*x.cols]
			t.read(Weights, len(row))
			to := x.row(i)
			t.write(Activations, copy(to, row))
			if scale != 0 {
				for j := range to {
					to[j] *= scale
				}
			}
			i++
		}
	}
}

// addPositions adds the embeddings of the positions from from on to the rows of x, T for each
// sequence.
func addPositions(t *tally, table []float32, from, T int, x mat) {
	for i := range x.rows {
		at := (from + i%T) * x.cols
		row, to := table[at:at+x.cols], x.row(i)
		t.read(Weights, len(row))
		t.read(Activations, len(to))
		for j, v := range row {
			to[j] += v
		}
		t.flops(len(to))
		t.write(Activations, len(to))
	}
}

// softCap sets x = limit·tanh(x/limit).
func softCap(t *tally, x mat, limit float64) {
	for i := range x.rows {
		row := x.row(i)
		t.read(Activations, len(row))
		capScores(row, limit)
		t.flops(3 * len(row))
		t.write(Activations, len(row))
	}
}

func capScores(row []float32, limit float64) {
	for j, v := range row {
		row[j] = float32(limit * math.Tanh(float64(v)/limit))
	}
}

// residual adds the linear map of y to the residual stream, or writes it where a norm after the
// layer finds it. Where a sigmoid GMU mixes it, it is kept as memory too.
func (c *call) residual(name string, l linear, y mat) {
	to, add := c.sink()
	ep := epilogue{add: add}
	if m, _ := c.source(arch.OutputMemory); m != nil {
		ep.keep = m.sized(y.rows, l.out)
		ep.keepAdd = c.mixer > 0
	}
	c.op(name, func(t *tally) { c.r.linear(t, l, y, to, ep) })
}
