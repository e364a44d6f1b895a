package arch

// ParamCount is how many parameters a model has, by part:
//
//	Total        = Embedding + NonEmbedding
//	Embedding    = InputEmbedding + LayerEmbedding + Head
//	NonEmbedding = Σ Mixers + Σ FFNs + Norms + Positions + Other
//
// Embedding holds everything whose size follows the vocabulary: the input embedding
// and, where it is not tied, the LM head. NonEmbedding is then the same for a tied
// and an untied model, as in the paper's scaling laws (appendix A).
type ParamCount struct {
	Total, Embedding, NonEmbedding int64

	InputEmbedding int64
	LayerEmbedding int64 // of embeddings that layers have of their own
	Head           int64 // of the LM head: 0 if tied, apart from its bias
	Positions      int64 // of learned embeddings of positions, part of NonEmbedding
	Other          int64 // of what belongs to the layers' own embeddings, and of scales of the layers
	Norms          int64 // of the layers' norms, and of those before the LM head and after the embedding
	Mixers, FFNs   []PartCount
}

// PartCount is the parameters of all mixers or FFNs of one kind.
type PartCount struct {
	Kind   string
	Layers int
	Params int64
}

// Params counts the model's parameters exactly, from the shapes of its weights.
//
// One norm stands before the LM head, and in a layer as many as its Block has: width
// weights each, twice that for LayerNorm. The parts of a Parallel are counted by their own kinds and
// share one norm. Kinds are in the order of their first layer.
func (m *Model) Params() ParamCount {
	return m.count(Weight.Elements)
}

// ActiveParams counts the parameters that one token uses. It counts as Params does, but in each
// MoE only the top k experts and the shared one. The whole input embedding is counted, as the
// makers of MoE models do.
func (m *Model) ActiveParams() ParamCount {
	return m.count(func(w Weight) int64 {
		w.Copies = w.Active
		return w.Elements()
	})
}

func (m *Model) count(size func(Weight) int64) ParamCount {
	var p ParamCount
	p.InputEmbedding = int64(m.Vocab) * int64(m.Width)
	if !m.Tied {
		p.Head = p.InputEmbedding
	}
	if m.HeadBias {
		p.Head += int64(m.Vocab)
	}
	norm := m.normParams()
	p.Norms = norm
	if m.EmbedNorm {
		p.Norms += norm
	}
	p.Positions = int64(m.Positions) * int64(m.Width)
	if w, ok := m.LayerEmbedding(); ok {
		p.LayerEmbedding = size(w)
	}
	for _, w := range m.OuterWeights() {
		p.Other += size(w)
	}
	for _, w := range m.LayerWeights() {
		p.Other += int64(len(m.Layers)) * size(w)
	}
	for _, l := range m.Layers {
		p.Norms += int64(l.norms()) * norm
		for _, mx := range Parts(l.Mixer) {
			var n int64
			for _, w := range mx.Weights(m.Width) {
				n += size(w)
			}
			p.Mixers = addPart(p.Mixers, mx.Kind(), n)
			p.NonEmbedding += n
		}
		if l.FFN != nil {
			var n int64
			for _, w := range l.FFN.Weights(m.Width) {
				n += size(w)
			}
			p.FFNs = addPart(p.FFNs, l.FFN.Kind(), n)
			p.NonEmbedding += n
		}
	}
	p.NonEmbedding += p.Norms + p.Positions + p.Other
	p.Embedding = p.InputEmbedding + p.LayerEmbedding + p.Head
	p.Total = p.Embedding + p.NonEmbedding
	return p
}

func (m *Model) normParams() int64 {
	return int64(m.Norm.Vectors()) * int64(m.Width)
}

func addPart(parts []PartCount, kind string, n int64) []PartCount {
	for i := range parts {
		if parts[i].Kind == kind {
			parts[i].Layers++
			parts[i].Params += n
			return parts
		}
	}
	return append(parts, PartCount{Kind: kind, Layers: 1, Params: n})
}

// approximateParams counts the parameters in floating point, which cannot overflow whatever the
// sizes are.
func (m *Model) approximateParams() float64 {
	n := 2 * float64(m.Vocab) * float64(m.Width)
	add := func(ws []Weight) {
		for _, w := range ws {
			e := float64(max(w.Copies, 1))
			for _, d := range w.Shape {
				e *= float64(d)
			}
			n += e
		}
	}
	if w, ok := m.LayerEmbedding(); ok {
		add([]Weight{w})
	}
	add(m.OuterWeights())
	for range m.Layers {
		add(m.LayerWeights())
	}
	for _, l := range m.Layers {
		if l.Mixer != nil {
			add(l.Mixer.Weights(m.Width))
		}
		if l.FFN != nil {
			add(l.FFN.Weights(m.Width))
		}
	}
	return n
}
