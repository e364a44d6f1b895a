package costmodel

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/ceil"
	"github.com/OWNER/ridgeline/precision"
)

// builder turns a model into the operations of one device. It is written layer by layer
// from docs/accounting.md; each mixer has a file of its own.
type builder struct {
	m  *arch.Model
	o  Options
	f  inForce
	tp int

	experts spread
	pipe    *pipe
	skip    bool // prefill with the cross-decoder left out
	step    bool // a decode step, not a prefill: latent attention has a form for each
	phased  bool // such an operation was listed: the other kind of call lists others

	layer int
	part  Part
	last  bool // this layer runs on the last positions only
	fresh bool // the next result is the first in a buffer, not added to the residual stream
	// cacheRows is the basis of the rows for which a cache owner makes keys and values. A prompt
	// needs them for all its rows even where queries are made for the last position only.
	cacheRows int
	storage   storage // how the weights of the part at hand are stored
	ops       []OpGroup
	blocks    map[block][2]int // first and end index of the operations already listed for a block, when grouped
	err       error
	scanFd    map[int]bool // layers whose scan output is some GMU's memory
	early     map[int]bool // layers whose scan output a GMU reads on all rows even in a prefill that skips the cross-decoder
	mixFd     map[int]bool // layers whose mixer output is a sigmoid GMU's mix
}

// Ops lists the operations of a call in the order they run: a prefill, which leaves out the
// cross-decoder where the model allows and o.Prefill says so (see arch.Model.CrossDecoder),
// or a decode step.
func Ops(m *arch.Model, o Options, prefill bool) ([]Op, error) {
	f, err := o.resolve(m, nil)
	if err != nil {
		return nil, err
	}
	groups, err := buildOps(m, o, f, prefill, false)
	if err != nil {
		return nil, err
	}
	ops := make([]Op, len(groups))
	for i, g := range groups {
		ops[i] = g.Op
	}
	return ops, nil
}

// buildOps lists the operations, one by one or, grouped, once for all layers alike.
func buildOps(m *arch.Model, o Options, f inForce, prefill, grouped bool) ([]OpGroup, error) {
	b, err := build(m, o, f, nil, prefill, grouped)
	if err != nil {
		return nil, err
	}
	return b.ops, nil
}

// build is buildOps with a hardware profile, which says how many devices a node has; nil where
// that does not matter. It also records where each pipeline stage begins.
func build(m *arch.Model, o Options, f inForce, hw *hardware.Profile, prefill, grouped bool) (*builder, error) {
	b := &builder{m: m, o: o, f: f, tp: max(o.TP, 1), experts: newSpread(&o, hw), pipe: newPipe(&o, len(m.Layers), hw), step: !prefill, scanFd: map[int]bool{}, early: map[int]bool{}, mixFd: map[int]bool{}}
	if grouped {
		b.blocks = map[block][2]int{}
	}
	from := len(m.Layers)
	if prefill && o.Prefill == execution.Skip {
		if s, ok := m.CrossDecoder(); ok {
			from, b.skip = s, true
		}
	}
	for i, l := range m.Layers {
		if l.Mixer == nil {
			continue
		}
		for _, p := range arch.Parts(l.Mixer) {
			if r := p.Reads(); r.Memory > 0 {
				s, _ := r.Memory.Layer()
				b.scanFd[s] = b.scanFd[s] || r.Kind == arch.ScanMemory
				b.early[s] = b.early[s] || r.Kind == arch.ScanMemory && i < from
				b.mixFd[s] = b.mixFd[s] || r.Kind == arch.OutputMemory
			}
		}
	}
	b.layer = -1
	e := b.op("embed", Embedding)
	e.Shape.Table = ceil.Div(m.Vocab, b.tp) // ranks pad the vocabulary
	rate, dtype := b.outside(m.EmbeddingStored)
	e.Weight = dtype
	e.Bytes[Weights][rows] = float64(m.Width) * rate
	e.Bytes[ActWrite][rows] = float64(m.Width) * f.act.Bytes()
	b.allReduce("embed.allreduce", m.Width, rows)
	w := float64(m.Width)
	if m.Positions > 0 {
		p := b.elementwise("embed.positions", Embedding, 0, w, w, w, rows)
		p.Weight = f.base
		p.Shape.Table = m.Positions
		p.Bytes[Weights][rows] = w * f.base.Bytes()
	}
	if m.EmbedNorm {
		b.norm("embed.norm", "embed_norm", m.Width, rows)
	}
	b.altUpIn()
	b.layerInputs()
	b.predictor()
	for i, l := range m.Layers {
		b.boundary(i, from)
		b.layer, b.last = i, i >= from
		owner := b.skip && i == from-1 && l.LastQuery()
		b.part = InMixer
		b.once(b.aroundBlock(b.m.AltUp, l), func() { b.altUpPredict(l) })
		b.listMixer(l, owner)
		b.part = InFFN
		b.last = b.last || owner
		b.once(b.ffnBlock(l, b.last), func() { b.ffnOps(l) })
		b.deferred(i)
		b.once(b.aroundBlock(m.LayerInput, l), func() { b.layerTail(l) })
	}
	b.layer, b.part, b.last, b.storage = -1, InEnds, true, nil
	b.altUpOut()
	b.storage = b.finalNorm(m.FinalNormStored)
	b.norm("final_norm", finalNormName, m.Width, seqs)
	v := ceil.Div(m.Vocab, b.tp) // ranks pad the vocabulary
	head := m.HeadStored
	if m.Tied {
		head = m.EmbeddingStored
	}
	b.storage = b.head(head)
	b.linear("lm_head", headName, m.Width, v, seqs, linearOpts{bias: m.HeadBias, use: keptMap}).Kernel = Head
	if m.LogitCap > 0 {
		b.elementwise("lm_head.cap", Activation, 0, float64(v), float64(v), 3*float64(v), seqs)
	}
	b.allGather("lm_head.allgather", v*b.tp, seqs)
	if b.err != nil {
		return nil, b.err
	}
	return b, nil
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// split divides n over the ranks.
func (b *builder) split(what string, n int) int {
	if n%b.tp != 0 {
		b.fail("tp %d does not divide %s %d of layer %d", b.tp, what, n, b.layer)
		return max(n/b.tp, 1)
	}
	return n / b.tp
}

// splitOrReplicate divides n over the ranks. Where there are more ranks than n, several ranks hold
// the same one, which needs a number of ranks that n divides.
func (b *builder) splitOrReplicate(what string, n int) int {
	if n%b.tp != 0 && b.tp%n == 0 {
		return 1
	}
	return b.split(what, n)
}

// r is the basis of the rows this layer runs on.
func (b *builder) r() int {
	if b.last {
		return seqs
	}
	return rows
}

func (b *builder) op(name string, k Kernel) *Op {
	compute := b.f.vector
	if kernelTable[k].tensor {
		compute = b.f.compute
	}
	b.ops = append(b.ops, OpGroup{Op{Layer: b.layer, Name: name, Kernel: k, Part: b.part, Compute: compute}, 1})
	return &b.ops[len(b.ops)-1].Op
}

// weights adds n numbers that belong to no matrix: norms, biases, convolution taps, decay rates. They
// are of the weights of those names.
func (b *builder) weights(o *Op, n float64, of ...string) {
	o.Reads.add(of...)
	rate, dtype := b.vector(of...)
	if o.Weight == precision.Unset {
		o.Weight = dtype
	}
	o.Bytes[Weights][one] += n * rate
}

func (b *builder) act(o *Op, read, write float64, r int) {
	o.Bytes[ActRead][r] += read * b.f.act.Bytes()
	o.Bytes[ActWrite][r] += write * b.f.act.Bytes()
}

func (b *builder) state(o *Op, n float64) {
	o.Bytes[StateRead][seqs] += n * b.f.state.Bytes()
	o.Bytes[StateWrite][seqs] += n * b.f.state.Bytes()
}

// convState prices the state of a convolution: the earlier inputs that its next output depends on.
func (b *builder) convState(o *Op, n float64) {
	o.Bytes[StateRead][seqs] += n * b.f.conv.Bytes()
	o.Bytes[StateWrite][seqs] += n * b.f.conv.Bytes()
}

// elementwise is an operation that reads and writes activations and does flops per row; the numbers
// it reads of weights are of those named last.
func (b *builder) elementwise(name string, k Kernel, weights, read, write, flops float64, r int, of ...string) *Op {
	o := b.op(name, k)
	o.Shape = Shape{Out: int(write), RowsAreSeqs: r == seqs}
	if weights > 0 {
		b.weights(o, weights, of...)
	}
	b.act(o, read, write, r)
	o.FLOPs[r] = flops
	return o
}

// norm normalises rows of n by the model's kind of norm, whose weight has a name: RMSNorm 4 FLOPs an element,
// LayerNorm 8 with its weight and bias.
func (b *builder) norm(name, of string, n, r int) *Op {
	weights, flops := float64(n*b.m.Norm.Vectors()), float64(n*b.m.Norm.FLOPs())
	return b.elementwise(name, BlockNorm, weights, float64(n), float64(n), flops, r, b.normNames(of)...)
}

// postNorm normalises the result of a mixer or an FFN and adds it to the residual stream.
func (b *builder) postNorm(name, of string) {
	w := float64(b.m.Width)
	o := b.norm(name, of, b.m.Width, b.r())
	b.act(o, w, 0, b.r())
	o.FLOPs[b.r()] += w
}

// fedNorm normalises the residual stream and what a mixer feeds into it together.
func (b *builder) fedNorm() {
	w := float64(b.m.Width)
	o := b.norm("mixer_norm", "mixer_norm", b.m.Width, b.r())
	b.act(o, w, 0, b.r())
	o.FLOPs[b.r()] += w
}

// rmsNorm is a norm inside a mixer, always RMS: elements of each row, weights shared.
func (b *builder) rmsNorm(name, of string, weights, n, r int) *Op {
	return b.elementwise(name, InnerNorm, float64(weights), float64(n), float64(n), 4*float64(n), r, of)
}

type linearOpts struct {
	bias     bool
	residual bool // adds into the residual stream
	keep     bool // also writes its output: a sigmoid GMU mixes it
	use      mapUse
}

// linear is a product [r, in]×[in, out] with the weight of a name: 2·r·in·out FLOPs, the weight read
// once.
func (b *builder) linear(name, of string, in, out, r int, lo linearOpts) *Op {
	i, n := float64(in), float64(out)
	o := b.op(name, Product)
	o.Shape = Shape{In: in, Out: out, RowsAreSeqs: r == seqs}
	b.reads(o, of, out, in, one, lo.use)
	b.act(o, i, n, r)
	o.FLOPs[r] = 2 * i * n
	if lo.bias {
		b.weights(o, n, biasOf(of))
		o.FLOPs[r] += n
	}
	if lo.residual {
		b.act(o, n, 0, r)
		o.FLOPs[r] += n
	}
	if lo.keep {
		b.act(o, 0, n, r)
	}
	return o
}

// outLinear is the row-parallel projection back to the residual stream, and the
// all-reduce that tensor parallelism puts behind it.
func (b *builder) outLinear(name, of string, in int, bias bool) {
	b.linear(name, of, in, b.m.Width, b.r(), linearOpts{bias: bias, residual: b.adds(), keep: b.mixFd[b.layer] && b.part == InMixer})
	b.allReduce(name+".allreduce", b.m.Width, b.r())
}

// adds reports whether a result is added to what its destination holds. The residual stream always
// is; a buffer that a norm behind the layer reads is from the second result on.
func (b *builder) adds() bool {
	add := !b.fresh
	b.fresh = false
	return add
}

// allReduce is a ring all-reduce of rows of n: each device sends 2(t−1)/t of the message.
func (b *builder) allReduce(name string, n, r int) {
	t := float64(b.tp)
	b.collective(name, AllReduce, n, r, 2*(t-1)/t)
}

func (b *builder) allGather(name string, n, r int) {
	t := float64(b.tp)
	b.collective(name, AllGather, n, r, (t-1)/t)
}

func (b *builder) collective(name string, k Kernel, n, r int, share float64) {
	if b.tp == 1 {
		return
	}
	o := b.op(name, k)
	o.Shape = Shape{Out: n, RowsAreSeqs: r == seqs}
	o.Link[r] = float64(n) * b.f.act.Bytes() * share
}

// block identifies the operations of a mixer or an FFN: layers with equal blocks have equal
// operations. It holds a comparable copy of the part, without references to other layers.
type block struct {
	part                                      any
	block                                     arch.Block
	cross, last, owner, scanFed, early, mixed bool
	reused                                    bool
	stored                                    *arch.StoredWeights
}

func (b *builder) mixerBlock(l arch.Layer, owner bool) (k block) {
	m := l.Mixer
	k.block, k.stored = l.Block, b.storedIn(l)
	if m == nil {
		return k
	}
	if len(arch.Parts(m)) == 1 { // a Parallel is no map key
		k.part = arch.Detached(m)
	}
	k.cross, k.reused = m.Reads().Cache > 0, m.Reads().Weights > 0
	k.last, k.owner = b.last, owner
	k.scanFed, k.early, k.mixed = b.scanFd[b.layer], b.early[b.layer], b.mixFd[b.layer]
	return k
}

func (b *builder) ffnBlock(l arch.Layer, last bool) (k block) {
	k.block, k.stored = l.Block, b.storedIn(l)
	if l.FFN != nil {
		k.part = l.FFN
	}
	k.last = last
	return k
}

// once lists the operations of a block the first time, counts them again every other time, and
// returns where in the list they are.
func (b *builder) once(k block, list func()) (at [2]int) {
	if at, ok := b.blocks[k]; ok && k.part != nil {
		for i := at[0]; i < at[1]; i++ {
			b.ops[i].Count++
		}
		return at
	}
	start := len(b.ops)
	list()
	at = [2]int{start, len(b.ops)}
	if b.blocks != nil && k.part != nil {
		b.blocks[k] = at
	}
	return at
}

// mixerOps adds a layer's norm and mixer. owner says that the prefill skips the layers that
// follow, so a mixer that owns the cache makes queries for the last position only.
func (b *builder) mixerOps(l arch.Layer, owner bool) {
	if l.Mixer == nil {
		return
	}
	b.storage = b.normStorage(l)
	before, beforeFFN := l.Block.Before()
	side := l.Block == arch.SideInput
	if before && !side {
		b.norm("mixer_norm", "mixer_norm", b.m.Width, b.r())
	}
	if l.Block == arch.ParallelNorms && beforeFFN {
		b.norm("ffn_norm", "ffn_norm", b.m.Width, b.r())
	}
	b.fresh = l.Block.After()
	b.cacheRows = b.r()
	if owner {
		b.cacheRows, b.last = rows, true // from here on: queries, the core and the FFN
	}
	parts := arch.Parts(l.Mixer)
	for i, p := range parts {
		if side && i < 2 { // the first feeds what the others read
			b.fresh = i == 0
			if i == 1 {
				b.storage = b.normStorage(l)
				b.fedNorm()
			}
		}
		scope := "mixer."
		if len(parts) > 1 {
			scope += strconv.Itoa(i) + "."
		}
		b.storage = b.storageOf(l, scope, p.Weights)
		cost, ok := partCosts[reflect.TypeOf(p)]
		if !ok {
			b.fail("layer %d: mixer %s has no cost model", b.layer, p.Kind())
			return
		}
		cost(b, p)
	}
	b.fresh = false
	if l.Block.After() {
		b.storage = b.normStorage(l)
		b.postNorm("mixer_post_norm", "mixer_post_norm")
	}
	b.laurel(l)
}

func (b *builder) ffnOps(l arch.Layer) {
	f := l.FFN
	if f == nil {
		return
	}
	b.storage = b.normStorage(l)
	if _, before := l.Block.Before(); before && !l.Block.Parallel() {
		b.norm("ffn_norm", "ffn_norm", b.m.Width, b.r())
	}
	b.fresh = l.Block.After()
	b.storage = b.storageOf(l, "ffn.", f.Weights)
	cost, ok := partCosts[reflect.TypeOf(f)]
	if !ok {
		b.fail("layer %d: ffn %s has no cost model", b.layer, f.Kind())
		return
	}
	cost(b, f)
	b.fresh = false
	if l.Block.After() {
		b.storage = b.normStorage(l)
		b.postNorm("ffn_post_norm", "ffn_post_norm")
	}
}

// partCosts says how each mixer and FFN is priced, by its type.
var partCosts = costsByType(
	priced((*builder).attention),
	priced((*builder).latentAttention),
	priced((*builder).mamba1),
	priced((*builder).mamba2),
	priced((*builder).deltaNet),
	priced((*builder).kda),
	priced((*builder).rglru),
	priced((*builder).sharedBlock),
	priced((*builder).mixtureOfHeads),
	priced((*builder).blockSparse),
	priced((*builder).mlstm),
	priced((*builder).rwkv4),
	priced((*builder).rwkv5),
	priced((*builder).rwkvChannelMix),
	priced((*builder).shortConv),
	priced((*builder).lightning),
	priced((*builder).gmu),
	priced((*builder).mlp),
	priced((*builder).moe),
	priced((*builder).mlpMoE),
	priced((*builder).shortcutMoE),
)

type partCost struct {
	part reflect.Type
	cost func(b *builder, part any)
}

// priced makes an entry of partCosts from the function that prices a mixer or an FFN.
func priced[T any](cost func(b *builder, part T)) partCost {
	return partCost{reflect.TypeFor[T](), func(b *builder, part any) { cost(b, part.(T)) }}
}

func costsByType(all ...partCost) map[reflect.Type]func(*builder, any) {
	byType := make(map[reflect.Type]func(*builder, any), len(all))
	for _, c := range all {
		byType[c.part] = c.cost
	}
	return byType
}
