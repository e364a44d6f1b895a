package arch

// ParamCount is a model's parameters by part. Total = Embedding + NonEmbedding.
type ParamCount struct {
	Total int64 `json:"total"`
	// Embedding is the input embedding and, where it is not tied, the LM head.
	Embedding    int64 `json:"embedding"`
	NonEmbedding int64 `json:"non_embedding"`
	// Active is what one token uses: top_k of the experts. It equals Total without MoE.
	Active int64 `json:"active"`
	// Parts splits NonEmbedding: mixer and FFN kinds, "norms".
	Parts map[string]int64 `json:"parts"`
}

// normParams is the size of one norm over the width.
func (m *Model) normParams() int64 {
	if m.Norm == LayerNorm {
		return 2 * int64(m.Width)
	}
	return int64(m.Width)
}

// Params counts exactly, from the shapes of the weights: one norm before each mixer and
// each FFN, and one before the head.
func (m *Model) Params() ParamCount {
	p := ParamCount{Parts: map[string]int64{}}
	table := int64(m.Vocab) * int64(m.Width)
	p.Embedding = table
	if !m.Tied {
		p.Embedding *= 2
	}
	if m.HeadBias {
		p.Embedding += int64(m.Vocab)
	}
	idle := int64(0)
	for _, l := range m.Layers {
		if l.Mixer != nil {
			p.Parts["norms"] += m.normParams()
			for _, mx := range Parts(l.Mixer) {
				for _, w := range mx.Weights(m.Width) {
					p.Parts[mx.Kind()] += w.Elements()
				}
			}
		}
		if l.FFN != nil {
			p.Parts["norms"] += m.normParams()
			for _, w := range l.FFN.Weights(m.Width) {
				p.Parts[l.FFN.Kind()] += w.Elements()
				if e, ok := l.FFN.(*MoE); ok && w.Copies > 0 {
					idle += w.Elements() / int64(e.Experts) * int64(e.Experts-e.TopK)
				}
			}
		}
	}
	p.Parts["norms"] += m.normParams()
	for _, n := range p.Parts {
		p.NonEmbedding += n
	}
	p.Total = p.Embedding + p.NonEmbedding
	p.Active = p.Total - idle
	return p
}
