package costmodel

import (
	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/hardware"
)

// pipe holds what a builder knows about a pipeline.
type pipe struct {
	first []int // layer that each stage begins with
	size  int   // devices of a stage
	all   int   // devices of all stages
	node  int   // devices of a node; 0 where that is not known

	stage  int              // that the builder is at
	begins []int            // where in the list of operations each stage begins
	caches map[int][]cached // of each layer that stores one: what a device has of it
	copied map[int]bool     // layers whose weights the stage has
}

// cached is the bytes of a position that a device stores in a layer, and how far back the layer's
// attention sees.
type cached struct {
	bytes   float64
	window  int
	chunked bool
	out     int
}

func newPipe(o *Options, layers int, hw *hardware.Profile) *pipe {
	size := max(o.TP, 1) * max(o.DP, 1)
	p := &pipe{first: firstLayers(layers, max(o.PP, 1)), size: size, all: size * max(o.PP, 1)}
	if hw != nil {
		p.node = hw.Node()
	}
	p.begins, p.caches, p.copied = []int{0}, map[int][]cached{}, map[int]bool{}
	return p
}

// firstLayers is the layer that each stage begins with. Layers that are left over where stages
// do not divide them go one each to the stages in front of the last, which has the output head,
// as vLLM has it (vllm/distributed/utils.py, get_pp_indices).
func firstLayers(layers, stages int) []int {
	first, at := make([]int, stages), 0
	for s := range first {
		first[s] = at
		at += layers / stages
		if left := layers % stages; s >= stages-1-left && s < stages-1 {
			at++
		}
	}
	return first
}

// end is the index after the last layer of a stage.
func (p *pipe) end(stage, layers int) int {
	if stage+1 < len(p.first) {
		return p.first[stage+1]
	}
	return layers
}

// crosses reports whether any device of a stage sends to a device of another node.
func (p *pipe) crosses(stage int) bool {
	if p.node == 0 || p.all <= p.node {
		return false
	}
	for r := stage * p.size; r < (stage+1)*p.size; r++ {
		if r/p.node != (r+p.size)/p.node {
			return true
		}
	}
	return false
}

// boundary hands over from one stage to the next in front of layer i, where one begins there.
// Over the link goes the residual stream, or streams, of which each device of a tensor-parallel group sends
// a part that the next stage gathers; the new keys and values of every cache that a later stage
// reads, each device its heads: a stage that reads such a cache keeps a copy; and the memories
// of this step that later stages gate. from is the first layer that a prefill runs on last
// positions alone.
func (b *builder) boundary(i, from int) {
	p, n := b.pipe, len(b.m.Layers)
	if i == 0 || p.stage+1 == len(p.first) || p.first[p.stage+1] != i {
		return
	}
	r := rows
	if i >= from {
		r = seqs
	}
	crosses := p.crosses(p.stage)
	b.layer, b.part, b.storage = i-1, InEnds, nil
	send := func(name string, per func(basis *Coef)) *Op {
		o := b.op(name, SendRecv)
		if crosses {
			per(&o.Net)
		} else {
			per(&o.Link)
		}
		return o
	}
	act := b.f.act.Bytes() / float64(b.tp)
	stream := b.m.Width * max(b.m.AltUp.Streams, 1)
	if b.feedsLater(i) { // blocks that read the embedding too
		stream += b.m.Width
	}
	if b.m.Layers[i-1].Deferred() { // and what waits for the end of layer i
		stream += b.m.Width
	}
	memories := b.memoriesRead(i, from)
	o := send("pp.send", func(c *Coef) {
		c[r] += float64(stream) * act
		c[rows] += float64(b.m.LayerInput.Width*(n-i)) * b.f.act.Bytes()
		for _, m := range memories {
			c[m.basis] += float64(m.width) * act
		}
	})
	o.Shape = Shape{Out: stream, RowsAreSeqs: r == seqs}
	for _, owner := range b.cachesRead(i, n) {
		for _, x := range p.caches[owner] {
			o := send("pp.send_cache", func(c *Coef) { c[ring] = x.bytes })
			o.Shape = Shape{Out: x.out, Window: x.window, Chunked: x.chunked}
			o.KV = b.f.kv
		}
	}
	p.stage++
	p.begins = append(p.begins, len(b.ops))
	p.copied = map[int]bool{}
	if b.blocks != nil {
		b.blocks = map[block][2]int{}
	}
	b.layer = i
	b.allGather("pp.allgather", stream, r)
	for _, m := range memories {
		if m.whole {
			b.allGather("pp.allgather_memory", m.width, m.basis)
		}
	}
	for _, owner := range b.cachesRead(i, p.end(p.stage, n)) { // those of this stage
		for _, x := range p.caches[owner] {
			o := b.elementwise("pp.store_cache", CacheStore, 0, x.bytes/b.f.kv.Bytes(), 0, 0, rows)
			o.KV = b.f.kv
			o.Shape.Window, o.Shape.Chunked, o.Shape.Out = x.window, x.chunked, x.out
			o.Bytes[CacheWrite][ring] = x.bytes
		}
	}
}

// feedsLater reports whether a layer from i on reads the embedding besides the residual stream.
func (b *builder) feedsLater(i int) bool {
	for _, l := range b.m.Layers[i:] {
		for _, p := range arch.Parts(l.Mixer) {
			if p.Reads().Embedding {
				return true
			}
		}
	}
	return false
}

// cachesRead lists, in order, the layers before i whose caches are read by layers from i to end.
func (b *builder) cachesRead(i, end int) (owners []int) {
	read := map[int]bool{}
	for _, l := range b.m.Layers[i:end] {
		for _, p := range arch.Parts(l.Mixer) {
			if s, ok := p.Reads().Cache.Layer(); ok && s < i {
				read[s] = true
			}
		}
	}
	for s := range i {
		if read[s] {
			owners = append(owners, s)
		}
	}
	return owners
}

// handed is a memory, or a list of positions picked, that is sent to a later stage: its width, the basis of its rows, and whether
// every device of a group holds all of it.
type handed struct {
	width, basis int
	whole        bool
}

// memoriesRead lists the memories made by layers before i that layers from i on gate, and what
// indexers before i picked for layers from i on.
func (b *builder) memoriesRead(i, from int) (out []handed) {
	type key struct {
		layer int
		kind  arch.MemoryKind
		picks bool
	}
	seen := map[key]bool{}
	for j := i; j < len(b.m.Layers); j++ {
		basis := rows
		if j >= from {
			basis = seqs
		}
		for _, p := range arch.Parts(b.m.Layers[j].Mixer) {
			rd := p.Reads()
			hand := func(from arch.Ref, k key, h handed) {
				if s, ok := from.Layer(); ok && s < i && !seen[k] { // a layer in front has no fewer rows
					seen[k] = true
					out = append(out, h)
				}
			}
			if s, ok := rd.Memory.Layer(); ok {
				hand(rd.Memory, key{s, rd.Kind, false}, handed{b.m.MemoryWidth(s, rd.Kind), basis, rd.Kind == arch.OutputMemory})
			}
			if s, ok := rd.Picks.Layer(); ok {
				hand(rd.Picks, key{s, arch.NoMemory, true}, handed{p.Stores().Picked, basis, true})
			}
		}
	}
	return out
}

// listMixer lists the operations of a layer's mixer. In a pipeline it also records the cache that
// the layer stores, and stores once more the weights that the layer shares with one in an earlier
// stage.
func (b *builder) listMixer(l arch.Layer, owner bool) {
	p := b.pipe
	if len(p.first) == 1 {
		b.once(b.mixerBlock(l, owner), func() { b.mixerOps(l, owner) })
		return
	}
	layer := b.layer
	source, shares := -1, false
	for _, part := range arch.Parts(l.Mixer) {
		if s, ok := part.Reads().Weights.Layer(); ok {
			source, shares = s, true
		}
	}
	if m, _ := arch.WeightOwner(l.Mixer); m != nil {
		p.copied[layer] = true
	}
	var at [2]int
	if shares && !p.copied[source] {
		p.copied[source] = true
		at[0] = len(b.ops)
		b.mixerOps(l, owner)
		at[1] = len(b.ops)
		for i := at[0]; i < at[1]; i++ {
			b.ops[i].Reused = false
		}
	} else {
		at = b.once(b.mixerBlock(l, owner), func() { b.mixerOps(l, owner) })
	}
	for i := at[0]; i < at[1]; i++ {
		o := &b.ops[i].Op
		if n := o.Bytes[CacheWrite][ring]; n > 0 {
			p.caches[layer] = append(p.caches[layer], cached{n, o.Shape.Window, o.Shape.Chunked, o.Shape.Out})
		}
	}
}

// split makes a compiled model of each stage; a deployment of several groups without a pipeline
// has one stage.
func (c *Compiled) split(decode, prefill *builder) {
	of := func(b *builder, s int) []OpGroup {
		end := len(b.ops)
		if s+1 < len(b.pipe.begins) {
			end = b.pipe.begins[s+1]
		}
		return group(b.ops[b.pipe.begins[s]:end])
	}
	for s := range c.pp {
		x := *c // with its windows: a step's sums are by them
		x.fixed, x.vary, x.experts, x.windows, x.stages = fixedOps{}, nil, nil, nil, nil
		x.pp, x.dp = 1, 1
		x.first = decode.pipe.first[s]
		x.layers = decode.pipe.end(s, len(c.Model.Layers)) - x.first
		x.fill(of(decode, s), of(prefill, s), decode == prefill)
		c.stages = append(c.stages, &x)
	}
}
